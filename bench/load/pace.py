"""One after another, at a rate."""

import asyncio
import time
from collections.abc import AsyncIterator


async def paced(count: int, a_second: float) -> AsyncIterator[int]:
    """0 to count - 1, no faster than that many a second."""
    begin = time.perf_counter()
    for number in range(count):
        wait = begin + number / a_second - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        yield number
