"""Everything at once."""

from __future__ import annotations

from engine import docker
from scenario import Run, scenario


@scenario(
    "power-cut",
    "every container is killed at the same moment, and the machine comes up 5 s later",
    within=45,
    seconds=70,
    slow=True,
    restarts={"postgres", "http", "ws", "nginx"},
    compose_only="a server's power is its owner's; tests/servers reboots its own",
)
def power_cut(run: Run) -> None:
    """All of them start in no order, as an engine starts them: none waits for another."""
    everything = [each.id for each in run.stack.containers()]
    run.fault()
    docker("kill", *everything)
    run.pause(5)
    docker("start", *reversed(everything))
    run.healed()
