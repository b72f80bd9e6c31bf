"""What is too old goes, each kind after its own time, and leaves no byte behind."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.appointment import Status
from bot.domain.records import (
    AnswerState,
    Invitation,
    InvitationKind,
    OutboxKind,
    OutboxState,
    ProblemKind,
    StoredEnvelope,
)
from bot.domain.retention import Retention
from bot.domain.telegram import TelegramLink
from bot.domain.values import EventId
from bot.services.pause_nudges import PauseNudges
from bot.services.purge import Purge
from bot.services.record_answer import ReadAnswers
from storage.audit_rows import verify_audit
from storage.engine import connect, truncate_wal
from tests.services.kit import DAY, HOUR, PIN, Practice, at, entry

NEVER = 10_000 * DAY
KEEP_ALL = Retention(
    appointments=NEVER,
    envelopes=NEVER,
    answers=NEVER,
    nudges=NEVER,
    messages=NEVER,
    marks=NEVER,
    codes=NEVER,
    invitations=None,
    left=NEVER,
)


def keeping(practice: Practice, **changed: timedelta | None) -> Purge:
    values: dict[str, Any] = {name: getattr(KEEP_ALL, name) for name in KEEP_ALL.__dataclass_fields__}
    return Purge(practice.home.uow, practice.keys, Retention(**{**values, **changed}))


async def test_rule_9_what_a_long_pause_made_too_late_is_reported_before_nobody_can_see_it(
    practice: Practice,
) -> None:
    """Of one the reminder, of the other that the visit is off; once each."""
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    practice.take(entry("u-1"), entry("u-2", patient="P-2"))
    practice.take(entry("u-1"), entry("u-2", patient="P-2", status=Status.CANCELLED, sequence=1))
    PauseNudges(practice.home.uow, practice.rules).pause(practice.now)
    practice.clock.moment = at("2026-09-20 03:00")
    await practice.send_nudges()
    with practice.uow() as uow:
        assert [p for p in uow.problems.all() if p.kind is ProblemKind.TOO_LATE] == []
    for _ in range(2):
        Purge(practice.home.uow, practice.keys)(practice.now)
    with practice.uow() as uow:
        late = [p.recipient for p in uow.problems.all() if p.kind is ProblemKind.TOO_LATE]
    assert {anna.recipient.id, ben.recipient.id} == set(late)
    assert late.count(anna.recipient.id) == 1
    assert practice.nudge_rows(OutboxState.QUEUED) == []


async def lived(practice: Practice) -> None:
    """Everything that can grow old: an appointment, an answer, a wrong code, an old invitation, somebody who left."""
    anna = await practice.enrolled("P-1", name="anna")
    practice.take(entry("u-1", "2026-09-03 10:00"))
    await practice.send_nudges()
    practice.clock.forward(days=1, hours=9)
    await practice.send_nudges()
    await anna.say(PIN)
    await anna.say("confirm 1")
    await anna.say("cancel 1")
    await anna.say("yes")
    for answer in practice.answers():
        ReadAnswers(practice.home.uow, practice.sealer).done(answer.id, now=practice.now)
    unused = practice.invite("P-2", days=1)
    stranger = practice.person("stranger")
    await stranger.say("ABCD-EFGH-JKMN-PQRS-TVW0")
    ben = await practice.enrolled("P-3", name="ben")
    await ben.say("leave")
    await ben.say("yes")
    reader = anna.recipient.id
    with practice.home.uow() as uow:
        uow.problems.add(ProblemKind.TROUBLE, practice.now)
        uow.guesses.wrong("somebody", practice.now)
        uow.telegram.add_link(TelegramLink(id="digest", recipient=reader, expires=practice.now))
        uow.commit()
    assert unused.code
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    practice.clock.forward(hours=2)
    await practice.rooms.close_left()


KINDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "appointments": ({"appointments": DAY}, {"appointments"}),
    "envelopes": ({"envelopes": DAY}, {"envelopes"}),
    "answers": ({"answers": DAY}, {"answers"}),
    "nudges": ({"nudges": DAY}, {"nudges"}),
    "messages": ({"messages": DAY}, {"messages"}),
    "marks": ({"marks": DAY}, {"marks"}),
    "codes": ({"codes": DAY}, {"codes", "links"}),
    "invitations": ({"invitations": DAY}, {"invitations"}),
    "problems": ({"problems": DAY}, {"problems"}),
    "left": ({"left": DAY}, {"recipients"}),
    "audit": ({"audit": DAY}, {"rows"}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_goes_after_its_own_time_and_alone(anywhere: Practice, kind: str) -> None:
    await lived(anywhere)
    setting, names = KINDS[kind]
    early = keeping(anywhere)(anywhere.now)
    assert early.total == 0, "nothing goes that is kept for good"
    anywhere.clock.forward(days=30)
    late = keeping(anywhere, **setting)(anywhere.now)
    assert {n for n, number in late.counts.items() if number} == names
    again = keeping(anywhere, **setting)(anywhere.now)
    assert again.total == 0 or kind == "audit", "and it is gone"
    home = anywhere.home
    assert verify_audit(home.engine, home.audit_chain, home.vault) > 0


async def test_with_a_day_less_it_stays(practice: Practice) -> None:
    """The times count from the right moment: an appointment's from the midnight that ends it."""
    practice.take(entry("u-1", "2026-09-03 10:00"))
    await practice.enrolled("P-1")
    practice.take(entry("u-1", "2026-09-03 10:00"))
    purge = keeping(practice, envelopes=2 * DAY)
    practice.clock.moment = at("2026-09-05 23:59")
    assert purge(practice.now).counts["envelopes"] == 0
    practice.clock.moment = at("2026-09-06 00:01")
    assert purge(practice.now).counts["envelopes"] == 1


async def test_an_open_answer_keeps_its_appointment_but_not_the_details(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry("u-1", "2026-09-03 10:00"))
    await anna.say(PIN)
    await anna.say("confirm 1")
    practice.clock.forward(days=30)
    gone = Purge(practice.home.uow, practice.keys)(practice.now)
    assert gone.counts["envelopes"] == 1
    assert gone.counts["appointments"] == gone.counts["answers"] == 0
    (answer,) = practice.answers()
    assert answer.readable
    assert answer.state is AnswerState.OPEN


async def test_an_invitation_that_somebody_is_using_stays(practice: Practice) -> None:
    anna = practice.person("anna")
    await anna.say(practice.invite("P-1").code.reveal())
    practice.clock.forward(days=90)
    assert keeping(practice, invitations=DAY)(practice.now).counts["invitations"] == 0
    recipient = anna.recipient.id
    with practice.home.uow() as uow:
        spare = Invitation(id="SPARE0", recipient=recipient, kind=InvitationKind.RELINK, expires=practice.now)
        uow.invitations.add(spare)
        uow.commit()
    practice.clock.forward(days=2)
    assert keeping(practice, invitations=DAY)(practice.now).counts["invitations"] == 1


async def test_rule_8_a_dry_run_counts_the_same_and_deletes_nothing(anywhere: Practice) -> None:
    await lived(anywhere)
    anywhere.clock.forward(days=90)
    before = anywhere.everything()
    purge = keeping(anywhere, **{k: v for setting, _ in KINDS.values() for k, v in setting.items()})
    planned = purge(anywhere.now, dry_run=True)
    assert anywhere.everything() == before
    done = purge(anywhere.now)
    assert done.counts == planned.counts
    assert all(done.counts.values()), done.counts


async def test_rule_7_what_went_is_in_the_audit_log_and_nothing_where_nothing_did(practice: Practice) -> None:
    await lived(practice)
    practice.clock.forward(days=90)
    gone = Purge(practice.home.uow, practice.keys)(practice.now)
    Purge(practice.home.uow, practice.keys)(practice.now)
    with practice.home.uow() as uow:
        (row,) = [e for e in uow.audit.listing() if e.kind == "purged"]
    assert row.count == gone.total
    assert "appointments=1" in row.note


async def test_rule_6_a_broken_log_keeps_its_rows_and_the_rest_goes(practice: Practice) -> None:
    await lived(practice)
    practice.execute("UPDATE audit SET count = 77 WHERE seq = 2")
    practice.clock.forward(days=90)
    rows = len(practice.audited())
    gone = Purge(practice.home.uow, practice.keys, Retention(audit=DAY))(practice.now)
    assert gone.audit_broken
    assert gone.counts["appointments"] == 1
    assert len(practice.audited()) == rows + 1


async def test_what_should_have_been_taken_back_is_counted(practice: Practice) -> None:
    with practice.home.uow() as uow:
        uow.outbox.add(kind=OutboxKind.REDACT, due=practice.now - HOUR, room="r", event=EventId("$x"))
        uow.outbox.add(kind=OutboxKind.REDACT, due=practice.now + HOUR, room="r", event=EventId("$y"))
        uow.commit()
    assert Purge(practice.home.uow, practice.keys)(practice.now).overdue == 1


def test_the_night_is_noted(practice: Practice) -> None:
    purge = Purge(practice.home.uow, practice.keys)
    assert purge.last_night() is None
    purge.nightly(practice.now)
    assert purge.last_night() == practice.now


# -- no byte is left --------------------------------------------------------------------------------------------------

CANARY = b"canary-of-what-is-too-old-" * 400  # spills over into pages of its own


def _hold_open(url: str, pipe: Any) -> None:
    """Another process with the database open, as ``pli run`` has it: a pooled connection that has read."""
    engine = connect(url)
    with engine.begin() as db:
        pipe.send(db.exec_driver_sql("SELECT count(*) FROM envelope").scalar_one())
    pipe.recv()
    with engine.begin() as db:
        pipe.send(db.exec_driver_sql("SELECT count(*) FROM envelope").scalar_one())


async def test_no_freed_page_keeps_what_was_purged_while_another_process_has_it_open(
    practice: Practice,
) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry("u-1", "2026-09-03 10:00"))
    folder = Path(practice.folder)

    def found() -> set[str]:
        practice.home.engine.dispose()  # to close a file that SQLite has open here would give up its locks
        return {p.name for p in folder.rglob("*") if p.is_file() and CANARY[:26] in p.read_bytes()}

    fork = multiprocessing.get_context("fork")
    pipe, other = fork.Pipe()
    holder = fork.Process(target=_hold_open, args=(practice.settings.database_url(), other), daemon=True)
    practice.home.engine.dispose()
    holder.start()
    assert pipe.recv() == 1
    row, recipient = practice.stored("u-1"), anna.recipient
    with practice.home.uow() as uow:
        uow.envelopes.put(
            [
                StoredEnvelope(
                    appointment=row.id,
                    recipient=recipient.id,
                    key_id=recipient.key_id,
                    revision=0,
                    blob=CANARY,
                )
            ]
        )
        uow.seen.add(["canary-of-what-is-too-old-" + "mark"], practice.now)
        uow.commit()
    assert found(), "the search finds it while it is there"
    practice.clock.forward(days=90)
    keeping(practice, envelopes=DAY, marks=DAY)(practice.now)
    assert truncate_wal(practice.home.engine)
    assert found() == set()
    pipe.send("go on")
    assert pipe.recv() == 0
    holder.join(timeout=60)


def test_a_reader_that_does_not_end_is_told(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log cannot be emptied beside a snapshot of before; whoever purges is told."""
    practice.patient("P-1")
    with closing(sqlite3.connect(practice.folder / "pli.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM patient").fetchone()
        practice.patient("P-2")
        monkeypatch.setattr("storage.engine.BUSY_SECONDS", 0)
        engine = connect(practice.settings.database_url())
        assert truncate_wal(engine) is False
        engine.dispose()
        reader.execute("COMMIT")
    assert truncate_wal(practice.home.engine) is True
