"""The practice's own acts: inviting, removing, reading answers, and what is forgotten with time."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from bot.domain.appointment import Status
from bot.domain.records import AnswerState, RecipientState
from bot.domain.retention import Retention
from bot.domain.values import Language, Secret
from bot.errors import Refused, StaleGeneration
from bot.services.invite_recipient import InviteRecipient
from bot.services.open_rooms import FAREWELL
from bot.services.purge import Purge
from bot.services.record_answer import ReadAnswers
from tests.services.kit import OTHER_PIN, PIN, Practice, at, entry


def service(practice: Practice) -> InviteRecipient:
    return InviteRecipient(practice.home.uow, practice.registrar)


# -- inviting -------------------------------------------------------------------------------------------------------


def test_an_invitation_says_what_is_due(anywhere: Practice) -> None:
    anywhere.patient("P-1")
    anywhere.take(
        entry("a"),
        entry("b", "2026-09-12 10:00"),
        entry("off", "2026-09-13 10:00", status=Status.CANCELLED),
        entry("over", "2026-09-01 11:00"),
    )
    anywhere.take(entry("hand:1", "2026-09-14 10:00"), by_hand=True)
    anywhere.clock.forward(days=1)
    first = anywhere.invite("P-1")
    assert (first.others, first.missing, first.by_hand) == (0, 3, 1)
    second = anywhere.invite("P-1")
    assert (second.others, second.missing) == (1, 3)
    assert first.code.reveal() != second.code.reveal()


def test_nobody_unknown_is_invited_and_the_vault_learns_of_nobody(practice: Practice) -> None:
    practice.patient("P-1")
    with pytest.raises(Refused):
        service(practice)(["P-1", "P-9"], language=Language.FR, valid=timedelta(days=1), now=practice.now)
    assert practice.everything()["recipient"] == []
    assert not (practice.folder / "vault.db").read_bytes().count(b"r-")


async def test_relinking_names_one_of_several(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-1", name="ben")
    other = await practice.enrolled("P-2", name="cleo")
    relink = service(practice).relink
    values = {"valid": timedelta(days=1), "now": practice.now}
    with pytest.raises(Refused, match="several"):
        relink("P-1", recipient=None, **values)  # type: ignore[arg-type]  # as named
    with pytest.raises(Refused, match="not told for this patient"):
        relink("P-1", recipient=other.recipient.id, **values)  # type: ignore[arg-type]  # as named
    assert relink("P-1", recipient=ben.recipient.id, **values).recipient == ben.recipient.id  # type: ignore[arg-type]  # as named
    assert anna.recipient.id != ben.recipient.id
    with pytest.raises(Refused):
        relink("P-9", recipient=None, **values)  # type: ignore[arg-type]  # as named
    practice.patient("P-3")
    with pytest.raises(Refused, match="nobody"):
        relink("P-3", recipient=None, **values)  # type: ignore[arg-type]  # as named


def test_revoking(practice: Practice) -> None:
    invited = practice.invite()
    assert service(practice).revoke(invited.recipient, now=practice.now) == 1
    assert service(practice).revoke(invited.recipient, now=practice.now) == 0
    assert practice.audited() == ["invited", "revoked"]


# -- removing -------------------------------------------------------------------------------------------------------


async def test_removing_a_patient_destroys_the_keys_of_who_was_told_for_it_alone(anywhere: Practice) -> None:
    alone = await anywhere.enrolled("P-1", name="anna")
    both = await anywhere.enrolled("P-1", "P-2", name="ben")
    anywhere.take(entry("a", patient="P-1"), entry("b", "2026-09-12 11:15", patient="P-2"))
    keys, bens = alone.recipient, both.recipient
    assert anywhere.remove("P-1") == 1
    with pytest.raises(StaleGeneration):  # the database knows it no more
        anywhere.keys.unlock(keys, Secret(PIN))
    with closing(sqlite3.connect(anywhere.home.vault_path)) as vault:
        assert {row[0] for row in vault.execute("SELECT recipient FROM key")} == {bens.id}
    rows = anywhere.everything()
    assert {r[0] for r in rows["recipient"]} == {bens.id}
    assert len(rows["appointment"]) == len(rows["envelope"]) == 1
    text = await both.read(PIN)
    assert "11:15" in text
    assert "10:00" not in text
    with pytest.raises(Refused):
        anywhere.remove("P-1")
    anywhere.clock.moment = at("2026-09-11 18:00")
    await anywhere.send_nudges()
    assert [s.to.user for s in anywhere.channel.of("nudge")] == [both.room.user]


async def test_who_was_removed_is_a_stranger_and_may_be_invited_again(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.remove("P-1")
    assert await anna.say("show") == ["open.hello"]
    await anna.enrol(practice.invite(), OTHER_PIN)


# -- answers --------------------------------------------------------------------------------------------------------


async def test_a_box_that_does_not_open_never_hides_the_others(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry("a"), entry("b", "2026-09-12 11:15"))
    await anna.say(PIN)
    await anna.say("confirm 1")
    await anna.say("confirm 2")
    first, _ = practice.answers()
    practice.execute("UPDATE answer SET blob = :blob WHERE id = :id", blob=b"x", id=first.id)
    assert [a.readable for a in practice.answers()] == [False, True]
    assert practice.audited().count("answers_read") == 2


_FORGED = {"source": "u-1", "patient": "P-1", "at": "2026-09-10T14:30+02:00", "with": "", "text": ""}


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b"[]",
        b"{}",
        b"\xff",
        json.dumps({**_FORGED, "more": ""}).encode(),
        json.dumps({**_FORGED, "at": "soon"}).encode(),
        json.dumps({**_FORGED, "at": None}).encode(),
        json.dumps({**_FORGED, "patient": ["P-1"]}).encode(),
        json.dumps({**_FORGED, "patient": "P-1\x1b[2J"}).encode(),
        json.dumps({**_FORGED, "text": "\ud800"}).encode(),
        json.dumps({**_FORGED, "text": "\u202eabc"}).encode(),
    ],
)
async def test_rule_1_a_forged_answer_is_unreadable_and_hides_no_other(
    practice: Practice, content: bytes
) -> None:
    """Whoever writes to the database can seal an answer: the practice's public key lies beside it."""
    anna = await practice.enrolled()
    practice.take(entry("a"), entry("b", "2026-09-12 11:15"))
    await anna.say(PIN)
    await anna.say("confirm 1")
    await anna.say("confirm 2")
    first, _ = practice.answers()
    with practice.home.uow() as uow:
        stored = uow.answers.get(first.id)
    assert stored is not None
    forged = practice.keys.seal_answer(first.id, stored.recipient, content)
    practice.execute("UPDATE answer SET blob = :blob WHERE id = :id", blob=forged, id=first.id)
    assert [a.readable for a in practice.answers()] == [False, True]


async def test_done_closes_an_answer_and_a_void_one_cannot_be_closed(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("confirm")
    await anna.say("move plus tard")
    void, opened = practice.answers(everything=True)
    read = ReadAnswers(practice.home.uow, practice.sealer)
    with pytest.raises(Refused, match="no longer holds"):
        read.done(void.id, now=practice.now)
    read.done(opened.id, now=practice.now)
    read.done(opened.id, now=practice.now)
    assert practice.answers() == []
    assert [a.state for a in practice.answers(everything=True)] == [AnswerState.VOID, AnswerState.DONE]
    with pytest.raises(Refused):
        read.done("w-none", now=practice.now)


# -- forgetting -----------------------------------------------------------------------------------------------------


def purge(practice: Practice) -> int:
    return Purge(practice.home.uow, practice.keys)(practice.now).total


async def test_purging_keeps_what_is_needed_and_forgets_the_rest(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry("soon", "2026-09-02 10:00"), entry("later", "2026-10-02 10:00"))
    await anna.say(PIN)
    await anna.say("confirm 1")
    assert purge(anywhere) == 0
    anywhere.clock.moment += Retention().messages + timedelta(hours=1)
    await anywhere.send_replies()
    before = len(anywhere.outbox())
    assert purge(anywhere) > 0
    assert len(anywhere.outbox()) < before
    assert len(anywhere.nudge_rows()) == 2, "one waits, one is young"
    anywhere.clock.moment = at("2026-09-03 00:00") + Retention().appointments + timedelta(hours=1)
    purge(anywhere)
    assert len(anywhere.appointments()) == 2, "an answer is open"
    (answer,) = anywhere.answers()
    ReadAnswers(anywhere.home.uow, anywhere.sealer).done(answer.id, now=anywhere.now)
    purge(anywhere)
    assert [a.source_index for a in anywhere.appointments()] == [anywhere.sealer.source_index("later")]
    assert anna.recipient.state is RecipientState.ENROLLED


async def test_purging_does_not_make_old_messages_new(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN, event="$old", replay="m-old")
    practice.clock.forward(days=30)
    purge(practice)
    assert await anna.say(PIN, event="$old", replay="m-old") == []


async def test_who_left_is_deleted_after_the_last_words_and_answers(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("cancel")
    await anna.say("yes")
    await practice.converse.handle(anna.message("leave"))
    await practice.converse.handle(anna.message("yes"))
    purge(practice)
    assert practice.everything()["recipient"], "words are waiting"
    await practice.send_replies()
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    purge(practice)
    assert practice.everything()["recipient"], "an answer is open"
    (answer,) = practice.answers()
    ReadAnswers(practice.home.uow, practice.sealer).done(answer.id, now=practice.now)
    purge(practice)
    assert practice.everything()["recipient"], "the room is still there"
    practice.clock.moment += FAREWELL
    await practice.rooms.close_left()
    purge(practice)
    assert practice.everything()["recipient"] == practice.everything()["room"] == []
    assert practice.channel.left == [anna.room.room]
