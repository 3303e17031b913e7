"""What nginx takes off the deliveries: bursts through it and past it, in turn, in one run.

One burst lasts a tenth of a second, and whatever else happens in it is in its figure. So here a run
has several long ones back to back, to sockets that stay open: a room of them behind nginx, on the
first worker, another room on a third worker with nothing in front. Each pair gives a ratio, and
their median is the run's. Posters sit on the second worker, as ever.
"""

from __future__ import annotations

import functools
import time
from statistics import median

import processes
from load import tally
from load.socket import Socket
from meter import Meter, Run
from scenarios.case import Case, Scenario, all_arrived, close_all, count, open_many
from scenarios.fanout import POSTERS
from targets.chatire import BehindNginx
from targets.design import Design

# sockets -> messages of a burst: some 400,000 deliveries, half a second.
BURST = {100: 4_000, 500: 800, 1_000: 400}
PAIRS = 5


class Side:
    """A room, its receivers on one worker and its posters, and what its bursts came to."""

    def __init__(self, room: int, worker: int, role: str) -> None:
        self.room, self.worker, self.role = room, worker, role
        self.receivers: list[Socket] = []
        self.posters: list[Socket] = []
        self.rates: list[float] = []
        self.delivered = 0
        self.cpu = {"worker": 0.0, "nginx": 0.0}
        # The load generator's own, while bursts lasted.
        self.load_cpu = self.seconds = 0.0

    async def open(self, design: Design, sockets: int) -> None:
        """Open everything, and have one message go to all."""
        self.receivers = await open_many(
            design, sockets, room=lambda _: self.room, worker=self.worker
        )
        self.posters = await open_many(design, POSTERS, room=lambda _: self.room, worker=1)
        ((_, text),) = tally.texts(1)
        self.posters[0].send(design.frame(text))
        await all_arrived([*self.receivers, *self.posters], 1)

    async def burst(self, design: Design, messages: int, total: tally.Tally) -> None:
        """Everything at once, to this side only; adds it to the tally of the run."""
        for socket in (*self.receivers, *self.posters):
            socket.forget()
        texts = [(number, design.frame(text)) for number, text in tally.texts(messages)]
        sent: dict[int, float] = {}
        looked: list[float] = []
        before, own = processes.snapshot(design.pod.containers), time.process_time()
        for n, (number, frame) in enumerate(texts):
            sent[number] = time.perf_counter()
            self.posters[n % POSTERS].send(frame)
        await all_arrived([*self.receivers, *self.posters], messages, looked.append)
        self.load_cpu += time.process_time() - own - looked[0]
        spent = processes.spent(before, processes.snapshot(design.pod.containers))
        counted = count(self.receivers, [sent], self.posters)
        self.rates.append(counted.arrived / counted.seconds)
        self.delivered += counted.arrived
        self.seconds += counted.seconds
        self.cpu["worker"] += spent.get(self.role, 0.0)
        self.cpu["nginx"] += spent.get("nginx", 0.0)
        total.join(counted)


async def in_turn(design: Design, run: Run, *, sockets: int, messages: int, pairs: int) -> None:
    """Pairs of bursts; who comes first changes from pair to pair."""
    through, past = Side(0, 0, "ws1"), Side(1, 2, "ws3")
    try:
        for side in (through, past):
            await side.open(design, sockets)
        total = tally.Tally()
        with Meter(design.pod, run):
            for n in range(pairs):
                for side in (through, past) if n % 2 else (past, through):
                    await side.burst(design, messages, total)
        run.take(total)
        # Counting between the bursts is no load.
        run.load_cpu = through.load_cpu + past.load_cpu
        run.judge_load(through.seconds + past.seconds)
        if total.whole:
            ratios = [a / b for a, b in zip(through.rates, past.rates, strict=True)]
            run.figures |= {
                "deliveries_per_s": median(through.rates),
                "past_nginx_per_s": median(past.rates),
                "nginx_share": 1 - median(ratios),
                "least_share": 1 - max(ratios),
                "most_share": 1 - min(ratios),
                "nginx_us_per_delivery": through.cpu["nginx"] / through.delivered * 1e6,
                "worker_us_per_delivery": through.cpu["worker"] / through.delivered * 1e6,
                "past_worker_us_per_delivery": past.cpu["worker"] / past.delivered * 1e6,
            }
    finally:
        close_all([s for side in (through, past) for s in (*side.receivers, *side.posters)])


def start(design: Design) -> None:
    """What stands behind nginx, and a third worker with nothing in front."""
    if not isinstance(design, BehindNginx):
        raise TypeError(f"{design.name} is not behind nginx")
    design.start()
    design.start_third()


def cases(quick: bool) -> list[Case]:
    return [
        Case(
            f"burst {sockets}, in turn",
            functools.partial(
                in_turn,
                sockets=sockets,
                messages=messages // 8 if quick else messages,
                pairs=2 if quick else PAIRS,
            ),
        )
        for sockets, messages in BURST.items()
    ]


NGINX_SHARE = Scenario(
    "nginx", "Bursts through nginx and past it, in turn", ("chatire-nginx",), cases, start
)
