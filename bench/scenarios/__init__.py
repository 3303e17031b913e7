"""Everything that is measured, in the order of `make bench`."""

from __future__ import annotations

from scenarios.case import Scenario
from scenarios.costs import UNIT_COSTS
from scenarios.crowd import IDLE, MIXED, STORM
from scenarios.durable import DURABLE
from scenarios.fanout import FANOUT
from scenarios.history import HISTORY
from scenarios.parts import PARTS
from scenarios.posts import HTTP_POSTS, SIGN_IN, WS_POSTS
from scenarios.rooms import MANY_ROOMS
from scenarios.share import NGINX_SHARE
from scenarios.workers import WORKERS

SCENARIOS: tuple[Scenario, ...] = (
    FANOUT, MANY_ROOMS, DURABLE, HTTP_POSTS, WS_POSTS, MIXED, STORM, IDLE, HISTORY, SIGN_IN,
    UNIT_COSTS, WORKERS, NGINX_SHARE, PARTS,
)  # fmt: skip
