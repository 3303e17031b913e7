"""The promises of docs/protocol.md under whatever order of doings and faults Hypothesis finds.

`make test-fast` runs a few examples, `make test` more; EXAMPLES=500 as many as one has time for.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.realtime.promises.running import keep
from tests.realtime.promises.world import a_world

# A few seconds, and about half a minute, on two shared cores.
FEW, MANY = 3, 8


def test_the_promises_hold_for_a_few_examples(committed: None, tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        keep(world, FEW)


@pytest.mark.slow
def test_the_promises_hold_for_many_examples(committed: None, tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        keep(world, int(os.environ.get("CHATIRE_TEST_EXAMPLES", "") or MANY), steps=50)
