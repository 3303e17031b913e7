"""Messages that wait for the database are stored together, and each is answered for itself."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.conf import settings

from accounts.users import UserRow
from chat import actions
from chat.actions import Posted
from chat.drafts import Draft
from chat.permissions import Forbidden, NoSuchChat
from realtime import pool, statements
from realtime.conninfo import connection_params
from realtime.layer import HardenedPostgresChannelLayer
from realtime.writer import Writer
from tests.people import Person
from tests.realtime.rooms import chat_id, make_room
from tests.realtime.waiting import query
from tests.realtime.writing import row, write

Answer = Posted | BaseException


def at_once(*posts: tuple[str, UserRow, Draft]) -> list[Answer]:
    """What becomes of messages that all come in one turn of the loop."""

    async def work(writer: Writer) -> list[Answer]:
        return await asyncio.gather(*(writer.post(*post) for post in posts), return_exceptions=True)

    return write(work)


def draft(text: str = "x", client_id: uuid.UUID | None = None) -> Draft:
    return Draft(text, client_id or uuid.uuid4())


def stored(uri: str) -> list[tuple[int, str, str]]:
    """(seq, text, transaction) of a chat's messages."""
    sql = "SELECT seq, text, xmin::text FROM chat_message WHERE chat_id = %s ORDER BY seq"
    rows: list[Any] = query(sql, chat_id(uri))
    return rows


def seqs(answers: list[Answer]) -> list[int]:
    return [answer.row.seq if isinstance(answer, Posted) else 0 for answer in answers]


def test_what_waits_is_stored_in_one_transaction_and_in_its_order(alice: Person) -> None:
    one, two = make_room(alice), make_room(alice)
    texts = [str(number) for number in range(20)]
    posts = [(one, row(alice), draft(text)) for text in texts]
    answers = at_once(*posts, (two, row(alice), draft()))
    assert seqs(answers) == [*range(1, 21), 1]
    assert [text for _, text, _ in stored(one)] == texts
    assert len({transaction for *_, transaction in stored(one) + stored(two)}) == 1


def test_a_batch_stores_every_text_and_id_as_it_came(alice: Person) -> None:
    """Lists are a place where a quote, a comma or the word NULL could mean something."""
    uri = make_room(alice)
    texts = ["NULL", "null", '"', "'", "\\", "{}", "a,b", '{"a": "\\n"}', "ü 😀", "\n", " x "]
    drafts = [Draft(text, uuid.uuid4() if place % 2 else None) for place, text in enumerate(texts)]
    answers = at_once(*((uri, row(alice), one) for one in drafts))
    assert len({transaction for *_, transaction in stored(uri)}) == 1
    assert [text for _, text, _ in stored(uri)] == texts
    assert [
        (answer.row.text, answer.row.client_id) for answer in answers if isinstance(answer, Posted)
    ] == drafts


def test_a_chats_messages_keep_their_order_while_others_are_under_way(alice: Person) -> None:
    uri, other = make_room(alice), make_room(alice)
    texts = [str(number) for number in range(60)]

    async def work(writer: Writer) -> list[Answer]:
        sent, beside = [], []
        for text in texts:
            sent.append(writer.post(uri, row(alice), draft(text)))
            beside.append(writer.post(other, row(alice), draft(text)))
            await asyncio.sleep(0.001)
        await asyncio.gather(*beside)
        return await asyncio.gather(*sent)

    assert seqs(write(work)) == list(range(1, len(texts) + 1))
    assert [text for _, text, _ in stored(uri)] == texts


def test_repeats_in_one_batch_are_one_message_and_use_up_one_seq(
    alice: Person, bob: Person
) -> None:
    uri = make_room(alice, bob)
    again = draft("once")
    answers = at_once(
        (uri, row(alice), again),
        (uri, row(alice), draft("between")),
        (uri, row(alice), again),
        # Somebody else's message may have the same name.
        (uri, row(bob), again),
    )
    assert seqs(answers) == [1, 2, 1, 3]
    assert [answer.created for answer in answers if isinstance(answer, Posted)] == [
        True,
        True,
        False,
        True,
    ]
    assert [text for _, text, _ in stored(uri)] == ["once", "between", "once"]


def test_messages_without_a_client_id_are_each_one_of_their_own(alice: Person) -> None:
    uri = make_room(alice)
    nameless = Draft("same", None)
    answers = at_once(*((uri, row(alice), one) for one in (nameless, draft("named"), nameless)))
    assert seqs(answers) == [1, 2, 3]
    assert all(answer.created for answer in answers if isinstance(answer, Posted))
    assert [text for _, text, _ in stored(uri)] == ["same", "named", "same"]
    assert len({transaction for *_, transaction in stored(uri)}) == 1


def test_a_repeat_of_what_another_process_is_storing_fails_nobody(alice: Person) -> None:
    """It breaks the unique constraint, and with it the whole batch."""
    uri, other = make_room(alice), make_room(alice)
    again = draft("once")

    async def work(writer: Writer) -> list[Answer]:
        parameters = connection_params("test-other")
        async with await psycopg.AsyncConnection.connect(**parameters) as db:
            await actions.apost_message(db, uri, row(alice), again)
            sent = [
                writer.post(uri, row(alice), again),
                writer.post(uri, row(alice), draft("next")),
                writer.post(other, row(alice), draft("elsewhere")),
            ]
            await asyncio.sleep(0.2)
            await db.commit()
            return await asyncio.gather(*sent, return_exceptions=True)

    answers = write(work)
    assert seqs(answers) == [1, 2, 1]
    assert [text for _, text, _ in stored(uri)] == ["once", "next"]


def test_who_may_not_post_is_told_why_and_the_others_are_stored(alice: Person, bob: Person) -> None:
    uri = make_room(alice)
    answers = at_once(
        (uri, row(alice), draft("one")),
        (uri, row(bob), draft("never")),
        ("nowhere", row(alice), draft("never")),
        (uri, row(alice), draft("two")),
    )
    assert seqs(answers) == [1, 0, 0, 2]
    assert isinstance(answers[1], Forbidden)
    assert isinstance(answers[2], NoSuchChat)
    assert [text for _, text, _ in stored(uri)] == ["one", "two"]


def test_one_that_the_database_refuses_fails_no_other(alice: Person) -> None:
    uri = make_room(alice)
    answers = at_once(
        (uri, row(alice), draft("one")),
        # The tiers refuse it long before; here it stands for whatever nobody thought of.
        (uri, row(alice), draft("\x00")),
        (uri, row(alice), draft("two")),
    )
    assert seqs(answers) == [1, 0, 2]
    assert isinstance(answers[1], psycopg.DataError)
    assert [(seq, text) for seq, text, _ in stored(uri)] == [(1, "one"), (2, "two")]


def test_a_chat_that_somebody_holds_keeps_no_other_waiting_for_long(alice: Person) -> None:
    held, free = make_room(alice), make_room(alice)
    with psycopg.connect(**connection_params("test-holder")) as holder:
        holder.execute("SELECT FROM chat_chat WHERE id = %s FOR UPDATE", [chat_id(held)])
        posts = [(uri, row(alice), draft()) for uri in (held, free, held, free)]
        answers = at_once(*posts)
    assert seqs(answers) == [0, 1, 0, 2]
    assert isinstance(answers[0], psycopg.OperationalError)
    assert isinstance(answers[2], psycopg.OperationalError)


@pytest.mark.parametrize("count", [1, 5])
def test_a_connection_that_the_server_ends_is_changed_for_another(
    alice: Person, count: int
) -> None:
    """As when PostgreSQL restarts, or an administrator ends all backends: nobody is troubled."""
    uri = make_room(alice)
    room = chat_id(uri)

    async def work(writer: Writer) -> list[Answer]:
        with (
            psycopg.connect(**connection_params("test-holder")) as holder,
            psycopg.connect(**connection_params("test-administrator"), autocommit=True) as admin,
        ):
            holder.execute("SELECT FROM chat_chat WHERE id = %s FOR UPDATE", [room])
            sent = [writer.post(uri, row(alice), draft(str(number))) for number in range(count)]
            waiting = """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name LIKE 'chatire-ws%' AND wait_event_type = 'Lock'
                  AND datname = current_database()
            """
            ended: list[Any] = []
            while not ended:
                await asyncio.sleep(0.01)
                ended = admin.execute(waiting).fetchall()
        return await asyncio.gather(*sent, return_exceptions=True)

    assert seqs(write(work)) == list(range(1, count + 1))
    assert [text for _, text, _ in stored(uri)] == [str(number) for number in range(count)]


def test_one_without_a_client_id_is_not_sent_twice(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks behind the commit: nobody knows, and only a name lets it in once."""
    alone, together = make_room(alice), make_room(alice)
    broken: list[str] = []

    def breaking(name: str) -> None:
        """The first time, nobody hears of the commit."""
        call = getattr(actions, name)

        async def work(db: pool.Connection, *post: Any, **more: Any) -> Any:
            posted = await call(db, *post, **more)
            if name not in broken:
                broken.append(name)
                await db.close()
                raise psycopg.OperationalError("the connection is lost")
            return posted

        monkeypatch.setattr(actions, name, work)

    breaking("apost_message")
    breaking("apost_together")
    nameless = Draft("nameless", None)
    (answer,) = at_once((alone, row(alice), nameless))
    assert isinstance(answer, psycopg.OperationalError)
    assert [text for _, text, _ in stored(alone)] == ["nameless"]
    unknown, named = at_once((together, row(alice), nameless), (together, row(alice), draft("n")))
    assert isinstance(unknown, psycopg.OperationalError)
    assert isinstance(named, Posted)
    assert [text for _, text, _ in stored(together)] == ["nameless", "n"]
    assert broken == ["apost_message", "apost_together"]


def test_the_next_batch_is_on_its_way_before_anybody_is_told_of_the_last(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = make_room(alice)
    together = actions.apost_together
    noted: list[str] = []

    async def noting(*arguments: Any) -> Any:
        noted.append("sent")
        return await together(*arguments)

    async def work(writer: Writer) -> list[Answer]:
        first = [writer.post(uri, row(alice), draft()) for _ in range(2)]
        first[0].add_done_callback(lambda _: noted.append("told"))
        while not noted:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second = [writer.post(uri, row(alice), draft()) for _ in range(2)]
        return await asyncio.gather(*first, *second)

    monkeypatch.setattr(actions, "apost_together", noting)
    assert seqs(write(work)) == [1, 2, 3, 4]
    assert noted == ["sent", "sent", "told"]


def test_many_batches_over_the_same_chats_do_not_wait_for_each_other(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers that take the same chats' rows, each its own way round."""
    uris = [make_room(alice) for _ in range(8)]
    rounds = 30

    async def apart(*post: Any) -> Posted:
        raise AssertionError("a batch has failed")

    async def talk(writer: Writer, order: list[str]) -> list[Answer]:
        answers: list[Answer] = []
        for _ in range(rounds):
            answers += await asyncio.gather(*(writer.post(u, row(alice), draft()) for u in order))
        return answers

    async def work(writer: Writer) -> list[Answer]:
        both = await asyncio.gather(talk(writer, uris), talk(Writer(), uris[::-1]))
        return [answer for answers in both for answer in answers]

    monkeypatch.setattr(actions, "apost_message", apart)
    write(work)
    for uri in uris:
        assert [seq for seq, *_ in stored(uri)] == list(range(1, 2 * rounds + 1))


def test_a_full_batch_for_one_chat_is_not_compared_all_with_all(alice: Person) -> None:
    """Joined by their chat alone, a hundred messages are a million pairs, and take 200 ms."""
    parameters = {
        "uris": [make_room(alice)] * 100,
        "users": [alice.id] * 100,
        "client_ids": [uuid.uuid4() for _ in range(100)],
        "texts": ["x"] * 100,
    }
    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {actions.TOGETHER_SQL}"
    with psycopg.connect(**connection_params("test"), autocommit=True) as db:
        row = db.execute(explained, parameters).fetchone()
    assert row is not None
    nodes: list[dict[str, Any]] = [row[0][0]["Plan"]]
    thrown_away = 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        removed = node.get("Rows Removed by Join Filter", 0)
        thrown_away += int(removed * node["Actual Loops"])
    assert thrown_away < 50_000


def test_repeats_on_several_workers_at_once_are_one_message_each_and_leave_no_gap(
    alice: Person, bob: Person
) -> None:
    """Clients that lost their sockets and say everything again, while the first is under way."""
    chance = random.Random(4)
    uris = [make_room(alice, bob) for _ in range(3)]
    said = [
        (chance.choice(uris), row(chance.choice([alice, bob])), draft(str(number)))
        for number in range(120)
    ]

    async def talk(writer: Writer, posts: list[Any]) -> list[Answer]:
        sent = []
        for post in posts:
            sent.append(writer.post(*post))
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        return await asyncio.gather(*sent)

    async def work(writer: Writer) -> list[Answer]:
        again = [chance.sample(said, len(said)) for _ in range(3)]
        writers = [writer, Writer(), Writer()]
        answers = await asyncio.gather(*(talk(*one) for one in zip(writers, again, strict=True)))
        return [answer for some in answers for answer in some]

    answers = [answer for answer in write(work) if isinstance(answer, Posted)]
    assert len(answers) == 3 * len(said)
    assert sum(answer.created for answer in answers) == len(said)
    assert len({(answer.row.uri, answer.row.seq) for answer in answers}) == len(said)
    for uri in uris:
        expected = [text for room, _, (text, _) in said if room == uri]
        assert [seq for seq, *_ in stored(uri)] == list(range(1, len(expected) + 1))
        assert sorted(text for _, text, _ in stored(uri)) == sorted(expected)


@pytest.mark.parametrize("count", [1, 5])
def test_nothing_is_said_to_be_stored_when_the_commit_fails(
    alice: Person, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """An author who is gone: the foreign key is looked at when the transaction commits."""
    uri = make_room(alice)
    gone = row(alice)._replace(id=2_000_000_000)
    member = {"POST_SQL": "s.user_id = %(user_id)s", "TOGETHER_SQL": "s.user_id = p.user_id"}
    for name, condition in member.items():
        statement = getattr(actions, name)
        assert condition in statement
        monkeypatch.setattr(actions, name, statement.replace(condition, "TRUE"))
    answers = at_once(*((uri, gone, draft()) for _ in range(count)))
    assert all(isinstance(answer, psycopg.IntegrityError) for answer in answers)
    assert stored(uri) == []


def test_the_ws_tiers_statements_are_parsed_and_planned_once_a_connection(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg prepares what it has run five times; Django's own connections are told not to."""
    uri = make_room(alice)
    posts = [actions.Post(uri, row(alice), draft()) for _ in range(2)]
    layer = HardenedPostgresChannelLayer(tier="test")
    # What a connection has prepared only it can tell.
    monkeypatch.setattr(settings, "ENV", replace(settings.ENV, ws_db_connections=1))

    async def main() -> list[Any]:
        # Makes this loop one that receives, whose statements run on the pool.
        layer.receiver()
        try:
            for _ in range(6):
                async with pool.connection() as db:
                    await actions.apost_message(db, uri, row(alice), draft())
                    await actions.apost_together(
                        db, [post._replace(draft=draft()) for post in posts]
                    )
                await layer.group_send_many([("nobody", {"type": "x"})], "sender")
            return await pool.fetch("SELECT statement FROM pg_prepared_statements")
        finally:
            await layer.close()

    prepared = [statement for (statement,) in asyncio.run(main())]
    for sql in (actions.POST_SQL, actions.TOGETHER_SQL, statements.GROUP_SEND_MANY):
        begins = sql[: sql.index("%(")]
        assert len([each for each in prepared if each.startswith(begins)]) == 1, (begins, prepared)
