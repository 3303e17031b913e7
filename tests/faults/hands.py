"""This end of agent.py: gives commands, waits for answers, passes on what it tells by itself."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine import EngineError

ANSWER_SECONDS = 20.0
# Its code comes first on its input: a command line is for everybody on a server to read, and kept
# in its log.
START = "import sys; exec(sys.stdin.read(int(sys.argv[1])))"


class Hands:
    """One agent that runs. `heard` is given each sample and event: its kind and what it says."""

    def __init__(
        self,
        name: str,
        command: Callable[[Sequence[str]], Sequence[str]],
        kind: Sequence[str],
        heard: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Start it: `command` makes an argument vector that runs one of there, from here."""
        self.name = name
        self._heard = heard
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered = threading.Condition()
        self._ended = False
        code = (Path(__file__).parent / "agent.py").read_text()
        words = command(["python3", "-Ic", START, str(len(code)), *kind])
        self._agent = subprocess.Popen(
            list(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()
        self._write(code)
        asked = time.time()
        at = float(self.ask("processes")["at"])
        # What its clock is behind this machine's by; the answer took some time as well.
        self.behind = (asked + time.time()) / 2 - at

    def ask(self, what: str, **more: object) -> dict[str, Any]:
        """Give a command and return the answer; raises EngineError when none comes."""
        number = next(self._numbers)
        self._write(json.dumps({"number": number, "do": what, **more}) + "\n")
        with self._answered:
            self._answered.wait_for(lambda: number in self._answers or self._ended, ANSWER_SECONDS)
            if number not in self._answers:
                raise EngineError(f"the agent {self.name} does not answer")
            return self._answers.pop(number)

    def close(self) -> None:
        if self._agent.stdin:
            self._agent.stdin.close()
        try:
            self._agent.wait(10)
        except subprocess.TimeoutExpired:
            self._agent.kill()
        self._hearing.join(10)
        if self._agent.stdout:
            self._agent.stdout.close()

    def _write(self, text: str) -> None:
        assert self._agent.stdin
        try:
            self._agent.stdin.write(text)
            self._agent.stdin.flush()
        except OSError as error:
            raise EngineError(f"the agent {self.name} has ended: {error}") from error

    def _hear(self) -> None:
        assert self._agent.stdout
        for line in self._agent.stdout:
            told = json.loads(line)
            if "answer" in told:
                with self._answered:
                    self._answers[told["answer"]] = told
                    self._answered.notify_all()
            else:
                for kind, said in told.items():
                    self._heard(kind, said)
        with self._answered:
            self._ended = True
            self._answered.notify_all()
