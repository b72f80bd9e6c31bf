"""Every repository over every database: what goes in comes out, what hangs on it goes along, nothing is in clear."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from sqlalchemy import String, inspect

from bot.domain.appointment import Status
from bot.domain.choices import Confirmed, Level, Quiet, Wishes
from bot.domain.dialogue.table import TABLE
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    AuditKind,
    Invitation,
    InvitationKind,
    OutboxKind,
    OutboxState,
    ProblemKind,
    RecipientState,
    Reminder,
    ReminderKind,
    StoredAnswer,
)
from bot.domain.trust import Pin
from bot.domain.values import AppointmentId, EventId, Language, PatientId, RecipientId, RoomId, UserId
from bot.errors import InvalidSeal, StorageError
from storage import tables as t
from storage.columns import Columns
from storage.small_repositories import WRONG_CODES_IN_ALL
from storage.wishes_text import read_wishes
from tests.storage.store import KEY, NOW, OTHER, P1, P2, WHO, Store, appointment, envelope, recipient, room

A1, A2 = AppointmentId("a-1"), AppointmentId("a-2")
HOUR = timedelta(hours=1)


def test_patients(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        found = uow.patients.by_reference("P-1001")
        assert found is not None
        assert (found.id, found.reference, found.given_name) == (P1, "P-1001", "Léa")
        assert uow.patients.get(P1) == found
        assert uow.patients.by_reference("p-1001") is None
        assert uow.patients.get(PatientId("p-9")) is None
        assert {p.id for p in uow.patients.all()} == {P1, P2}
        many = uow.patients.by_references(["P-1001", "P-1002", "P-9", "P-1001"])
        assert {r: p.id for r, p in many.items()} == {"P-1001": P1, "P-1002": P2}
        assert uow.patients.by_references([]) == {}


WISHES = Wishes(
    level=Level.PRIVATE,
    days_before=(7, 1),
    confirmed=Confirmed.NONE,
    slots=(time(12), time(18, 30)),
    quiet=Quiet(time(21), time(0)),
    daily_cap=2,
)


@pytest.mark.parametrize("name", [None, *(field.name for field in fields(Wishes))])
def test_wishes(store: Store, name: str | None) -> None:
    """All of them, and each one alone: what was not asked for stays so."""
    store.people()
    wishes = WISHES if name is None else Wishes(**{name: getattr(WISHES, name)})
    with store.uow() as uow:
        known = uow.recipients.get(WHO)
        assert known is not None
        uow.recipients.save(replace(known, wishes=wishes))
        found = uow.recipients.get(WHO)
        assert found is not None
        assert found.wishes == wishes


def test_wishes_that_an_older_version_sealed() -> None:
    old = '{"level": "private", "days_before": [7, 1], "confirmed": null}'
    assert read_wishes(old) == Wishes(level=Level.PRIVATE, days_before=(7, 1))


def test_links(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.patients.link(P1, WHO)
        assert uow.patients.recipients_of(P1) == [WHO]
        assert sorted(uow.patients.recipients_of(P2)) == sorted([WHO, OTHER])
        assert uow.patients.patients_of(WHO) == [P1, P2]
        assert uow.patients.recipients_of_many([P1, P2])[P1] == [WHO]
        uow.patients.unlink(WHO)
        assert uow.patients.recipients_of(P1) == []
        assert uow.patients.recipients_of(P2) == [OTHER]


def test_recipients(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        assert uow.recipients.get(WHO) == recipient()
        changed = replace(
            recipient(),
            language=Language.EN,
            state=RecipientState.LEFT,
            generation=4,
            wrap=b"",
            reminders_on=True,
            changes_on=False,
            consented_at=None,
            pin=Pin(device_id="D", ed25519="e", curve25519="c"),
        )
        uow.recipients.save(changed)
        assert uow.recipients.get(WHO) == changed
        assert uow.recipients.get(OTHER) == recipient(OTHER)
        uow.recipients.save(replace(changed, pin=None))
        assert uow.recipients.many([WHO, OTHER, RecipientId("r-9")]).keys() == {WHO, OTHER}
        assert len(uow.recipients.all()) == 2
        uow.recipients.remove(OTHER)
        assert uow.recipients.get(OTHER) is None


@pytest.mark.parametrize("kind", InvitationKind)
def test_invitations(store: Store, kind: InvitationKind) -> None:
    store.people()
    given = Invitation(id="PUBLIC", recipient=WHO, kind=kind, expires=NOW, salt=b"s", verifier=b"v")
    with store.uow() as uow:
        uow.invitations.add(given)
        assert uow.invitations.get("PUBLIC") == given
        assert uow.invitations.open_for(WHO) == [given]
        assert uow.invitations.open_for(OTHER) == []
        used = replace(given, redeemed_by="index", closed=True)
        uow.invitations.save(used)
        assert uow.invitations.get("PUBLIC") == used
        assert uow.invitations.open_for(WHO) == []
        assert uow.invitations.get("NOTHER") is None


def test_two_codes_with_one_public_part_are_refused(store: Store) -> None:
    store.people()
    given = Invitation(id="SAME", recipient=WHO, kind=InvitationKind.ENROL, expires=NOW)
    with store.uow() as uow:
        uow.invitations.add(given)
        uow.commit()
    with pytest.raises(StorageError), store.uow() as uow:
        uow.invitations.add(replace(given, recipient=OTHER))


def test_rooms(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        assert uow.rooms.get("room-r-who") == room()
        assert uow.rooms.by_room(room().room) == room()
        assert uow.rooms.by_user(room().user) == room()
        assert uow.rooms.by_recipient(WHO) == room()
        assert uow.rooms.by_recipients([WHO, OTHER]).keys() == {WHO, OTHER}
        assert uow.rooms.by_user(UserId("@other:example.org")) is None
        assert uow.rooms.user_index(room().user) != uow.rooms.user_index(room(OTHER).user)
        moved = replace(room(), room=RoomId("!new:example.org"), left=True, recipient=None)
        uow.rooms.save(moved)
        assert uow.rooms.by_room(moved.room) == moved
        assert uow.rooms.by_room(room().room) is None
        uow.rooms.remove(moved.id)
        assert uow.rooms.get(moved.id) is None


def test_one_room_an_account(store: Store) -> None:
    store.people()
    with pytest.raises(StorageError), store.uow() as uow:
        uow.rooms.add(replace(room(), id="room-2", room=RoomId("!second:example.org")))


def test_appointments(store: Store) -> None:
    store.people()
    first, second = appointment(), appointment("a-2", modified=None, only=WHO, by_hand=True, day_tag="other")
    with store.uow() as uow:
        uow.appointments.add([first, second])
        uow.appointments.add([])
        assert uow.appointments.get(A1) == first
        assert uow.appointments.get(A2) == second
        assert uow.appointments.get(AppointmentId("a-9")) is None
        assert uow.appointments.many([A1, A2]) == {A1: first, A2: second}
        assert uow.appointments.by_sources(["source of a-2", "none"]) == {"source of a-2": second}
        assert uow.appointments.by_days(["day"]) == [first]
        assert {a.id for a in uow.appointments.by_series(["series"])} == {A1, A2}
        assert {a.id for a in uow.appointments.of_patient(P1)} == {A1, A2}
        changed = replace(first, status=Status.CANCELLED, revision=9, change=10, sequence=8, patient=P2)
        uow.appointments.save(changed)
        assert uow.appointments.get(A1) == changed
        assert uow.appointments.past(first.past_after + HOUR) != []
        assert uow.appointments.past(first.past_after - HOUR) == []
        uow.appointments.remove(A1)
        assert uow.appointments.get(A1) is None


def test_long_lists_are_cut(store: Store) -> None:
    """More ids than a statement may bind."""
    store.people()
    rows = [appointment(f"a-{n}", source_index=f"s-{n}") for n in range(1300)]
    with store.uow() as uow:
        uow.appointments.add(rows)
        uow.envelopes.put([envelope(a.id) for a in rows])
        assert len(uow.appointments.by_sources([a.source_index for a in rows] * 2)) == 1300
        assert len(uow.appointments.many([a.id for a in rows])) == 1300
        assert len(uow.envelopes.of_appointments([a.id for a in rows])) == 1300
        uow.envelopes.put([envelope(a.id, revision=3) for a in rows])
        assert {e.revision for e in uow.envelopes.of_appointments([a.id for a in rows])} == {3}


def test_envelopes(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.appointments.add(
            [appointment(), appointment("a-2", only=OTHER), appointment("a-3", past_after=NOW)]
        )
        uow.envelopes.put([envelope(), envelope(to=OTHER), envelope("a-2"), envelope("a-3")])
        assert [(a.id, e) for a, e in uow.envelopes.to_come(WHO, NOW)] == [(A1, envelope())]
        uow.envelopes.put([envelope(revision=3, blob=b"new")])
        assert envelope(revision=3, blob=b"new") in uow.envelopes.of_appointments([A1])
        assert envelope(to=OTHER) in uow.envelopes.of_appointments([A1])
        uow.envelopes.mark_told(A1, WHO, 5)
        told = {e.recipient: e.told for e in uow.envelopes.of_appointments([A1])}
        assert told == {WHO: 5, OTHER: 1}
        uow.envelopes.remove_of(WHO)
        assert uow.envelopes.to_come(WHO, NOW) == []
        assert [e.recipient for e in uow.envelopes.of_appointments([A1, A2])] == [OTHER]
        uow.envelopes.put([])


def test_reminders(store: Store) -> None:
    store.people()

    def reminder(
        name: str, to: RecipientId, slot: datetime, kind: ReminderKind = ReminderKind.REMIND
    ) -> Reminder:
        return Reminder(
            appointment=AppointmentId(name), recipient=to, kind=kind, slot=slot, useful_until=slot + HOUR
        )

    mine, later = reminder("a-1", WHO, NOW), reminder("a-2", WHO, NOW + HOUR, ReminderKind.CHANGE)
    others = reminder("a-1", OTHER, NOW)
    with store.uow() as uow:
        uow.appointments.add([appointment(), appointment("a-2")])
        uow.reminders.add([later, mine, others])
        uow.reminders.add([])
        assert uow.reminders.due([(WHO, NOW), (OTHER, NOW), (WHO, NOW + HOUR * 9)]) == {
            (WHO, NOW): [mine],
            (OTHER, NOW): [others],
        }
        assert list(uow.reminders.after(WHO, NOW)) == [mine, later]
        assert list(uow.reminders.after(WHO, NOW + HOUR)) == [later]
        assert len(uow.reminders.after_many([WHO, OTHER], NOW)) == 3
        uow.reminders.drop(A1, WHO)
        assert list(uow.reminders.after(WHO, NOW)) == [later]
        uow.reminders.replace(A2, [mine])
        assert list(uow.reminders.after(WHO, NOW)) == [mine]
        uow.reminders.replace_many({A1: [others], A2: []})
        assert list(uow.reminders.after(OTHER, NOW)) == [others]
        uow.reminders.remove_of(OTHER)
        assert uow.reminders.after_many([WHO, OTHER], NOW) == []


def answer(name: str, to: RecipientId = WHO, **values: object) -> StoredAnswer:
    found = StoredAnswer(
        id=name,
        appointment=A1,
        recipient=to,
        time_revision=1,
        kind=AnswerKind.MOVE,
        state=AnswerState.OPEN,
        at=NOW,
        blob=b"sealed",
    )
    return replace(found, **values)  # type: ignore[arg-type]  # fields of the record


def test_answers(store: Store) -> None:
    store.people()
    first, second = answer("w-1"), answer("w-2", OTHER, time_revision=2, at=NOW + HOUR)
    done = answer("w-3", state=AnswerState.DONE)
    with store.uow() as uow:
        uow.appointments.add([appointment()])
        for each in (second, first, done):
            uow.answers.add(each)
        assert uow.answers.get("w-1") == first
        assert uow.answers.get("w-9") is None
        assert {a.id for a in uow.answers.of(A1)} == {"w-1", "w-2", "w-3"}
        assert list(uow.answers.of(A1, OTHER)) == [second]
        assert {a.id for a in uow.answers.of_many([A1, A2])[A1]} == {"w-1", "w-2", "w-3"}
        assert [a.id for a in uow.answers.listing(since=None, states=(AnswerState.OPEN,))] == ["w-1", "w-2"]
        assert [a.id for a in uow.answers.listing(since=NOW + HOUR, states=tuple(AnswerState))] == ["w-2"]
        uow.answers.void_before(A1, 2)
        states = {a.id: a.state for a in uow.answers.of(A1)}
        assert states == {"w-1": AnswerState.VOID, "w-2": AnswerState.OPEN, "w-3": AnswerState.DONE}
        uow.answers.set_state("w-2", AnswerState.DONE)
        assert uow.answers.listing(since=None, states=(AnswerState.OPEN,)) == []


def test_what_hangs_on_a_patient_goes_along(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.appointments.add([appointment(), appointment("a-2", patient=P2)])
        uow.envelopes.put([envelope(), envelope("a-2")])
        uow.answers.add(answer("w-1"))
        uow.patients.remove(P1)
        uow.commit()
    assert store.rows("SELECT id FROM appointment") == [("a-2",)]
    assert store.rows("SELECT appointment FROM envelope") == [("a-2",)]
    assert store.rows("SELECT id FROM answer") == []
    assert store.rows("SELECT patient FROM patient_recipient WHERE patient = 'p-1'") == []


def test_what_hangs_on_a_recipient_goes_along_but_redactions_and_answers_stay(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.appointments.add([appointment()])
        uow.envelopes.put([envelope(), envelope(to=OTHER)])
        uow.answers.add(answer("w-1"))
        uow.outbox.add(kind=OutboxKind.REPLY, due=NOW, room="room-r-who", recipient=WHO)
        uow.outbox.add(kind=OutboxKind.REDACT, due=NOW, room="room-r-who", event=EventId("$e"))
        uow.recipients.remove(WHO)
        uow.commit()
    assert store.rows("SELECT recipient FROM envelope") == [(OTHER,)]
    assert store.rows("SELECT kind FROM outbox") == [("redact",)]
    assert store.rows("SELECT id FROM answer") == [("w-1",)]
    assert store.rows("SELECT recipient FROM room WHERE id = 'room-r-who'") == [(None,)]


def test_seen(store: Store) -> None:
    with store.uow() as uow:
        assert uow.seen.add(["a", "b", "a"], NOW) is True
        assert uow.seen.add(["b", "c"], NOW) is False
        assert uow.seen.add(["c"], NOW) is False
        assert uow.seen.purge(NOW) == 0
        assert uow.seen.purge(NOW + HOUR) == 3
        assert uow.seen.add(["a"], NOW) is True


def test_seen_not_within_a_span(store: Store) -> None:
    """It counts from the last time that it was true; a clock that was set back makes it wait."""
    with store.uow() as uow:
        asked = [
            uow.seen.not_within("a", NOW + after, span=HOUR)
            for after in (0 * HOUR, HOUR / 2, HOUR - HOUR / 3600, HOUR, 1.5 * HOUR, -HOUR, 2 * HOUR)
        ]
        assert asked == [True, False, False, True, False, False, True]
        assert uow.seen.not_within("b", NOW, span=HOUR) is True
        assert uow.seen.purge(NOW + HOUR) == 1, "b alone"


def test_guesses_of_one_alone(store: Store) -> None:
    """It waits as the others do, and neither adds to what all of them did nor waits for it."""
    with store.uow() as uow:
        uow.guesses.wrong("s", NOW)
        for number in range(2 * WRONG_CODES_IN_ALL):
            uow.guesses.wrong(f"a{number}", NOW, alone=True)
        assert uow.guesses.wait_seconds("s", NOW) == 0
        for _ in range(2):
            uow.guesses.wrong("a0", NOW, alone=True)
        assert uow.guesses.wait_seconds("a0", NOW, alone=True) == 60
        for number in range(WRONG_CODES_IN_ALL - 1):
            uow.guesses.wrong(f"s{number}", NOW)
        assert uow.guesses.wait_seconds("s", NOW) == 3600
        assert uow.guesses.wait_seconds("a1", NOW, alone=True) == 0
        uow.guesses.clear("a1", alone=True)
        assert uow.guesses.wait_seconds("s", NOW) == 3600, "nor is one taken off what all of them did"


def test_guesses(store: Store) -> None:
    """Waits grow, end, are per sender, and do not turn negative with a clock that goes back."""
    waits = []
    with store.uow() as uow:
        assert uow.guesses.wait_seconds("s", NOW) == 0
        for _ in range(10):
            uow.guesses.wrong("s", NOW)
            waits.append(uow.guesses.wait_seconds("s", NOW) / 60)
        assert waits == [0, 0, 1, 2, 5, 15, 30, 60, 60, 60]
        assert uow.guesses.wait_seconds("s", NOW + HOUR) == 0
        assert uow.guesses.wait_seconds("s", NOW - HOUR) == 3600
        assert uow.guesses.wait_seconds("s", NOW) == 0, "a clock set back starts the wait again, once"
        assert uow.guesses.wait_seconds("other", NOW) == 0
        uow.guesses.clear("s")
        assert uow.guesses.wait_seconds("s", NOW) == 0


def test_guesses_of_all_together(store: Store) -> None:
    """From so many on, whoever has one waits until the hour is over; nobody else does."""
    with store.uow() as uow:
        for number in range(WRONG_CODES_IN_ALL - 1):
            uow.guesses.wrong(f"s{number}", NOW)
        assert uow.guesses.wait_seconds("s0", NOW) == 0
        uow.guesses.wrong("right", NOW)
        assert uow.guesses.wait_seconds("s0", NOW) == 3600
        uow.guesses.clear("right")
        assert uow.guesses.wait_seconds("s0", NOW) == 0, "one that was right is none of them"
        uow.guesses.wrong("last", NOW + HOUR / 2)
        assert uow.guesses.wait_seconds("s0", NOW + HOUR / 2) == 1800
        assert uow.guesses.wait_seconds("new", NOW + HOUR / 2) == 0
        assert uow.guesses.wait_seconds("s0", NOW + HOUR) == 0
        uow.guesses.wrong("s0", NOW + HOUR)
        assert uow.guesses.wait_seconds("s0", NOW + HOUR) == 0, "a new hour begins to count"
        assert uow.guesses.purge(NOW + HOUR / 2) == WRONG_CODES_IN_ALL - 2


def test_problems(store: Store) -> None:
    with store.uow() as uow:
        for kind in ProblemKind:
            uow.problems.add(kind, NOW, WHO)
        uow.problems.add(ProblemKind.TROUBLE, NOW)
        found = uow.problems.all()
    assert [p.kind for p in found[:-1]] == list(ProblemKind)
    assert (found[0].at, found[0].recipient, found[-1].recipient) == (NOW, WHO, None)


def test_meta(store: Store) -> None:
    with store.uow() as uow:
        assert uow.meta.get("sync") is None
        uow.meta.set("sync", "canary-token-1")
        uow.meta.set("sync", "canary-token-2")
        uow.meta.set("other", "")
        assert (uow.meta.get("sync"), uow.meta.get("other")) == ("canary-token-2", "")
        uow.commit()
    assert b"canary" not in store.rows("SELECT value_enc FROM meta WHERE name = 'sync'")[0][0]


def test_times_come_back_in_utc_to_the_microsecond_and_sort(store: Store) -> None:
    with store.uow() as uow:
        paris = NOW.astimezone(timezone(timedelta(hours=2)))
        uow.problems.add(ProblemKind.TROUBLE, paris)
        uow.problems.add(ProblemKind.TROUBLE, NOW.replace(microsecond=0))
        first, second = (p.at for p in uow.problems.all())
        assert (first, first.tzinfo, second) == (NOW, UTC, NOW.replace(microsecond=0))
    with pytest.raises(StorageError), store.uow() as uow:
        uow.problems.add(ProblemKind.TROUBLE, datetime(2026, 1, 1))  # noqa: DTZ001 - refused


def test_p1_nothing_that_identifies_is_in_clear(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.appointments.add([appointment()])
        uow.commit()
    everything = ""
    for table in t.metadata.sorted_tables:
        everything += repr(store.rows(f"SELECT * FROM {table.name}"))  # noqa: S608 - names of our own tables
    for text in ("canary", "P-1001", "Léa", "example.org", "master of"):
        assert text not in everything
    assert "a-1" in everything, "the search finds what is there"


def test_a_cell_moved_to_another_row_does_not_open(store: Store) -> None:
    store.people()
    store.execute(
        "UPDATE room SET room_enc = (SELECT user_enc FROM room WHERE id = 'room-r-who') WHERE id = 'room-r-who'"
    )
    with store.uow() as uow, pytest.raises(InvalidSeal):
        uow.rooms.get("room-r-who")


def test_another_data_key_opens_nothing(store: Store) -> None:
    store.people()
    store.columns = Columns(type(KEY)(b"x" * 32))
    with store.uow() as uow:
        assert uow.patients.by_reference("P-1001") is None
        with pytest.raises(InvalidSeal):
            uow.patients.get(P1)


# -- what PostgreSQL enforces and SQLite does not -------------------------------------------------------------------


def _longest(column: object) -> int:
    kind = getattr(column, "type")  # noqa: B009 - any column
    assert isinstance(kind, String)
    assert kind.length is not None
    return kind.length


def test_every_word_fits_its_column() -> None:
    fits = {
        t.recipient.c.state: RecipientState,
        t.invitation.c.kind: InvitationKind,
        t.appointment.c.status: Status,
        t.reminder.c.kind: ReminderKind,
        t.answer.c.kind: AnswerKind,
        t.answer.c.state: AnswerState,
        t.outbox.c.kind: OutboxKind,
        t.outbox.c.state: OutboxState,
        t.problem.c.kind: ProblemKind,
        t.audit.c.kind: AuditKind,
        t.recipient.c.language: Language,
    }
    for column, words in fits.items():
        assert max(len(word.value) for word in words) <= _longest(column), column


def test_the_templates_of_every_step_fit_their_column() -> None:
    steps = (step for row in TABLE.values() for step in row.values())
    longest = max(len(",".join(template.value for template in step.templates)) for step in steps)
    assert longest <= _longest(t.outbox.c.template)


def test_the_migrations_make_the_schema_that_the_code_knows(store: Store) -> None:
    found = inspect(store.engine)
    names = set(found.get_table_names()) - {"alembic_version"}
    assert names == {table.name for table in t.metadata.sorted_tables}
    for table in t.metadata.sorted_tables:
        columns = {c["name"]: c["nullable"] for c in found.get_columns(table.name)}
        assert columns == {c.name: bool(c.nullable) for c in table.columns}, table.name
        keys = {
            (f["referred_table"], f["options"].get("ondelete")) for f in found.get_foreign_keys(table.name)
        }
        assert keys == {(f.column.table.name, f.ondelete) for f in table.foreign_keys}, table.name
        indexed = {tuple(i["column_names"]) for i in found.get_indexes(table.name)}
        assert {tuple(c.name for c in i.columns) for i in table.indexes} <= indexed, table.name
