"""What every replica said of itself, moment by moment, and what befell it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

# A sample older than this tells nothing of now.
FRESH_SECONDS = 3.0


@dataclass(frozen=True)
class Sample:
    """One answer to GET /readyz; status 0 is none within 2 s."""

    at: float
    took: float
    tier: str
    container: str  # the container's short id, or the unit with its host
    status: int
    said: str

    @property
    def ready(self) -> bool:
        return self.status == 200


@dataclass(frozen=True)
class Event:
    """Something that the engine tells: start, die, oom, health_status: …; of a unit: die."""

    at: float
    service: str
    container: str
    what: str


class Watch:
    """Everything sampled so far; filled by threads, read by the runner."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._events: list[Event] = []

    def sample(self, sample: Sample) -> None:
        with self._lock:
            self._samples.append(sample)

    def event(self, at: float, service: str, container: str, what: str) -> None:
        with self._lock:
            self._events.append(Event(at, service, container, what))

    def samples(
        self, since: float = 0.0, until: float | None = None, container: str | None = None
    ) -> list[Sample]:
        """Those taken in a span, of one container (its full or short id) or of all."""
        with self._lock:
            return [
                each
                for each in self._samples
                if each.at >= since
                and (until is None or each.at <= until)
                and (container is None or container.startswith(each.container))
            ]

    def events(self, since: float, what: str) -> list[Event]:
        """Events of a kind since a moment."""
        with self._lock:
            return [each for each in self._events if each.at >= since and each.what == what]

    def unready(self, containers: Mapping[str, str]) -> list[str]:
        """Of these containers (names by id), those not known to be ready just now, and why."""
        now = time.time()
        found = []
        for identity, name in containers.items():
            latest = self.samples(now - FRESH_SECONDS, None, identity)[-1:]
            if not latest:
                found.append(f"{name}: no answer")
            elif not latest[0].ready:
                found.append(f"{name}: {latest[0].status} {latest[0].said[:120]}")
        return found

    def forget(self, before: float) -> None:
        """Let go of what lies further back."""
        with self._lock:
            self._samples = [each for each in self._samples if each.at >= before]
            self._events = [each for each in self._events if each.at >= before]
