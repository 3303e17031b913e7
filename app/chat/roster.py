"""Chats, and who is in them: the one place that changes either.

Each change is a short transaction; its events are written in it and so are told only when it
commits.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from accounts.users import PublicUser
from chat import permissions
from chat.models import Chat, Membership, Removal
from realtime.publish import publish_event


def create_chat(owner: PublicUser) -> Chat:
    """A new chat with its owner in it."""
    with transaction.atomic():
        chat = Chat.objects.create(owner_id=owner.id)
        Membership.objects.create(chat=chat, user_id=owner.id)
        _members_changed(chat.pk, owner.id, "added")
    return chat


def add_member(uri: str, user: PublicUser, target: PublicUser) -> permissions.Access:
    """Lets `target` in, as `user` wishes. Repeating it changes nothing.

    What was said before is history, not unread. Raises NoSuchChat or Forbidden.
    """
    with transaction.atomic():
        found = permissions.require_chat(_lock(uri, user.id))
        permissions.require_may_add(found, user.id, target.id)
        _, created = Membership.objects.get_or_create(
            chat_id=found.chat_id,
            user_id=target.id,
            defaults={"joined_seq": found.last_seq},
        )
        if created:
            Removal.objects.filter(chat_id=found.chat_id, user_id=target.id).delete()
            _members_changed(found.chat_id, target.id, "added")
    return found


def remove_member(uri: str, user: PublicUser, target: PublicUser) -> bool:
    """`target` leaves, or is removed by the owner, and then cannot come back by the link.

    Returns whether they were a member at all. Raises NoSuchChat or Forbidden.
    """
    with transaction.atomic():
        found = permissions.require_chat(_lock(uri, user.id))
        permissions.require_may_remove(found, user.id, target.id)
        gone, _ = Membership.objects.filter(chat_id=found.chat_id, user_id=target.id).delete()
        if not gone:
            return False
        left = target.id == user.id
        if not left:
            Removal.objects.get_or_create(chat_id=found.chat_id, user_id=target.id)
        Chat.objects.filter(pk=found.chat_id).update(departures=F("departures") + 1)
        _members_changed(found.chat_id, target.id, "left" if left else "removed")
    return True


def delete_chats(chats: list[int]) -> None:
    """Deletes chats whole, by their ids; every member's sockets close."""
    with transaction.atomic():
        for membership in Membership.objects.filter(chat_id__in=chats):
            _members_changed(membership.chat_id, membership.user_id, "removed")
        Chat.objects.filter(pk__in=chats).delete()


def _lock(uri: str, user_id: int) -> permissions.Access | None:
    """Access, with the chat's row held, so that joining and removing go one after the other."""
    if not permissions.URI_PATTERN.fullmatch(uri):
        return None
    if not Chat.objects.select_for_update(no_key=True).filter(uri=uri).exists():
        return None
    return permissions.access(uri, user_id)


def _members_changed(chat_id: int, user_id: int, change: str) -> None:
    publish_event(
        "workers",
        {
            "type": "members.changed",
            "chat_id": chat_id,
            "user_id": user_id,
            "change": change,
        },
    )
