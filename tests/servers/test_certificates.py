"""What preflight says of a certificate that an operator brings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from certificates import pair
from lab import PLAYBOOKS

CHECK = PLAYBOOKS / "check_certificate.py"


def python() -> str:
    """Ansible's own, by which a playbook runs the check."""
    playbook = shutil.which("ansible-playbook")
    assert playbook
    return Path(playbook).read_text().splitlines()[0].removeprefix("#!")


def told(certificate: Path, key: Path, *names: str) -> str:
    """What the check says; nothing where it has nothing against it."""
    done = subprocess.run(
        [python(), str(CHECK), *names],
        input=key.read_text() + certificate.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (done.stderr == ""), done
    return done.stderr


def test_one_for_all_names_is_taken(tmp_path: Path) -> None:
    made = pair(tmp_path, "site", "chat.example.org", "*.example.net")
    assert told(*made, "chat.example.org", "CHAT.example.net") == ""


def test_one_of_another_key_is_not(tmp_path: Path) -> None:
    certificate, _ = pair(tmp_path, "one", "chat.example.org")
    _, key = pair(tmp_path, "other", "chat.example.org")
    assert "is not this key's" in told(certificate, key, "chat.example.org")


@pytest.mark.parametrize("good", [("20200101", "20200201"), ("20990101", "20990201")])
def test_one_that_is_over_or_to_come_is_not(tmp_path: Path, good: tuple[str, str]) -> None:
    made = pair(tmp_path, "site", "chat.example.org", good=good)
    said = told(*made, "chat.example.org")
    assert f"is good from 01 January {good[0][:4]} to 01 February {good[1][:4]}" in said


def test_one_for_other_names_is_not(tmp_path: Path) -> None:
    """A star stands for one label, and not for none."""
    made = pair(tmp_path, "site", "*.example.org")
    said = told(*made, "chat.example.org", "example.org", "a.b.example.org")
    assert "is for *.example.org, not for example.org, a.b.example.org" in said


def test_what_is_no_certificate_is_told_without_a_trace_of_the_key(tmp_path: Path) -> None:
    certificate, key = pair(tmp_path, "site", "chat.example.org")
    secret = key.read_text().splitlines()[1]
    certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    said = told(certificate, key, "chat.example.org")
    assert "cannot be read" in said
    assert "Traceback" not in said
    assert secret not in said
    certificate.write_text("")
    assert "expected a private key and a certificate" in told(certificate, key, "chat.example.org")
