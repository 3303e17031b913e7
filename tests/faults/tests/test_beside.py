"""What a test asserts of a ledger's JSON, and how it runs one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ledger import beside
from ledger.beside import Count, counting


def told(**different: Any) -> Count:
    spread = {"count": 0, "p50": 0.0, "p95": 0.0, "max": 0.5}
    return Count({
        "acked": 9, "truth": "api", "clients": 2, "violations": {"lost": 0, "examples": []},
        "figures": {"acked": spread, "away": spread}, "retried": {}, "resent": 0, "resets": 0,
        "cuts": {},
    } | different)  # fmt: skip


def test_a_clean_count_is_clean() -> None:
    # A message on a socket that was told to come back is sent again: no post has failed.
    told(retried={"socket: cut": 3}, cuts={"1012": 2}).expect_clean("api", 1.0)


@pytest.mark.parametrize(
    "different",
    [
        {"acked": 0},
        {"truth": "database"},
        {"violations": {"lost": 1, "examples": []}},
        {"retried": {"http: 503": 1}},
        {"resent": 1},
        {"resets": 1},
        {"figures": {"acked": {"max": 1.5}}},
    ],
    ids=lambda different: next(iter(different)),
)
def test_what_is_wrong_fails(different: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        told(**different).expect_clean("api", 1.0)


# Stands in for the program: `python -m ledger` in a folder that holds this.
PROGRAM = """
import json, signal, sys, time
over = []
signal.signal(signal.SIGTERM, lambda *_: over.append(1))
print("accounts: smoke-1-", flush=True)
if "--fail" in sys.argv: sys.exit("no server")
print("running", flush=True)
while not over: time.sleep(0.01)
if "--mute" in sys.argv: sys.exit(2)
target = next(each for each in sys.argv if each.startswith("--json=")).split("=")[1]
open(target, "w").write(json.dumps({"acked": 1}))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ledger.py").write_text(PROGRAM)
    monkeypatch.setattr(beside, "FOLDER", tmp_path)
    return tmp_path


def test_a_ledger_runs_as_long_as_the_block(folder: Path) -> None:
    with counting(folder, python=sys.executable) as ledger:
        assert ledger.prefix == "smoke-1-"
        assert not ledger.json.exists()
    assert ledger.count.told == {"acked": 1}


def test_one_that_does_not_begin_says_why(folder: Path) -> None:
    with (
        pytest.raises(AssertionError, match="no server"),
        counting(folder, "--fail", python=sys.executable),
    ):
        pass


def test_one_that_does_not_judge_is_no_success(folder: Path) -> None:
    with (
        pytest.raises(AssertionError, match="no verdict"),
        counting(folder, "--mute", python=sys.executable),
    ):
        pass
