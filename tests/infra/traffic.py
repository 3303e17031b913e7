"""Somebody who goes on writing, whatever is done to the stack meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from testinfra.backend.base import CommandResult

from chat_client import Account
from target import said

# Between two posts: a busy room, and far below any limit.
PAUSE = 0.05


def posted_during(action: Callable[[], CommandResult], author: Account, room: str) -> list[int]:
    """The seqs of what was posted while an action went on, and of one post more.

    Raises AssertionError when a post was refused or the action failed.
    """
    seqs = []
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(action)
        while not done.done():
            seqs.append(author.post(room, "during")["seq"])
            wait([done], timeout=PAUSE)
        result = done.result()
    assert result.rc == 0, said(result)
    return [*seqs, author.post(room, "right after")["seq"]]
