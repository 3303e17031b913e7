"""A signal is a request, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from ledger.told import STOPPING, Told


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.forget()


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_noticed_and_the_next_acts_as_before(told: Told, number: int) -> None:
    assert not told
    os.kill(os.getpid(), number)
    assert told
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
