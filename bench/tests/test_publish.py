"""What the durable publish calls lost and doubled."""

from __future__ import annotations

import asyncio
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "designs/publish/publish.py"


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The script's names; it looks for the application, which is not needed here."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "none")
    return runpy.run_path(str(SCRIPT))


def test_one_lost_and_one_doubled_do_not_make_up_for_each_other(publish: dict[str, Any]) -> None:
    stored = [(7, 1, 0.1), (7, 2, 0.1), (8, 1, 0.3)]
    found = publish["account"](stored, [(7, 1, 0.2), (7, 1, 0.4), (8, 1, 0.3)])
    assert (found["stored"], found["lost"], found["doubled"]) == (3, 1, 1)
    assert found["took"] == [0.1, 0.1, 0.3]
    assert found["hint_took"] == [0.2, 0.3, 0.4]


def test_what_was_heard_once_in_any_order_is_whole(publish: dict[str, Any]) -> None:
    stored = [(7, 1, 0.1), (7, 2, 0.1)]
    found = publish["account"](stored, stored[::-1])
    assert (found["lost"], found["doubled"]) == (0, 0)


def test_processor_time_is_counted_from_the_beginning_on(publish: dict[str, Any]) -> None:
    async def work() -> list[tuple[int, int, float]]:
        await asyncio.sleep(0.05)
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return [(7, 1, 0.1)]

    told, spent, peak = asyncio.run(publish["metered"](work(), time.time() - 1))
    assert told == [(7, 1, 0.1)]
    assert 0.05 <= spent < 1.0
    assert peak > 2**20
