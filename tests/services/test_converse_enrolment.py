"""From a code to a PIN with real keys: :mod:`bot.services.converse`, ``redeem_code`` and ``enrol``, rules by number."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.codes import ALPHABET, ParsedCode, new_code, parse_code
from bot.domain.messages import OpenSentence
from bot.domain.records import OutboxKind, ProblemKind, RecipientState
from bot.domain.templates import CONSENT_VERSION
from bot.domain.values import Language
from bot.services.invite_recipient import InviteRecipient
from tests.services.kit import OTHER_PIN, PIN, Practice, entry, phone

HELLO, WRONG, TYPO, WAIT = (
    [s.value]
    for s in (
        OpenSentence.HELLO,
        OpenSentence.CODE_WRONG,
        OpenSentence.CODE_TYPO,
        OpenSentence.CODE_WAIT,
    )
)
UNKNOWN = [OpenSentence.UNKNOWN_DEVICE.value]


def other_code() -> str:
    """Of the right form, and nobody's."""
    return new_code().display.reveal()


async def test_five_messages_from_hello_to_ready(anywhere: Practice) -> None:
    invited = anywhere.invite()
    anna = anywhere.person()
    assert await anna.say("bonjour") == HELLO
    assert await anna.say(invited.code.reveal()) == ["reply.consent"]
    assert await anna.say("oui") == ["reply.choose_pin"]
    assert await anna.say(PIN) == ["reply.repeat_pin"]
    assert await anna.say(PIN) == ["reply.ready"]
    recipient = anna.recipient
    assert (recipient.id, recipient.state, recipient.generation) == (
        invited.recipient,
        RecipientState.ENROLLED,
        1,
    )
    assert recipient.consent_version == CONSENT_VERSION
    assert recipient.consented_at is not None
    assert recipient.pin is not None
    assert recipient.pin.knows(anna.phone)
    assert anywhere.keys.tries_left(recipient.id) == 10
    assert anywhere.audited() == ["invited", "redeemed", "consented", "enrolled"]


async def test_code_and_pins_are_redacted_at_once(practice: Practice) -> None:
    anna = await practice.enrolled()
    assert practice.channel.redacted == [f"$typed-{anna.room.id}-{n}" for n in (1, 3, 4)]


async def test_nothing_typed_is_stored(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    code = invited.code.reveal()
    await anna.enrol(invited)
    await anna.say("je suis malade, j'ai mal au ventre")
    await anna.say(OTHER_PIN)
    practice.home.engine.dispose()
    stored = b"".join(f.read_bytes() for f in practice.folder.rglob("*") if f.is_file())
    for text in (
        PIN,
        OTHER_PIN,
        code,
        code.replace("-", ""),
        code.replace("-", "")[6:-1],
        "malade",
        "ventre",
    ):
        assert text.encode() not in stored
    assert invited.public.encode() in stored, "the search finds what is there"


async def test_two_pins_that_differ_and_poor_ones(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.say(invited.code.reveal())
    await anna.say("yes")
    assert await anna.say("123456") == ["reply.pin_easy"]
    assert await anna.say("12345") == ["reply.pin_length_chosen"]
    assert await anna.say("1234567890123") == ["reply.pin_length_chosen"]
    assert await anna.say(PIN) == ["reply.repeat_pin"]
    assert await anna.say(OTHER_PIN) == ["reply.pin_differs"]
    assert anna.recipient.state is RecipientState.INVITED
    assert await anna.say(PIN) == ["reply.repeat_pin"]
    assert await anna.say(" ".join(PIN)) == ["reply.ready"]


async def test_digits_of_another_script_are_the_same_pin(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.say(invited.code.reveal())
    await anna.say("yes")
    arabic = PIN.translate({ord(str(n)): chr(0x660 + n) for n in range(10)})
    await anna.say(arabic)
    assert await anna.say(PIN) == ["reply.ready"]
    practice.take(entry())
    assert await anna.say(arabic) == ["release"]


async def test_without_consent_there_is_no_pin(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.say(invited.code.reveal())
    assert await anna.say("non") == ["reply.consent_refused"]
    assert await anna.say(PIN) == ["reply.pin_too_soon,reply.consent_ask"]
    assert anna.recipient.consent_version == ""
    assert anna.recipient.state is RecipientState.INVITED


# -- wrong codes: rules 1 and 2 -------------------------------------------------------------------------------------


async def test_rule_2_wrong_codes_slow_the_sender_and_never_spend_the_invitation(practice: Practice) -> None:
    invited = practice.invite()
    anna, eve = practice.person("anna"), practice.person("eve")
    assert await eve.say(other_code()) == WRONG
    assert await eve.say(other_code()) == WRONG
    for minutes in (1, 2, 5, 15, 30, 60, 60):
        assert await eve.say(other_code()) == WRONG
        assert await eve.say(invited.code.reveal()) == WAIT
        practice.clock.forward(seconds=minutes * 60 - 10)
        assert await eve.say(invited.code.reveal()) == WAIT
        practice.clock.forward(seconds=10)
    assert await anna.say(invited.code.reveal()) == ["reply.consent"]


async def test_rule_2_a_right_code_clears_the_count(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.say(other_code())
    await anna.say(other_code())
    assert await anna.say(invited.code.reveal()) == ["reply.consent"]
    assert [row[:2] for row in practice.everything()["guess"]] == [("", 2)], (
        "the wrong ones of all, and no sender's"
    )


async def test_a_mistyped_code_costs_nothing(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    code = invited.code.reveal()
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    for _ in range(20):
        assert await anna.say(wrong) == TYPO
    assert await anna.say(code.lower().replace("-", " ")) == ["reply.consent"]


async def test_rule_2_the_right_public_part_with_a_wrong_secret(practice: Practice) -> None:
    """Counted nowhere in the vault: sixty bits are not guessed, and wrong ones must not spend the code."""
    invited = practice.invite()
    eve = practice.person("eve")
    invitation = invited.public
    for _ in range(15):
        await eve.say(forged(invitation))
        practice.clock.forward(hours=2)
    assert await practice.person("anna").say(invited.code.reveal()) == ["reply.consent"]


def forged(public: str) -> str:
    for last in ALPHABET:
        text = public + "0123456789ABC" + last
        if isinstance(parse_code(text), ParsedCode):
            return text
    raise AssertionError("no check character fits")


async def test_an_expired_code_is_an_unknown_one(practice: Practice) -> None:
    invited = practice.invite(days=1)
    practice.clock.forward(days=1)
    assert await practice.person().say(invited.code.reveal()) == WRONG


async def test_a_revoked_code_is_an_unknown_one(practice: Practice) -> None:
    invited = practice.invite()
    assert (
        InviteRecipient(practice.home.uow, practice.registrar).revoke(invited.recipient, now=practice.now)
        == 1
    )
    assert await practice.person().say(invited.code.reveal()) == WRONG


async def test_a_code_that_is_revoked_before_the_pin_is_set_enrols_nobody(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.say(invited.code.reveal())
    await anna.say("yes")
    InviteRecipient(practice.home.uow, practice.registrar).revoke(invited.recipient, now=practice.now)
    await anna.say(PIN)
    assert await anna.say(PIN) == ["reply.code_again"]
    assert anna.recipient.state is RecipientState.INVITED


async def test_rule_1_a_code_belongs_to_whom_redeemed_it_first(practice: Practice) -> None:
    invited = practice.invite()
    anna, eve = practice.person("anna"), practice.person("eve")
    await anna.say(invited.code.reveal())
    assert await eve.say(invited.code.reveal()) == WRONG
    assert await anna.say("yes") == ["reply.choose_pin"]


async def test_rule_1_it_stays_valid_for_them_until_the_pin_is_set(practice: Practice) -> None:
    """Over a restart, and beyond its time: it was redeemed in time."""
    invited = practice.invite(days=1)
    anna = practice.person()
    await anna.say(invited.code.reveal())
    await anna.say("yes")
    practice.start_bot()
    practice.clock.forward(days=3)
    assert await anna.say(PIN) == ["reply.code_again"]
    assert await anna.say(invited.code.reveal()) == ["reply.choose_pin"], "the consent is known"
    await anna.say(PIN)
    assert await anna.say(PIN) == ["reply.ready"]


async def test_a_code_is_spent_once_the_pin_is_set(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.enrol(invited)
    assert await anna.say(invited.code.reveal()) == WRONG
    assert await practice.person("eve").say(invited.code.reveal()) == WRONG
    assert anna.recipient.state is RecipientState.ENROLLED


async def test_ten_minutes_after_the_code_it_is_forgotten(practice: Practice) -> None:
    """P3: the exception that is said out loud ends after ten minutes, also without another message."""
    invited = practice.invite()
    anna = practice.person()
    await anna.say(invited.code.reveal())
    await anna.say("yes")
    await anna.say(PIN)
    memory = practice.converse._memories[anna.room.room]
    assert memory.code is not None
    assert memory.new_pin is not None
    practice.clock.forward(minutes=10)
    await practice.converse.forget()
    assert memory.code is None
    assert memory.new_pin is None
    assert await anna.say(PIN) == ["reply.code_again"]


async def test_help_and_language_on_the_way(practice: Practice) -> None:
    invited = practice.invite(language=Language.FR)
    anna = practice.person()
    await anna.say(invited.code.reveal())
    assert practice.channel.of("private")[-1].text.isascii() is False
    assert await anna.say("english") == ["reply.consent"]
    assert await anna.say("yes") == ["reply.choose_pin"]
    assert "PIN" in practice.channel.of("private")[-1].text
    assert anna.recipient.language is Language.EN


# -- who may take an account over: rules 4 and 5 of redeem_code ------------------------------------------------------


async def test_rule_3_who_redeems_is_pinned_by_master_key_or_by_the_one_device(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    second = phone(anna.room.user, "TABLET")
    assert await anna.say("help", device=second) == ["reply.help"], "the same identity signed it"
    ben = practice.person("ben")
    ben.phone = phone(ben.room.user, "OLD", identity=None)
    await ben.enrol(practice.invite("P-2"))
    assert await ben.say("help") == ["reply.help"]
    assert await ben.say("help", device=phone(ben.room.user, "NEW", identity=None)) == UNKNOWN
    assert await ben.say("help", device=phone(ben.room.user, "OLD")) == ["reply.help"]


async def test_rule_4_a_new_code_replaces_a_lost_key_on_the_same_account(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", "P-2")
    old = anna.recipient
    practice.take(entry("a", patient="P-1"), entry("b", "2026-09-12 11:15", patient="P-2"))
    again = practice.invite("P-1")
    await anna.enrol(again, OTHER_PIN)
    assert practice.keys.tries_left(old.id) == 0
    practice.take(entry("a", patient="P-1"), entry("b", "2026-09-12 11:15", patient="P-2"))
    assert await anna.say(PIN) == ["reply.pin_wrong"]
    text = await anna.read(OTHER_PIN)
    assert "10:00" in text
    assert "11:15" in text, "the known device carries its patients along"


async def test_rule_4_open_answers_outlive_a_new_code(practice: Practice) -> None:
    """Cancelled by the patient, locked out since, invited again: the practice still reads the cancellation."""
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("cancel")
    await anna.say("yes")
    assert len(practice.answers()) == 1
    await anna.enrol(practice.invite(), OTHER_PIN)
    (answer,) = practice.answers()
    assert (answer.readable, answer.answer.value, answer.patient) == (True, "cancelled", "P-1")


async def test_rule_4_a_strange_device_takes_nothing_over_with_a_code_of_its_own(practice: Practice) -> None:
    """P5: a homeserver adds a device to an account, and its owner is another patient."""
    anna = await practice.enrolled("P-1")
    practice.take(entry())
    strange = phone(anna.room.user, "GHOST", identity="ghost")
    own = practice.invite("P-9")
    assert await anna.say(own.code.reveal(), device=strange) == UNKNOWN
    assert practice.problems() == [ProblemKind.NOT_TRUSTED]
    assert await anna.say(PIN) == ["release"]


async def test_rule_4_a_new_phone_and_a_lost_pin_together(practice: Practice) -> None:
    """The practice invites again for the same patient: the strange device is the patient's."""
    anna = await practice.enrolled("P-1")
    anna.phone = phone(anna.room.user, "NEW", identity="new")
    assert await anna.say("help") == UNKNOWN
    await anna.enrol(practice.invite("P-1"), OTHER_PIN)
    practice.take(entry())
    assert await anna.say(OTHER_PIN) == ["release"]


def relink(practice: Practice, reference: str = "P-1") -> str:
    service = InviteRecipient(practice.home.uow, practice.registrar)
    return service.relink(reference, recipient=None, valid=timedelta(days=1), now=practice.now).code.reveal()


async def test_relinking_keeps_key_and_pin(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    before = anna.recipient
    old, anna.phone = anna.phone, phone(anna.room.user, "NEW", identity="new")
    code = relink(practice)
    assert await anna.say(code) == ["reply.relinked"]
    assert await anna.say(code) == WRONG
    assert await anna.say(PIN) == ["release"]
    assert (anna.recipient.wrap, anna.recipient.generation) == (before.wrap, before.generation)
    assert await anna.say("help", device=old) == UNKNOWN


async def test_an_earlier_relinking_code_is_closed_by_a_later_one(practice: Practice) -> None:
    anna = await practice.enrolled()
    anna.phone = phone(anna.room.user, "NEW", identity="new")
    first, second = relink(practice), relink(practice)
    assert await anna.say(first) == UNKNOWN
    assert await anna.say(second) == ["reply.relinked"]


async def test_rule_5_a_relinking_code_does_not_work_in_another_patients_room(practice: Practice) -> None:
    await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    bens = ben.recipient.id
    assert await ben.say(relink(practice, "P-1")) == WRONG
    assert ben.recipient.id == bens
    assert await ben.say("help") == ["reply.help"]


async def test_rule_3_of_converse_an_unknown_device_never_touches_the_conversation_of_the_known_one(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    ghost = phone(anna.room.user, "GHOST", identity="ghost")
    assert await anna.say("show") == ["reply.ask_pin"]
    for text in ("help", PIN, "stop", "leave", "yes", "confirm", "english", "000000", "oui", "annuler 1"):
        assert await anna.say(text, device=ghost) == UNKNOWN
    assert practice.keys.tries_left(anna.recipient.id) == 10
    assert await anna.say(PIN) == ["release"]
    assert await anna.say("cancel") == ["release"]
    assert await anna.say("yes", device=ghost) == UNKNOWN
    assert await anna.say("show", device=ghost) == UNKNOWN
    assert practice.answers() == []
    assert await anna.say("yes") == ["release"]
    assert len(practice.answers()) == 1


async def test_p5_nothing_private_is_ever_put_into_the_outbox_for_an_unknown_device(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    before = {r.id for r in practice.outbox()}
    ghost = phone(anna.room.user, "GHOST", identity="ghost")
    for text in ("help", PIN, "show", "more", "stop", "leave", "yes"):
        await anna.say(text, device=ghost)
    new = [r for r in practice.outbox() if r.id not in before]
    assert {r.kind for r in new} <= {OutboxKind.OPEN, OutboxKind.REDACT}


async def test_a_device_that_cannot_be_named_is_told_so(practice: Practice) -> None:
    anna = await practice.enrolled()
    assert await anna.say(PIN, nobody=True) == UNKNOWN
    assert practice.channel.redacted[-1] == f"$typed-{anna.room.id}-{anna.typed}"
    assert practice.keys.tries_left(anna.recipient.id) == 10


async def test_somebody_else_in_the_room_is_not_heard(practice: Practice) -> None:
    anna = await practice.enrolled()
    incoming = anna.message("help")
    before = practice.everything()
    await practice.converse.handle(replace(incoming, user=practice.person("eve").room.user))
    await practice.converse.handle(replace(incoming, room="!other:example.org"))  # type: ignore[arg-type]  # an id
    after = practice.everything()
    after["room"], before["room"] = [], []
    assert after == before


async def test_leaving_before_the_pin_is_set(practice: Practice) -> None:
    invited = practice.invite()
    anna = practice.person()
    await anna.say(invited.code.reveal())
    assert await anna.say("leave") == ["reply.ask_leave"]
    assert await anna.say("yes") == ["reply.left"]
    assert anna.recipient.state is RecipientState.LEFT
    assert practice.keys.tries_left(invited.recipient) == 0
    assert await anna.say("hello") == HELLO
    await anna.enrol(practice.invite(), OTHER_PIN)


async def test_who_left_and_comes_back_gets_only_what_the_practice_names(practice: Practice) -> None:
    """What was once another patient's is not carried along by somebody who left."""
    anna = await practice.enrolled("P-1", "P-2")
    await anna.say("leave")
    await anna.say("yes")
    again = practice.invite("P-1")
    await anna.enrol(again, OTHER_PIN)
    with practice.home.uow() as uow:
        assert len(uow.patients.patients_of(again.recipient)) == 1


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "🙂", "x" * 70_000, "1" * 5000, "\u202e123456", "<b>oui</b>"]
)
async def test_a_stranger_may_type_anything(practice: Practice, text: str) -> None:
    assert await practice.person("someone").say(text) in (HELLO, TYPO, WRONG)
