"""That the state machine notices when a promise is broken: once for each way to break it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.realtime.promises import readers
from tests.realtime.promises.mutants import MUTANTS
from tests.realtime.promises.running import keep
from tests.realtime.promises.world import a_world

pytestmark = pytest.mark.slow

# Most are noticed in the first or second; this many are a bound for the unlucky.
EXAMPLES = 80
# What comes at all comes in less, on a busy machine too, and some mutants are noticed by what does
# not come.
PATIENCE = 4.0


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed(
    committed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(readers, "PATIENCE", PATIENCE)
    monkeypatch.setattr(readers, "DOOR_SECONDS", PATIENCE)
    with a_world(tmp_path, name) as world, pytest.raises(Exception) as noticed:  # noqa: PT011
        keep(world, EXAMPLES, steps=40)
    text = str(noticed.value)
    assert re.search(MUTANTS[name].noticed, text), text
