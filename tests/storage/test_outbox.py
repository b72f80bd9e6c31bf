"""The outbox over every database: rules of :mod:`storage.outbox` by number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.records import LEAVES_WITHIN, OutboxKind, OutboxState
from bot.domain.values import EventId, RecipientId
from storage.unit_of_work import SqlUnitOfWork
from tests.storage.store import NOW, OTHER, WHO, Store, recipient

HOUR = timedelta(hours=1)
REPLY, NUDGE = OutboxKind.REPLY, OutboxKind.NUDGE


@pytest.fixture
def peopled(store: Store) -> Store:
    store.people()
    return store


def reply(uow: SqlUnitOfWork, room: str = "room-1", due: timedelta = timedelta(0), **values: object) -> int:
    row = uow.outbox.add(kind=REPLY, due=NOW + due, room=room, template="reply.help", **values)  # type: ignore[arg-type]  # fields of a row
    assert row is not None
    return row


def test_what_goes_in_comes_out(peopled: Store) -> None:
    with peopled.uow() as uow:
        row = uow.outbox.add(
            kind=OutboxKind.RELEASE,
            due=NOW,
            state=OutboxState.HELD,
            room="room-1",
            recipient=WHO,
            template="reply.list",
            params={"wait": 60, "word": "é"},
            event=EventId("$e"),
            redact_after=10,
            rotate=True,
        )
        assert row is not None
        found = uow.outbox.get(row)
        assert found is not None
        assert (found.kind, found.state, found.room, found.recipient) == (
            OutboxKind.RELEASE,
            OutboxState.HELD,
            "room-1",
            WHO,
        )
        assert (found.due, found.slot, found.useful_until) == (NOW, None, None)
        assert (found.template, found.params, found.event) == ("reply.list", {"wait": 60, "word": "é"}, "$e")
        assert (found.redact_after, found.rotate, found.attempts, found.claimed_at) == (10, True, 0, None)
        assert uow.outbox.get(row + 1) is None


def test_rule_1_each_row_has_a_transaction_id_of_its_own_from_birth(peopled: Store) -> None:
    with peopled.uow() as uow:
        rows = [reply(uow) for _ in range(50)]
        txns = {found.txn for row in rows if (found := uow.outbox.get(row))}
    assert len(txns) == 50
    assert all(txn.startswith("pli") and len(txn) == 27 for txn in txns)


def test_nudges_that_could_be_claimed_are_counted_as_far_as_it_matters(peopled: Store) -> None:
    with peopled.uow() as uow:
        uow.outbox.add_nudges({(WHO, NOW - n * HOUR): NOW + 10 * HOUR for n in range(-2, 4)})
        reply(uow)
        assert [uow.outbox.nudges_due(NOW, most=most) for most in (1, 3, 100)] == [1, 3, 4]
        uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=1)  # and with it all of this person's
        assert uow.outbox.nudges_due(NOW, most=100) == 0


def test_rule_2_a_claimed_row_is_claimed_once(peopled: Store) -> None:
    with peopled.uow() as uow:
        first, second, later = reply(uow), reply(uow, due=-HOUR), reply(uow, due=HOUR)
        claim = {"now": NOW, "device": "D", "kinds": (REPLY,), "limit": 10}
        rows = uow.outbox.claim(**claim)  # type: ignore[arg-type]  # as named
        assert [r.id for r in rows] == [second, first]
        assert uow.outbox.claim(**claim) == []  # type: ignore[arg-type]  # as named
        found = uow.outbox.get(first)
        assert found is not None
        assert (found.state, found.claimed_at, found.claimed_by) == (OutboxState.CLAIMED, NOW, "D")
        assert [r.id for r in uow.outbox.claimed()] == [second, first]
        assert [r.id for r in uow.outbox.waiting(REPLY)] == [later]


def test_the_first_claim_is_remembered(peopled: Store) -> None:
    """When a transaction id may first have been used decides how long the homeserver knows it."""
    with peopled.uow() as uow:
        row = reply(uow)
        uow.outbox.claim(now=NOW, device="D", kinds=(REPLY,), limit=1)
        uow.outbox.postpone(row, due=NOW + HOUR)
        uow.outbox.claim(now=NOW + HOUR, device="E", kinds=(REPLY,), limit=1)
        found = uow.outbox.get(row)
        assert found is not None
        assert (found.claimed_at, found.claimed_by, found.attempts) == (NOW, "D", 1)


def test_claims_leave_busy_rooms_and_other_kinds_alone(peopled: Store) -> None:
    with peopled.uow() as uow:
        reply(uow, "room-1")
        free = reply(uow, "room-2")
        uow.outbox.add(kind=OutboxKind.REDACT, due=NOW, room="room-3", event=EventId("$e"))
        rows = uow.outbox.claim(now=NOW, device="D", kinds=(REPLY,), limit=10, busy={"room-1"})
        assert [r.id for r in rows] == [free]


def test_a_limit_holds(peopled: Store) -> None:
    with peopled.uow() as uow:
        for _ in range(7):
            reply(uow)
        taken = [len(uow.outbox.claim(now=NOW, device="D", kinds=(REPLY,), limit=3)) for _ in range(4)]
        assert taken == [3, 3, 1, 0]


def test_rule_3_one_nudge_a_recipient_and_slot(peopled: Store) -> None:
    with peopled.uow() as uow:
        wanted = {(WHO, NOW): NOW + HOUR, (WHO, NOW + HOUR): NOW + HOUR * 2, (OTHER, NOW): NOW + HOUR}
        assert uow.outbox.add_nudges(wanted) == 3
        assert uow.outbox.add_nudges(wanted) == 0
        assert uow.outbox.add_nudges({(WHO, NOW): NOW + HOUR * 5}) == 0
        assert uow.outbox.add_nudges({}) == 0
        rows = uow.outbox.waiting(NUDGE)
        assert len(rows) == 3
        assert {(r.recipient, r.slot): r.useful_until for r in rows}[WHO, NOW] == NOW + HOUR * 5
        assert {r.room for r in rows} == {""}


def test_rule_3_is_kept_by_the_database_too(peopled: Store) -> None:
    peopled.execute(
        insert := (
            "INSERT INTO outbox (kind, state, txn, due, room, recipient, template, params, slot, redact_after, rotate,"
            " attempts, claimed_by) VALUES ('nudge', 'queued', :txn, 'x', '', 'r-who', '', '{}', 'x', 0, false, 0, '')"
        ),
        txn="1",
    )
    with pytest.raises(Exception, match=r"(?i)unique"):
        peopled.execute(insert, txn="2")


def test_a_dropped_nudge_is_wanted_again_as_a_new_message(peopled: Store) -> None:
    with peopled.uow() as uow:
        uow.outbox.add_nudges({(WHO, NOW): NOW + HOUR})
        (row,) = uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=1)
        uow.outbox.settle(row.id, OutboxState.DROPPED, now=NOW)
        uow.outbox.add_nudges({(WHO, NOW): NOW + HOUR})
        again = uow.outbox.get(row.id)
        assert again is not None
        assert (again.state, again.claimed_at, again.claimed_by) == (OutboxState.QUEUED, None, "")
        assert again.txn != row.txn


@pytest.mark.parametrize(
    "state", [OutboxState.SENT, OutboxState.CLAIMED, OutboxState.FAILED, OutboxState.UNKNOWN]
)
def test_a_nudge_that_left_or_may_have_left_is_not_sent_again(peopled: Store, state: OutboxState) -> None:
    with peopled.uow() as uow:
        uow.outbox.add_nudges({(WHO, NOW): NOW + HOUR})
        (row,) = uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=1)
        if state is not OutboxState.CLAIMED:
            uow.outbox.settle(row.id, state, now=NOW)
        assert uow.outbox.add_nudges({(WHO, NOW): NOW + HOUR * 9}) == 0
        found = uow.outbox.get(row.id)
        assert found is not None
        assert (found.state, found.txn) == (state, row.txn)


def test_failure_12_all_nudges_of_one_person_are_claimed_together(peopled: Store) -> None:
    with peopled.uow() as uow:
        uow.outbox.add_nudges({(each, NOW - HOUR * n): NOW for n in range(5) for each in (WHO, OTHER)})
        first = uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=1)
        assert len(first) == 5
        assert len({r.recipient for r in first}) == 1
        second = uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=1)
        assert {r.recipient for r in first + second} == {WHO, OTHER}  # type: ignore[operator]  # lists


def test_p7_nudges_of_a_slot_are_claimed_in_no_order_of_their_own(store: Store) -> None:
    people = [RecipientId(f"r-{n:02}") for n in range(30)]
    with store.uow() as uow:
        for each in people:
            uow.recipients.add(recipient(each))
        uow.outbox.add_nudges(dict.fromkeys(((each, NOW) for each in people), NOW + HOUR))
        order = [r.recipient for r in uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=100)]
    assert sorted(map(str, order)) == people
    assert order != people


def test_what_may_have_left_may_have_left_a_little_after_it_was_claimed(peopled: Store) -> None:
    with peopled.uow() as uow:
        uow.outbox.add_nudges({(WHO, NOW): NOW + HOUR})
        (row,) = uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=9)
        uow.outbox.settle(row.id, OutboxState.UNKNOWN, now=NOW + HOUR)
        assert uow.outbox.nudges_since([WHO], NOW + LEAVES_WITHIN) == {WHO: 1}
        assert not uow.outbox.nudges_since([WHO], NOW + LEAVES_WITHIN + timedelta(seconds=1))


def test_sent_rows(peopled: Store) -> None:
    with peopled.uow() as uow:
        uow.outbox.add_nudges({(WHO, NOW - HOUR * n): NOW for n in range(3)})
        first, second, third = uow.outbox.claim(now=NOW, device="D", kinds=(NUDGE,), limit=9)
        uow.outbox.sent({first.id: EventId("$1"), second.id: None}, now=NOW)
        uow.outbox.sent({}, now=NOW)
        uow.outbox.settle(third.id, OutboxState.FAILED, now=NOW)
        found = uow.outbox.get(first.id)
        assert found is not None
        assert (found.state, found.event) == (OutboxState.SENT, "$1")
        assert uow.outbox.nudges_since([WHO, OTHER], NOW - HOUR) == {WHO: 2}
        assert not uow.outbox.nudges_since([WHO], NOW + HOUR)


def test_held_rows_are_let_go(peopled: Store) -> None:
    with peopled.uow() as uow:
        old, young = (
            uow.outbox.add(kind=REPLY, due=NOW - HOUR * n, state=OutboxState.HELD, room="room-1")
            for n in (1, 0)
        )
        assert old is not None
        assert young is not None
        assert uow.outbox.claim(now=NOW, device="D", kinds=(REPLY,), limit=9) == []
        assert uow.outbox.release_held(now=NOW, before=NOW - HOUR) == 1
        assert [r.id for r in uow.outbox.claim(now=NOW, device="D", kinds=(REPLY,), limit=9)] == [old]


def test_a_held_row_is_written_anew_and_reworded(peopled: Store) -> None:
    with peopled.uow() as uow:
        row = uow.outbox.add(
            kind=OutboxKind.OPEN, due=NOW, state=OutboxState.HELD, recipient=WHO, rotate=True
        )
        assert row is not None
        uow.outbox.reword_held(WHO, "reply.left")
        found = uow.outbox.get(row)
        assert found is not None
        assert (found.kind, found.state, found.template) == (REPLY, OutboxState.HELD, "reply.left")
        uow.outbox.rewrite(
            row,
            kind=OutboxKind.RELEASE,
            state=OutboxState.QUEUED,
            due=NOW + HOUR,
            template="",
            params={"wait": 1},
            redact_after=9,
        )
        found = uow.outbox.get(row)
        assert found is not None
        assert (found.kind, found.due, found.params, found.redact_after, found.rotate) == (
            OutboxKind.RELEASE,
            NOW + HOUR,
            {"wait": 1},
            9,
            True,
        )


def test_dropping_what_waits_for_somebody(peopled: Store) -> None:
    with peopled.uow() as uow:
        mine, others = reply(uow, recipient=WHO), reply(uow, recipient=OTHER)
        uow.outbox.add_nudges({(WHO, NOW): NOW})
        assert uow.outbox.drop_waiting(WHO, (REPLY,)) == 1
        states = {row: found.state for row in (mine, others) if (found := uow.outbox.get(row))}
        assert states == {mine: OutboxState.DROPPED, others: OutboxState.QUEUED}
        assert len(uow.outbox.waiting(NUDGE)) == 1


def test_counts_next_and_waiting_in_a_room(peopled: Store) -> None:
    with peopled.uow() as uow:
        assert uow.outbox.next_due() is None
        assert dict(uow.outbox.counts()) == {}
        row = reply(uow, due=HOUR)
        reply(uow, "room-2", due=HOUR * 2)
        assert uow.outbox.next_due() == NOW + HOUR
        assert uow.outbox.has_waiting("room-1")
        uow.outbox.settle(row, OutboxState.DROPPED, now=NOW)
        assert not uow.outbox.has_waiting("room-1")
        assert dict(uow.outbox.counts()) == {"dropped": 1, "queued": 1}


def test_what_is_settled_is_purged_and_nothing_else(peopled: Store) -> None:
    with peopled.uow() as uow:
        done, waiting, young = reply(uow), reply(uow), reply(uow)
        uow.outbox.settle(done, OutboxState.DROPPED, now=NOW)
        uow.outbox.settle(young, OutboxState.DROPPED, now=NOW + HOUR * 3)
        assert uow.outbox.purge(NOW + HOUR) == 1
        assert uow.outbox.get(done) is None
        assert uow.outbox.get(waiting) is not None
        assert uow.outbox.get(young) is not None
