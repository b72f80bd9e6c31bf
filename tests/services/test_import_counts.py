"""What an import counts and writes: rules 1, 2, 3, 6 and 8 of :mod:`bot.services.import_agenda`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.appointment import Appointment, Status, Unmatched
from bot.domain.records import AnswerState, OutboxState, RecipientState
from bot.ports_storage import UnitOfWork
from bot.services.import_batch import MAX_REFUSALS, Entry
from bot.services.invite_recipient import Invited
from tests.services.kit import NOW, PIN, REFUSED, Practice, entry, numbers

GONE = Status.CANCELLED
OFF = "CANCELLED by the practice"


def test_new_then_unchanged(anywhere: Practice) -> None:
    anywhere.invite("P-1")
    entries = [entry("u-1"), entry("u-2", "2026-09-11 10:00")]
    assert numbers(anywhere.take(*entries)) == {"new": 2}
    before = anywhere.everything()
    assert numbers(anywhere.take(*entries)) == {"unchanged": 2}
    after = anywhere.everything()
    for table in ("appointment", "envelope", "reminder", "outbox"):
        assert sorted(after[table], key=str) == sorted(before[table], key=str), table


def test_every_count_of_one_file(anywhere: Practice) -> None:
    anywhere.invite("P-1")
    anywhere.take(
        entry("same"),
        entry("note"),
        entry("time"),
        entry("off"),
        entry("newest", sequence=3),
        entry("was-off", status=GONE),
    )
    counts = anywhere.take(
        entry("same"),
        entry("note", note="Apportez vos lunettes"),
        entry("time", "2026-09-10 11:00"),
        entry("off", status=GONE),
        entry("newest", sequence=2, where="line 5"),
        entry("fresh"),
        entry("over", "2026-09-01 09:00"),
        entry("stranger", patient="P-99"),
        Unmatched(where="line 8"),
        entry("was-off", status=GONE),
        REFUSED,
    )
    assert numbers(counts) == {
        "new": 1,
        "changed": 1,
        "moved": 1,
        "cancelled": 1,
        "unchanged": 2,
        "past": 1,
        "unmatched": 2,
        "refused": 2,
    }
    assert {r.where for r in counts.refused} == {"line 5", "line 9"}
    assert all(r.field and r.why and r.mend for r in counts.refused)


def test_failure_02_an_older_revision_is_refused_and_changes_nothing(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(entry(sequence=2, modified=NOW))
    before = practice.stored()
    for older in (
        entry("u-1", "2026-09-12 10:00", sequence=1),
        entry("u-1", "2026-09-12 10:00", sequence=2, modified=NOW - timedelta(seconds=1)),
    ):
        assert numbers(practice.take(older)) == {"refused": 1}
        assert practice.stored() == before
    for newer in (
        entry("u-1", "2026-09-12 10:00", sequence=2, modified=NOW),
        entry("u-1", "2026-09-13 10:00", sequence=3, modified=NOW - timedelta(days=9)),
    ):
        assert numbers(practice.take(newer)) == {"moved": 1}


async def test_failure_02_after_a_move_the_new_time_alone_is_read(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.take(entry("u-1", "2026-09-12 16:45", sequence=1))
    text = await anna.read(PIN)
    assert "16:45" in text
    assert "10:00" not in text


def test_rule_8_a_dry_run_prints_the_same_counts_and_writes_nothing(anywhere: Practice) -> None:
    anywhere.invite("P-1")
    anywhere.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00") for n in range(10)))
    entries: list[Entry] = [
        *(entry(f"u-{n}", f"2026-09-{10 + n} 10:00") for n in range(4)),
        entry("u-4", "2026-09-14 12:00"),
        entry("u-5", "2026-09-15 10:00", status=GONE),
        entry("u-6", "2026-09-16 10:00", note="autre"),
        *(entry(f"new-{n}") for n in range(600)),  # more than one batch
        *(entry(f"new-{n}") for n in range(600)),  # and all of it twice
        REFUSED,
        entry("stranger", patient="P-99"),
    ]
    before = anywhere.everything()
    rehearsed = anywhere.take(*entries, dry_run=True)
    assert anywhere.everything() == before
    assert numbers(anywhere.take(*entries)) == numbers(rehearsed)
    assert numbers(rehearsed) == {
        "new": 600,
        "moved": 1,
        "cancelled": 1,
        "changed": 1,
        "unchanged": 4,
        "unmatched": 1,
        "refused": 1,
    }


def test_rule_8_a_dry_run_of_absence_and_moves(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(*(entry(start=f"2026-09-{10 + n} 10:00", stable=False) for n in range(4)))
    left = [entry(start="2026-09-10 10:00", stable=False)]
    before = practice.everything()
    within = ("2026-09-10", "2026-09-20")
    rehearsed = practice.take(*left, within=within, dry_run=True)
    assert practice.everything() == before
    assert (
        numbers(rehearsed) == numbers(practice.take(*left, within=within)) == {"unchanged": 1, "cancelled": 3}
    )


def test_the_same_line_twice_counts_once(practice: Practice) -> None:
    practice.invite("P-1")
    assert numbers(practice.take(entry(), entry())) == {"new": 1}
    assert numbers(practice.take(*[entry()] * 600)) == {"unchanged": 1}


@pytest.mark.parametrize("second", [entry(note="autre"), entry(status=GONE), entry(patient="P-2")])
def test_one_identity_with_two_contents_is_refused_once_and_for_ever(
    practice: Practice, second: Appointment
) -> None:
    """The first counts, also the next time: an import of the same file changes nothing."""
    practice.invite("P-1", "P-2")
    counts = practice.take(entry(), replace(second, where="line 2"))
    assert numbers(counts) == {"new": 1, "refused": 1}
    assert counts.refused[0].where == "line 2"
    before = practice.stored()
    assert numbers(practice.take(entry(), second)) == {"unchanged": 1, "refused": 1}
    assert practice.stored() == before


def test_failure_08_a_first_import_of_years_of_visits_stores_and_plans_nothing(practice: Practice) -> None:
    practice.invite("P-1")
    entries = [entry(f"u-{n}", NOW - timedelta(days=n, hours=1)) for n in range(700)]
    assert numbers(practice.take(*entries)) == {"past": 700}
    rows = practice.everything()
    assert not any(rows[table] for table in ("appointment", "reminder", "outbox", "envelope"))


def test_what_runs_at_this_moment_is_kept_and_plans_nothing(practice: Practice) -> None:
    invited = practice.invite("P-1")
    assert numbers(practice.take(entry(start=NOW - timedelta(minutes=10)))) == {"new": 1}
    assert practice.reminders(invited.recipient) == []


def test_what_was_to_come_and_is_over_stays_past(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(entry(start="2026-09-01 14:00"))
    practice.clock.forward(hours=6)
    for again in (
        entry(start="2026-09-01 14:00"),
        entry(start="2026-09-01 14:00", note="vu"),
        entry(start="2026-09-01 14:00", status=GONE),
    ):
        assert numbers(practice.take(again)) == {"past": 1}
    assert practice.stored().status is Status.BOOKED


async def test_what_was_to_come_and_is_moved_into_the_past_is_cancelled_for_the_patient(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-02 15:00"))
    assert numbers(practice.take(entry(start="2026-08-30 15:00"))) == {"cancelled": 1}
    assert await practice.send_nudges() == 1
    assert OFF in await anna.read(PIN)
    assert numbers(practice.take(entry(start="2026-08-30 15:00"))) == {"past": 1}


def test_a_cancelled_one_that_nobody_knew_is_kept_so_that_an_older_one_is_refused(practice: Practice) -> None:
    practice.invite("P-1")
    assert numbers(practice.take(entry(status=GONE, sequence=4))) == {"cancelled": 1}
    assert numbers(practice.take(entry(status=GONE, sequence=4))) == {"unchanged": 1}
    assert numbers(practice.take(entry(sequence=3))) == {"refused": 1}
    assert practice.everything()["envelope"] == []


def test_refusals_are_listed_up_to_a_limit_and_counted_beyond(practice: Practice) -> None:
    practice.invite("P-1")
    counts = practice.take(*[REFUSED] * (MAX_REFUSALS + 7), entry())
    assert counts.new == 1
    assert len(counts.refused) == MAX_REFUSALS + 1
    assert "7 more" in counts.refused[-1].why


def test_no_refusal_holds_content_of_the_agenda(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(entry(sequence=5))
    counts = practice.take(
        entry(sequence=1, practitioner="Dr Zébulon", note="secret", where="line 3"),
        entry("x"),
        entry("x", note="z"),
    )
    shown = repr(counts.refused)
    assert not any(word in shown for word in ("P-1", "Zébulon", "secret", "u-1"))


# -- rule 2: keys ---------------------------------------------------------------------------------------------------


async def test_whoever_lacks_an_envelope_gets_one_although_nothing_changed(anywhere: Practice) -> None:
    anna = await anywhere.enrolled(name="anna")
    anywhere.take(entry())
    second = anywhere.invite("P-1")
    assert (second.others, second.missing) == (1, 1)
    ben = anywhere.person("ben")
    await ben.enrol(second)
    assert "no appointment" in (await ben.read(PIN)).lower() or "nothing" in (await ben.read("show")).lower()
    assert numbers(anywhere.take(entry())) == {"unchanged": 1}
    ben.practice.clock.forward(minutes=20)
    assert "10:00" in await ben.read(PIN)
    assert "10:00" in await anna.read(PIN)
    assert anywhere.reminders(second.recipient)


async def test_a_new_invitation_after_ten_wrong_pins_and_a_second_import(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.keys.destroy(anna.recipient.id)
    await anna.say(PIN)
    assert anna.recipient.state is RecipientState.LOCKED
    again = practice.invite("P-1")
    assert again.missing == 1
    await anna.enrol(again, "702846")
    practice.take(entry())
    assert "10:00" in await anna.read("702846")


def test_p3_a_re_invitation_between_two_batches_leaves_nothing_that_cannot_be_opened(
    practice: Practice,
) -> None:
    """The key is read in the transaction that writes; what was written before is counted by the invitation."""
    practice.invite("P-1")
    entries = [entry(f"u-{n}", f"2026-09-{10 + n % 20} 10:00") for n in range(1000)]
    later: list[Invited] = []
    rounds = count()

    def uow() -> UnitOfWork:
        if next(rounds) == 1:
            later.append(practice.invite("P-1"))
        return practice.home.uow()

    assert numbers(practice.take(*entries, uow=uow)) == {"new": 1000}
    (invited,) = later
    assert invited.missing == 500
    envelopes = [e for e in practice.everything()["envelope"] if e[1] == invited.recipient]
    assert len(envelopes) == 500
    practice.take(*entries)
    envelopes = [e for e in practice.everything()["envelope"] if e[1] == invited.recipient]
    assert len(envelopes) == 1000


def test_several_recipients_read_one_appointment_and_only_one_reads_what_is_for_them(
    practice: Practice,
) -> None:
    first, second = practice.invite("P-1"), practice.invite("P-1")
    practice.take(entry("shared"))
    practice.take(entry("mine"), only=first.recipient)
    readers = {(row[0], row[1]) for row in practice.everything()["envelope"]}
    shared, mine = practice.stored("shared").id, practice.stored("mine").id
    assert readers == {(shared, first.recipient), (shared, second.recipient), (mine, first.recipient)}
    practice.take(entry("mine", note="autre"), entry("shared"))
    assert len(practice.everything()["envelope"]) == 3


def test_nobody_is_sealed_to_who_left(practice: Practice) -> None:
    invited = practice.invite("P-1")
    practice.take(entry())
    practice.enrol.leave(invited.recipient, NOW)
    practice.take(entry(note="autre"), entry("u-2"))
    assert practice.everything()["envelope"] == []


def test_rule_6_a_key_that_the_importer_did_not_sign_stops_nobody_else(practice: Practice) -> None:
    good, bad = practice.invite("P-1"), practice.invite("P-1")
    with practice.home.uow() as uow:
        other = uow.recipients.get(good.recipient)
        recipient = uow.recipients.get(bad.recipient)
        assert other is not None
        assert recipient is not None
        uow.recipients.save(replace(recipient, public_key=other.public_key))
        uow.commit()
    counts = practice.take(entry())
    assert counts.new == 1
    assert [r.field for r in counts.refused] == ["recipient"]
    assert {e[1] for e in practice.everything()["envelope"]} == {good.recipient}


# -- answers --------------------------------------------------------------------------------------------------------


async def test_an_answer_survives_a_second_import_and_another_note_and_ends_with_a_new_time(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    assert await anna.say("confirm") == ["release"]

    appointment = practice.stored().id

    def states() -> list[AnswerState]:
        with practice.home.uow() as uow:
            return [a.state for a in uow.answers.of(appointment)]

    practice.take(entry())
    practice.take(entry(note="autre", sequence=1))
    assert states() == [AnswerState.OPEN]
    practice.take(entry(start="2026-09-10 11:00", note="autre", sequence=2))
    assert states() == [AnswerState.VOID]


async def test_failure_25_what_is_booked_again_is_not_read_as_cancelled(practice: Practice) -> None:
    """The patient cancelled, the practice agreed, the agenda cancelled; then it books the same time again."""
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("cancel")
    await anna.say("yes")
    appointment = practice.stored().id
    with practice.home.uow() as uow:
        (answer,) = uow.answers.of(appointment)
        uow.answers.set_state(answer.id, AnswerState.DONE)
        uow.commit()
    practice.take(entry(status=GONE, sequence=1))
    practice.take(entry(sequence=2))
    practice.clock.forward(minutes=20)
    assert OFF not in await anna.read(PIN)
    assert len(practice.nudge_rows(OutboxState.QUEUED)) >= 1


# -- who it is for --------------------------------------------------------------------------------------------------


async def test_an_entry_given_to_another_patient_is_cancelled_for_the_first(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    practice.take(entry(start="2026-09-02 15:00", patient="P-1"))
    counts = practice.take(entry(start="2026-09-02 15:00", patient="P-2"))
    assert numbers(counts) == {"changed": 1}
    assert OFF in await anna.read(PIN)
    text = await ben.read(PIN)
    assert "15:00" in text
    assert OFF not in text
    assert numbers(practice.take(entry(start="2026-09-02 15:00", patient="P-2"))) == {"unchanged": 1}
    practice.take(entry(start="2026-09-02 15:00", patient="P-1"))
    assert len(practice.appointments("P-1")) == 2


async def test_rule_7_what_names_nobody_any_more_is_cancelled(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry("a"), entry("b", "2026-09-11 10:00"))
    counts = practice.take(entry("a", patient="P-99"), Unmatched(where="line 2", source="b"))
    assert numbers(counts) == {"unmatched": 2, "cancelled": 2}
    assert (await anna.read(PIN)).count(OFF) == 2
    assert numbers(practice.take(entry("a", patient="P-99"), Unmatched(where="line 2", source="b"))) == {
        "unmatched": 2
    }


def test_failure_21_an_export_that_lost_the_patients_column_cancels_nothing(practice: Practice) -> None:
    practice.invite("P-1")
    known = [entry(f"u-{n}") for n in range(10)]
    practice.take(*known)
    lost = [Unmatched(where=f"line {n}", source=f"u-{n}") for n in range(6)]
    counts = practice.take(*lost, *known[6:])
    assert numbers(counts) == {"unmatched": 6, "unchanged": 4, "refused": 1}
    assert "6 known appointments" in counts.refused[0].why
    assert all(a.status is Status.BOOKED for a in practice.appointments())
    accepted = practice.take(*lost, *known[6:], accept=6)
    assert numbers(accepted) == {"unmatched": 6, "unchanged": 4, "cancelled": 6}


def test_the_name_that_the_practice_gave_is_sealed_where_the_agenda_has_none(practice: Practice) -> None:
    practice.patient("P-1", "Léa")
    practice.invite("P-1")
    practice.take(entry())
    first = practice.stored().digest
    assert numbers(practice.take(entry())) == {"unchanged": 1}
    assert numbers(practice.take(entry(given_name="Léa"))) == {"unchanged": 1}
    assert numbers(practice.take(entry(given_name="Lou"))) == {"changed": 1}
    assert practice.stored().digest != first


# -- everything at once ---------------------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.builds(
        entry,
        source=st.sampled_from(["a", "b", "c"]),
        start=st.sampled_from(
            ["2026-08-30 10:00", "2026-09-01 12:00", "2026-09-02 10:00", "2026-09-20 10:00"]
        ),
        patient=st.sampled_from(["P-1", "P-2", "P-99"]),
        status=st.sampled_from(Status),
        sequence=st.integers(0, 2),
        note=st.sampled_from(["", "x"]),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(ENTRIES, min_size=1, max_size=4))
def test_any_files_in_any_order(practice: Practice, files: list[list[Appointment]]) -> None:
    """A rehearsal counts what the import does; a second import of the same file does nothing more."""
    if not practice.everything()["recipient"]:
        practice.invite("P-1", "P-2")
    for entries in files:
        rehearsed = numbers(practice.take(*entries, dry_run=True))
        assert numbers(practice.take(*entries)) == rehearsed
        before = practice.everything()
        again = numbers(practice.take(*entries))
        assert not {"new", "changed", "moved", "cancelled"} & again.keys()
        after = practice.everything()
        assert after["envelope"] == before["envelope"]
        assert after["reminder"] == before["reminder"]
        with practice.home.uow() as uow:
            rows = [a for p in uow.patients.all() for a in uow.appointments.of_patient(p.id)]
            sealed = {e.appointment: e for e in uow.envelopes.of_appointments([a.id for a in rows])}
        for row in rows:
            if row.status is Status.BOOKED:
                assert sealed[row.id].revision == row.revision
