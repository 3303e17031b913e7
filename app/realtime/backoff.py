"""How long to wait before trying again, so that many processes do not try in step."""

import random

# The first try comes at once for a person, the later ones do not press a database that starts.
FIRST_SECONDS = 0.05
# A database that is back is found within this, so that sight returns within 3 s of that.
LONGEST_SECONDS = 1.0


def jitter(seconds: float) -> float:
    """Return something between half of `seconds` and all of it."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreading load, not secrets


def backoff(attempt: int) -> float:
    """Return the seconds to wait after failed attempt number `attempt`, counted from 1."""
    return jitter(min(LONGEST_SECONDS, FIRST_SECONDS * float(2 ** min(attempt, 10))))
