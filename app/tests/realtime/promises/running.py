"""Running the state machine in a world."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.realtime.promises.machine import Promises
from tests.realtime.promises.world import World

STEPS = 30


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        # Processes, threads and a database: what failed once need not fail again, so that
        # looking for a shorter way to it leads nowhere.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def keep(world: World, examples: int, steps: int = STEPS) -> None:
    """Run the machine; raises what it finds, with the steps that led there."""

    class Machine(Promises):
        pass

    Machine.world, Machine.failures = world, []
    try:
        run_state_machine_as_test(Machine, settings=_settings(examples, steps))
    except Exception:
        # Not Hypothesis' account of it, which is that of its second run.
        if Machine.failures:
            raise Machine.failures[0] from None
        raise
