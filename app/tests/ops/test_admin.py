"""The admin: everything can be looked at, and nothing done there breaks a promise."""

from __future__ import annotations

from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels_postgres.models import GroupChannel
from channels_postgres.models import Message as LayerMessage
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from accounts.models import Session
from chat.models import Chat, History, Membership, Message, Removal
from tests.people import Person, make_chat, say


@pytest.fixture
def boss(db: Any) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


@pytest.fixture
def uri(alice: Person, bob: Person, carol: Person) -> str:
    uri = make_chat(alice, bob, carol)
    say(bob, uri, "one", "two")
    alice.delete(f"/api/chats/{uri}/members/carol/")
    return uri


@pytest.fixture
def told(db: Any) -> Any:
    """What the ws workers were told since."""
    layer = get_channel_layer()
    GroupChannel.objects.create(group_key=layer._group_key("workers"), channel="asgi.test!w")

    def events() -> list[dict[str, Any]]:
        rows = LayerMessage.objects.filter(channel="asgi.test!w").order_by("id")
        return [layer.deserialize(bytes(row.message)) for row in rows]

    return events


def page(model: Any, name: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def run_action(client: Client, model: Any, name: str, *keys: Any, **extra: Any) -> Any:
    body = {"action": name, "_selected_action": [str(key) for key in keys], **extra}
    answer = client.post(page(model, "changelist"), body, follow=True)
    assert answer.status_code == 200
    return answer


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_every_model_has_a_list_and_its_rows_a_page(boss: Client, uri: str, model: Any) -> None:
    assert boss.get(page(model, "changelist")).status_code == 200
    searchable = admin.site._registry[model].search_fields
    if searchable:
        assert boss.get(page(model, "changelist"), {"q": "alice"}).status_code == 200
    for row in model.objects.all()[:1]:
        assert boss.get(page(model, "change", row.pk)).status_code == 200


def test_all_of_this_projects_models_are_there() -> None:
    registered = set(admin.site._registry)
    assert {Chat, Membership, Removal, Message, History, Session, User} <= registered


def test_a_page_needs_a_member_of_the_staff(alice: Person) -> None:
    answer = Client().get("/admin/")
    assert answer.status_code == 302
    client = Client()
    assert alice.user is not None
    client.force_login(alice.user)
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize("name", ["delete", "change"])
def test_a_message_cannot_be_deleted_or_changed(boss: Client, uri: str, name: str) -> None:
    message = Message.objects.get(seq=1)
    answer = boss.post(page(Message, name, message.pk), {"post": "yes", "text": "changed"})
    assert answer.status_code == 403
    run_action(boss, Message, "delete_selected", message.pk, post="yes")
    assert list(Message.objects.order_by("seq").values_list("seq", "text")) == [
        (1, "one"),
        (2, "two"),
    ]


def test_a_message_cannot_be_added(boss: Client, uri: str) -> None:
    assert boss.get(page(Message, "add")).status_code == 403


def test_a_chat_goes_whole_and_its_sockets_are_closed(
    boss: Client, uri: str, alice: Person, bob: Person, told: Any
) -> None:
    chat = Chat.objects.get()
    assert boss.get(page(Chat, "delete", chat.pk)).status_code == 200
    boss.post(page(Chat, "delete", chat.pk), {"post": "yes"})
    assert (Chat.objects.count(), Message.objects.count()) == (0, 0)
    assert {(e["type"], e["chat_id"], e["user_id"]) for e in told()} == {
        ("members.changed", chat.pk, alice.id),
        ("members.changed", chat.pk, bob.id),
    }


def test_several_chats_go_by_the_action(boss: Client, uri: str, alice: Person) -> None:
    make_chat(alice)
    keys = Chat.objects.values_list("pk", flat=True)
    run_action(boss, Chat, "delete_selected", *keys, post="yes")
    assert Chat.objects.count() == 0


def test_a_member_is_removed_as_by_the_owner(
    boss: Client, uri: str, alice: Person, bob: Person, told: Any
) -> None:
    keys = Membership.objects.values_list("pk", flat=True)
    run_action(boss, Membership, "remove_members", *keys)
    assert list(Membership.objects.values_list("user", flat=True)) == [alice.id]
    assert Removal.objects.filter(user=bob.user).exists()
    assert [(e["user_id"], e["change"]) for e in told()] == [(bob.id, "removed")]


def test_lifting_a_removal_lets_the_link_work_again(boss: Client, uri: str, carol: Person) -> None:
    join = {"username": "carol"}
    assert carol.patch(f"/api/chats/{uri}/", join).status_code == 403
    removal = Removal.objects.get()
    boss.post(page(Removal, "delete", removal.pk), {"post": "yes"})
    assert carol.patch(f"/api/chats/{uri}/", join).status_code == 200


def test_a_session_can_be_ended(boss: Client, alice: Person, told: Any) -> None:
    run_action(boss, Session, "end_sessions", alice.sid)
    assert alice.get("/auth/users/me/").status_code == 401
    assert [e["type"] for e in told()] == ["session.ended"]


def test_who_may_only_look_may_only_look(db: Any, uri: str, alice: Person) -> None:
    from django.contrib.auth.models import Permission

    viewer = User.objects.create_user("viewer", password="x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(viewer)
    run_action(client, Session, "end_sessions", alice.sid)
    run_action(
        client, Membership, "remove_members", *Membership.objects.values_list("pk", flat=True)
    )
    run_action(client, Chat, "delete_selected", Chat.objects.get().pk, post="yes")
    assert alice.get("/auth/users/me/").status_code == 200
    assert (Chat.objects.count(), Membership.objects.count()) == (1, 2)


def test_deactivating_a_user_ends_their_sessions(boss: Client, alice: Person) -> None:
    url = page(User, "change", alice.id)
    form = boss.get(url).context["adminform"].form
    body = {k: v for k, v in form.initial.items() if isinstance(v, str) and k != "password"}
    body |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = boss.post(url, body)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert not User.objects.get(pk=alice.id).is_active
    assert alice.get("/auth/users/me/").status_code == 401
