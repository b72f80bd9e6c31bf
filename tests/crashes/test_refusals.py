"""A storage that refuses, at every place that could have lost something for it; no homeserver is needed here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.channels.matrix import inbox
from bot.channels.matrix.inbox import Inbox
from bot.channels.matrix.olm import Machine
from bot.domain.records import OutboxKind, OutboxState
from bot.domain.trust import Address
from bot.domain.values import SecretBytes, UserId
from bot.errors import StorageError
from storage import unit_of_work
from storage.unit_of_work import Watch
from tests.rig.locker import locked
from tests.rig.postgres import RigPostgres
from tests.rig.waiting import until
from tests.services.kit import Practice, at, entry
from tests.storage.store import Store


@pytest.fixture
def small_practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


def refuse(*_: object) -> BaseException:
    return StorageError("the disk is full")


async def test_rule_7_of_deliver_a_nudge_is_not_given_up(small_practice: Practice) -> None:
    """The device's keys could not be stored: nothing left, nothing is reported, and it leaves later."""
    practice = small_practice
    await practice.enrolled("P-1", name="anna")
    practice.take(entry())
    practice.clock.moment = at("2026-09-09 18:00")
    practice.channel.fault = refuse
    await practice.send_nudges()
    assert [row.state for row in practice.nudge_rows()] == [OutboxState.QUEUED]
    assert practice.problems() == []
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=1)
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_rule_7_of_deliver_a_reply_is_not_given_up(small_practice: Practice) -> None:
    practice = small_practice
    anna = await practice.enrolled("P-1", name="anna")
    before = len(practice.channel.of("private"))

    def fault(kind: str, _: Address) -> BaseException | None:
        return refuse() if kind == "private" else None

    practice.channel.fault = fault
    await practice.converse.handle(anna.message("help"))
    await practice.send_replies()
    assert practice.problems() == []
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=1)
    await practice.send_replies()
    assert len(practice.channel.of("private")) == before + 1


async def test_rule_7_of_deliver_what_could_not_be_settled_goes_on_soon(
    small_practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before somebody tidies up next, and under the same transaction id: the patient sees one message."""
    practice = small_practice
    anna = await practice.enrolled("P-1", name="anna")
    before = len(practice.channel.of("private"))

    def full(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(practice.deliver, "_settle", full)
        await practice.converse.handle(anna.message("help"))
        await practice.send_replies()
    for _ in range(3):  # not in circles
        await practice.send_replies()
    assert [r.kind for r in practice.outbox() if r.state is OutboxState.CLAIMED] == [OutboxKind.REPLY]
    practice.clock.forward(seconds=5)
    await practice.send_replies()
    assert not [r for r in practice.outbox() if r.state is OutboxState.CLAIMED]
    assert len(practice.channel.of("private")) == before + 1


class Tokens:
    """A sync store."""

    def __init__(self) -> None:
        self.saved: list[str] = []

    async def load(self) -> str | None:
        return None

    async def save(self, token: str) -> None:
        self.saved.append(token)


async def test_rule_4_of_inbox_no_event_is_given_up_for_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_FIRST_WAIT", 0.001)
    tokens, tries, behind = Tokens(), 0, []
    box = Inbox(tokens, storing=lambda: None, stored=lambda: None)

    async def job() -> None:
        nonlocal tries
        tries += 1
        if tries < 9:
            assert not tokens.saved
            raise StorageError

    async def next_one() -> None:
        behind.append(tries)

    await box.add("t1", [("room", job), ("room", next_one)])

    async def stored() -> bool:
        return bool(tokens.saved)

    await until(stored, "the token")
    assert (tries, behind, tokens.saved) == (9, [9], ["t1"]), "and its room has waited for it"


async def test_rule_4_of_inbox_a_stop_meanwhile_leaves_the_event_to_the_next_start() -> None:
    tokens, tried = Tokens(), asyncio.Event()
    box = Inbox(tokens, storing=lambda: None, stored=lambda: None)

    async def job() -> None:
        tried.set()
        raise StorageError

    await box.add("t1", [("room", job)])
    await tried.wait()
    await box.close(seconds=5)
    assert tokens.saved == []


def test_keys_that_cannot_be_stored_are_a_refusal_and_are_not_waited_for(tmp_path: Path) -> None:
    """A raw error of the store would count as a defect, and a defect gives its message up."""
    machine = Machine(
        user=UserId("@bot:test"), device_id="D", folder=tmp_path, pickle_key=SecretBytes(bytes(32))
    )
    with locked(tmp_path / "olm.db"):
        with pytest.raises(StorageError), machine.batch():
            machine._store.database.execute_sql("DELETE FROM olmsessions")
        with pytest.raises(StorageError):
            machine.prepare_one_time_keys(1, fallback=True)
    one_time, _ = machine.prepare_one_time_keys(1, fallback=True)
    assert one_time
    machine.close()


def test_rule_4_of_the_unit_of_work_waiting_is_not_answering() -> None:
    now = [0.0]
    watch = Watch(lambda: now[0])
    watch.begins(watch)
    assert watch.answers
    now[0] = unit_of_work.SLOW_SECONDS + 1
    assert not watch.answers
    watch.has_begun(watch)
    assert watch.answers
    watch.refuses()
    assert not watch.answers
    assert watch.refused
    watch.wrote()
    assert watch.answers


def test_rule_4_of_the_unit_of_work_a_refused_statement_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.execute("DROP TABLE outbox")
    with pytest.raises(StorageError), store.uow() as uow:
        uow.outbox.counts()
    assert store.watch.refused
    store.engine.dispose()


def test_a_postgresql_that_goes_away_and_returns(postgres_server: RigPostgres, tmp_path: Path) -> None:
    """It takes nobody any more and ends every connection: refused, nothing half done, and on without a restart."""
    with postgres_server.fresh_database() as url:
        store = Store(tmp_path, url)
        store.people()
        due = at("2026-09-09 18:00")

        def interrupted() -> None:
            with store.uow() as uow:
                uow.outbox.add(kind=OutboxKind.OPEN, due=due)
                postgres_server.close_to_all(url)
                uow.commit()

        with pytest.raises(StorageError):
            interrupted()
        for _ in range(20):
            with pytest.raises(StorageError), store.uow():
                pass
        assert store.watch.refused
        postgres_server.open_again(url)
        with store.uow() as uow:
            assert uow.outbox.counts() == {}
            uow.outbox.add(kind=OutboxKind.OPEN, due=due)
            uow.commit()
        assert store.rows("SELECT count(*) FROM outbox") == [(1,)]
        store.engine.dispose()
