"""Begin anew with somebody: the rules of :mod:`bot.services.reset_recipient` by number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.records import Recipient, RecipientState
from bot.domain.values import RecipientId, Secret
from bot.errors import KeyDestroyed, Refused, StorageError
from bot.services.invite_recipient import InviteRecipient
from bot.services.reset_recipient import ResetDone, ResetRecipient
from tests.services.kit import OTHER_PIN, PIN, Practice, entry

RESET = OpenSentence.RESET.value


def service(practice: Practice) -> ResetRecipient:
    return ResetRecipient(practice.uow, practice.keys, InviteRecipient(practice.uow, practice.registrar))


def reset(practice: Practice, reference: str = "P-1", recipient: RecipientId | None = None) -> ResetDone:
    doing = service(practice)
    (target,) = doing.targets([reference], recipient)
    return doing(target, valid=timedelta(days=1), now=practice.now)


async def test_the_old_key_goes_and_the_new_code_takes_its_place(anywhere: Practice) -> None:
    anna = await anywhere.enrolled("P-1")
    anywhere.take(entry("a"))
    old = anna.recipient
    done = reset(anywhere)
    with pytest.raises(KeyDestroyed):  # rule 1
        anywhere.keys.unlock(old, Secret(PIN))
    assert anywhere.recipient(old.id).state is RecipientState.LOCKED
    assert anywhere.recipient(old.id).wrap == b""
    assert anywhere.everything()["envelope"] == []  # rule 2
    assert done.user == anna.room.user
    assert (done.invited.missing, done.invited.others) == (1, 0)
    assert anywhere.audited()[-2:] == ["reset", "invited"]
    await anywhere.send_replies()
    assert [s.text for s in anywhere.channel.of("open")][-1].startswith(RESET)  # rule 3
    await anna.enrol(done.invited, OTHER_PIN)  # rule 4
    assert anna.recipient.id == done.invited.recipient
    anywhere.take(entry("a"))
    assert "10:00" in await anna.read(OTHER_PIN)


async def test_rule_2_an_open_window_shows_nothing_any_more(practice: Practice) -> None:
    """Reset while the details are open: the bot, another process, finds nothing that it could show."""
    anna = await practice.enrolled("P-1")
    practice.take(entry("a"))
    assert "10:00" in await anna.read(PIN)
    reset(practice)
    before = len(practice.channel.sent)
    await anna.say("show")
    told = [s.text for s in practice.channel.sent[before:]]
    assert told
    assert not any("10:00" in text for text in told)


async def test_rule_2_no_nudge_leaves_for_who_was_reset(practice: Practice) -> None:
    await practice.enrolled("P-1")
    practice.take(entry("a"))
    reset(practice)
    practice.clock.forward(days=9)
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []


async def test_rule_2_the_old_code_opens_nothing(practice: Practice) -> None:
    anna = practice.person("anna")
    practice.patient("P-1")
    first = practice.invite("P-1")
    second = reset(practice)
    assert [r.id for r in _recipients(practice)] == [second.invited.recipient], "who never came leaves no row"
    assert await anna.say(first.code.reveal()) == [OpenSentence.CODE_WRONG.value]
    await anna.enrol(second.invited, PIN)


async def test_rule_3_it_is_told_whatever_happens_to_the_old_recipient(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    done = reset(practice)
    practice.remove("P-1")
    await practice.send_replies()
    assert [s.text for s in practice.channel.of("open")][-1].startswith(RESET)
    assert done.row is not None
    assert anna.room.user == done.user


async def test_rule_4_the_new_code_is_for_all_of_the_old_ones_patients(practice: Practice) -> None:
    await practice.enrolled("P-1", "P-2")
    doing = service(practice)
    (target,) = doing.targets(["P-1", "P-2", "P-1"], None)
    assert sorted(target.references) == ["P-1", "P-2"], "once, however it is named"
    done = doing(target, valid=timedelta(days=1), now=practice.now)
    with practice.uow() as uow:
        told = {uow.patients.get(p).reference for p in uow.patients.patients_of(done.invited.recipient)}  # type: ignore[union-attr]  # they are there
    assert told == {"P-1", "P-2"}


async def test_whom_is_asked_where_there_are_several(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-1", name="ben")
    with pytest.raises(Refused, match="several"):
        service(practice).targets(["P-1"], None)
    assert reset(practice, recipient=ben.recipient.id).invited.others == 1
    assert practice.recipient(anna.recipient.id).state is RecipientState.ENROLLED


async def test_who_came_is_meant_and_not_who_was_only_invited(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.invite("P-1")
    (target,) = service(practice).targets(["P-1"], None)
    assert target.recipient.id == anna.recipient.id


async def test_nobody_to_reset(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.patient("P-2")
    for reference in ("P-9", "P-2"):
        with pytest.raises(Refused):
            service(practice).targets([reference], None)
    with pytest.raises(Refused, match="not told for this patient"):
        service(practice).targets(["P-1"], RecipientId("r-other"))
    await anna.say("leave")
    await anna.say("yes")
    with pytest.raises(Refused, match="nobody"):
        service(practice).targets(["P-1"], None)


async def test_rule_1_a_vault_that_refuses_changes_nothing(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await practice.enrolled("P-1")
    before = practice.everything()

    def refuses(_: RecipientId) -> None:
        raise StorageError("locked")

    monkeypatch.setattr(practice.keys, "destroy", refuses)
    with pytest.raises(StorageError):
        reset(practice)
    assert practice.everything() == before


async def test_rule_1_a_database_that_refuses_leaves_no_key(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    old = anna.recipient
    doing = service(practice)
    (target,) = doing.targets(["P-1"], None)
    with practice.home.engine.begin() as db:
        db.exec_driver_sql("ALTER TABLE envelope RENAME TO gone")
    with pytest.raises(StorageError):
        doing(target, valid=timedelta(days=1), now=practice.now)
    with pytest.raises(KeyDestroyed):
        practice.keys.unlock(old, Secret(PIN))


def _recipients(practice: Practice) -> list[Recipient]:
    with practice.uow() as uow:
        return list(uow.recipients.all())
