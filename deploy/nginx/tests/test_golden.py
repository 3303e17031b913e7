"""The text itself: byte for byte, taken by nginx, and clean for gixy."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import binary, installed_version

from nginxgen import from_json, generate
from nginxgen.values import version_numbers

HERE = Path(__file__).parent
DESCRIPTIONS = sorted((HERE / "golden").glob("*.json"))
GIXY = Path(sys.executable).parent / "gixy"
WAIVERS = HERE.parent / "gixy.cfg"

each_golden = pytest.mark.parametrize("source", DESCRIPTIONS, ids=lambda path: path.stem)


def written(source: Path) -> Path:
    """The golden file of a description."""
    return source.with_suffix(".conf")


def runnable(source: Path, folder: Path) -> Path:
    """The golden file with what this machine lacks put into a folder: certificate, ports, user."""
    key = folder / "key.pem"
    certificate = folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    here = {
        "/etc/chatire/tls/fullchain.pem": str(certificate),
        "/etc/chatire/tls/privkey.pem": str(key),
        "/var/log/nginx/": f"{folder}/",
        "/var/lib/nginx/": f"{folder}/",
        "/tmp/": f"{folder}/",  # noqa: S108
        "/run/nginx.pid": f"{folder}/nginx.pid",
        "/dev/stdout": f"{folder}/access.log",
    }
    # In one go: the folder itself may lie in one of these.
    text = written(source).read_text()
    text = re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], text)
    # Low ports are not for everybody, and IPv6 is not everywhere.
    text = re.sub(r"(?m)^( +listen )\[::\]:(80|443)\b", r"\g<1>127.0.0.2:\2", text)
    text = re.sub(r"(?m)^( +listen (?:127.0.0.2:)?)(80|443)\b", r"\g<1>10\2", text)
    if os.geteuid() != 0:
        text = re.sub(r"(?m)^user .*\n", "", text)
    conf = folder / "nginx.conf"
    conf.write_text(text)
    return conf


def test_there_are_golden_files() -> None:
    assert len(DESCRIPTIONS) >= 4


@each_golden
def test_the_text_is_the_golden_file_byte_for_byte(source: Path) -> None:
    text = generate(from_json(source.read_text()))
    assert text.encode() == written(source).read_bytes(), (
        f"if this change is meant: python -m nginxgen --description {source} "
        f"--output {written(source)}"
    )


@each_golden
def test_the_text_is_the_same_whatever_the_hash_seed(source: Path) -> None:
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "nginxgen", "--description", str(source)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(HERE.parent)}
        said = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        assert said == written(source).read_bytes()


@each_golden
def test_nginx_takes_it_without_a_warning(source: Path, tmp_path: Path) -> None:
    meant_for = version_numbers(from_json(source.read_text()).nginx_version)
    installed = version_numbers(installed_version())
    if installed[:2] < meant_for[:2]:
        pytest.skip(f"written for nginx {meant_for}, this one is {installed}")
    conf = runnable(source, tmp_path)
    tested = subprocess.run(
        [binary(), "-e", "stderr", "-t", "-c", str(conf)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert tested.returncode == 0, tested.stderr
    complaints = [line for line in tested.stderr.splitlines() if "[" in line]
    if installed[:2] > meant_for[:2]:
        # Newer ones want HTTP/2 said in another way, which the older ones do not know.
        complaints = [line for line in complaints if '"listen ... http2"' not in line]
    assert complaints == []


@each_golden
def test_gixy_finds_nothing_that_is_not_waived(source: Path) -> None:
    command = [str(GIXY), "-c", str(WAIVERS), str(written(source))]
    audited = subprocess.run(command, check=False, capture_output=True, text=True)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "No issues found" in audited.stdout


def test_no_waiver_has_outlived_its_finding() -> None:
    waivers = configparser.ConfigParser()
    waivers.read_string("[gixy]\n" + WAIVERS.read_text())
    for check in waivers["gixy"]["skips"].split(","):
        command = [str(GIXY), "--checks", check, *(str(written(each)) for each in DESCRIPTIONS)]
        audited = subprocess.run(command, check=False, capture_output=True, text=True)
        assert f"[{check}]" in audited.stdout, f"{check} finds nothing: take its waiver out"
