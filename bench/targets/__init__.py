"""Everything that can be measured, by name."""

from __future__ import annotations

from targets.chatire import BehindNginx, Chatire
from targets.design import Design
from targets.others import (
    Bare,
    BareChannels,
    BareChannelsJson,
    BareChannelsLayer,
    BareDurable,
    BarePushed,
    BareView,
    BareWebsockets,
    BareWsproto,
    RedisCore,
    RedisCoreDefault,
    RedisPubSub,
    SocketIO,
    Tutorial,
    TutorialKept,
)

DESIGNS: dict[str, type[Design]] = {
    design.name: design
    for design in (
        Chatire, BehindNginx, Bare, BareDurable, Tutorial, TutorialKept, BareView, RedisCore,
        RedisCoreDefault, RedisPubSub, SocketIO, BareWebsockets, BareWsproto, BarePushed,
        BareChannels, BareChannelsJson, BareChannelsLayer,
    )
}  # fmt: skip


def titles() -> dict[str, str]:
    """What each is called in tables and pictures."""
    return {name: design.title for name, design in DESIGNS.items()}
