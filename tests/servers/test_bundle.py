"""The release bundle: whole, described, and the same however often it is packed."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bundle as packing
import manifest as reading
import pytest
import wheels

from lab import PLAYBOOKS, Host, Lab, must

COMMIT_TIME = 1_700_000_000
INSTALLER = PLAYBOOKS / "roles" / "app" / "templates" / "install-release.j2"


@pytest.fixture(scope="module")
def unpacked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with tarfile.open(bundle) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def manifest(bundle: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(reading.read(str(bundle)))
    return read


def files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file() and path != folder / "manifest.json":
            yield str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_manifest_names_every_file_with_its_hash(
    unpacked: Path, manifest: dict[str, Any]
) -> None:
    assert dict(files(unpacked)) == manifest["files"]


def test_it_holds_the_page_the_application_and_the_generator(unpacked: Path) -> None:
    for path in ("ui/index.html", "app/manage.py", "nginxgen/nginxgen/__main__.py", "LICENSE"):
        assert (unpacked / path).exists(), path
    assert not (unpacked / "app/tests").exists()
    assert not (unpacked / "app/frontend").exists()


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_each_locked_wheel_is_there_and_is_what_the_lock_says(unpacked: Path, python: str) -> None:
    there = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in unpacked.glob("wheels/*.whl")
    }
    lock = (unpacked / f"wheels/python{python}.txt").read_text()
    locked = {hashes[0].removeprefix("sha256:") for _, _, hashes in wheels.requirements(lock)}
    assert locked
    assert locked <= there


def test_nothing_in_it_is_newer_than_its_commit(bundle: Path, manifest: dict[str, Any]) -> None:
    with tarfile.open(bundle) as archive:
        entries = archive.getmembers()
    assert len({entry.mtime for entry in entries}) == 1
    assert {(entry.uid, entry.gid) for entry in entries} == {(0, 0)}
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert manifest["commit"]


def test_the_bill_of_materials_names_every_wheel_and_the_pages_framework(
    unpacked: Path, manifest: dict[str, Any]
) -> None:
    bill = json.loads((unpacked / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {component["bom-ref"] for component in bill["components"]}
    assert {f"wheel:{name}" for name in manifest["wheels"]} <= named
    assert "npm:node_modules/vue" in named
    assert set(bill["dependencies"][0]["dependsOn"]) == named


def test_the_same_files_pack_to_the_same_bytes(unpacked: Path, tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        packed = packing.pack(unpacked, tmp_path / name, "1.0", COMMIT_TIME)
        digests.add(hashlib.sha256(packed.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_marker_is_read_for_the_python_that_the_wheels_are_for() -> None:
    lock = (
        "always==1.0 \\\n    --hash=sha256:aa\n"
        "older==2.0 ; python_full_version < '3.13' \\\n    --hash=sha256:bb\n"
    )
    assert list(wheels.for_python("3.13", lock)) == ["always==1.0 --hash=sha256:aa"]
    assert list(wheels.for_python("3.11", lock)) == [
        "always==1.0 --hash=sha256:aa",
        "older==2.0 --hash=sha256:bb",
    ]


def test_a_requirement_without_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="no pinned requirement with hashes"):
        list(wheels.for_python("3.13", "loose>=1.0\n"))


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def cut_off(request: pytest.FixtureRequest, lab: Lab, bundle: Path) -> Iterator[Host]:
    """A bare host with Debian's venv, the bundle and its installer, and then no network."""
    host = Host(lab, f"offline-{request.param}.test", request.param)
    packages = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv"
    prepared = host.shell(f"apt-get update -qq && {packages} && mkdir -p /opt/chatire/releases")
    assert prepared.status == 0, prepared.output
    installer = lab.folder / "install-release"
    installer.write_text(INSTALLER.read_text().replace("{{ chatire_root }}", "/opt/chatire"))
    for source, to in ((bundle.resolve(), "/opt/bundle.tar.gz"), (installer, "/opt/installer")):
        must(["docker", "cp", str(source), f"{host.container}:{to}"])
    must(["docker", "network", "disconnect", lab.network, host.container])
    yield host
    host.remove()


def test_a_damaged_one_is_not_installed(cut_off: Host, manifest: dict[str, Any]) -> None:
    name = f"chatire-{manifest['version']}"
    damaged = cut_off.shell(
        f"cd /tmp && tar -xzf /opt/bundle.tar.gz && echo '# more' >>{name}/app/manage.py"
        f" && tar -czf /opt/damaged.tar.gz {name}"
    )
    assert damaged.status == 0, damaged.output
    refused = cut_off.shell("python3 /opt/installer /opt/damaged.tar.gz")
    assert refused.status != 0
    assert "the bundle is damaged: app/manage.py and 0 more" in refused.output, refused.output
    there = cut_off.shell(f"test -e /opt/chatire/releases/{manifest['version']}")
    assert there.status != 0, "the damaged release lies where a whole one would"


def test_it_is_installed_without_any_network(cut_off: Host, manifest: dict[str, Any]) -> None:
    assert cut_off.shell("ls /sys/class/net").output.split() == ["lo"]
    installed = cut_off.shell("python3 /opt/installer /opt/bundle.tar.gz")
    assert installed.status == 0, installed.output
    release = f"/opt/chatire/releases/{manifest['version']}"
    # What each distribution asks of this Python is there: markers were read for it.
    for works in (
        f"/opt/chatire/releases/.pip/bin/pip --python {release}/venv/bin/python check",
        f"cd {release}/app && CHATIRE_ENV=build DJANGO_SETTINGS_MODULE=chatire.settings.build"
        " ../venv/bin/python manage.py check",
        f"cd {release}/nginxgen && PYTHONPATH=.:vendor python3 -m nginxgen --help",
    ):
        ran = cut_off.shell(works)
        assert ran.status == 0, f"$ {works}\n{ran.output}"
