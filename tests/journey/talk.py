"""A patient in the bot's room: say something, hear the one answer."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.templates import Template
from bot.domain.values import Language
from tests.journey.practice import Practice
from tests.rig.js_patient import JsPatient
from tests.rig.patient import Message, Patient
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until

PIN = "482915"
OTHER_PIN = "730264"
WRONG_PIN = "916037"
ANSWER_SECONDS = 30.0
_SECRET = re.compile(r"(\d[ \d-]*){4}|(\w{4}-){4}\w{4}")
_COMMANDS = frozenset({"voir", "show", "yes", "oui", "help"})
_MESSAGES = frozenset({"m.room.message", "m.room.encrypted"})


@dataclass
class Talk:
    """``typed`` are the patient's own events and their words, ``next`` the first event that was not looked at yet."""

    patient: Patient
    practice: Practice
    room: str
    typed: dict[str, str]
    recipient: str = ""
    language: Language = Language.EN
    pin: str = PIN
    next: int = 0

    @classmethod
    async def enter(
        cls,
        patient: Patient,
        practice: Practice,
        *,
        recipient: str = "",
        language: Language = Language.EN,
        greeted: bool = True,
    ) -> Talk:
        """Join the room that the bot opened, and hear its greeting: whoever is enrolled gets none."""
        room = await patient.accept_invite(seconds=60)
        talk = cls(patient, practice, room, {}, recipient=recipient, language=language)
        if greeted:
            await talk.hear()
        return talk

    async def say(self, text: str) -> str:
        """Send and do not wait."""
        event = await self.patient.send(self.room, text)
        self.typed[event] = text
        return event

    async def hear(self, *, seconds: float = ANSWER_SECONDS) -> Message:
        """The bot's next answer. Nudges, which may come at any moment, are passed over: see :meth:`nudges`."""
        message = await self.patient.wait_for(
            self._is_answer, "an answer of the bot", since=self.next, seconds=seconds
        )
        self.next = message.index + 1
        return message

    def _is_answer(self, m: Message) -> bool:
        mine = m.room == self.room and m.sender == self.practice.bot_user
        return mine and m.msgtype == "m.notice" and m.decrypted and not m.redacted

    async def nudges(self) -> list[Message]:
        """Every nudge so far."""
        return [m for m in await self.from_bot() if m.msgtype == "m.text"]

    async def wait_nudges(self, count: int, *, seconds: float = ANSWER_SECONDS) -> list[Message]:
        """Wait for so many nudges in all."""

        async def enough() -> list[Message] | None:
            found = await self.nudges()
            return found if len(found) >= count else None

        return await until(enough, f"{count} nudges", seconds=seconds)

    async def ask(self, text: str) -> Message:
        """Send, and give the bot's next message back."""
        await self.say(text)
        return await self.hear()

    async def tell(self, text: str) -> str:
        """Like :meth:`ask`; the words alone."""
        return body(await self.ask(text))

    async def unlock(self) -> str:
        """ "voir" and the PIN; the words of the list."""
        await self.ask("voir")
        return await self.tell(self.pin)

    async def enrol(self, code: str, *, yes: str = "yes") -> Message:
        """Code, consent, PIN twice; the last answer."""
        for text in (code, yes, self.pin):
            await self.ask(text)
        return await self.ask(self.pin)

    def text(self, *templates: Template) -> str:
        """What the bot says, word for word, where it takes no values but the practice's own."""
        return self.practice.text(*templates, language=self.language)

    async def quiet(self) -> list[Message]:
        """What the bot answered unasked: everything before its answer to one more message."""
        await self.say("thanks")
        mark, unasked = self.text(Template.THANKS), []
        while (message := await self.hear()).body != mark:
            unasked.append(message)
        return unasked

    async def from_bot(self) -> list[Message]:
        """Everything that the bot sent to this room so far, redacted or not, readable or not."""
        return [
            m
            for m in await self.patient.read()
            if m.room == self.room and m.sender == self.practice.bot_user and m.type in _MESSAGES
        ]

    async def wait_redacted(self, *events: str, seconds: float = ANSWER_SECONDS) -> None:
        for event in events:
            await self.patient.wait_redacted(event, seconds=seconds)

    async def wait_secrets_redacted(self) -> None:
        """Every typed text with a code or four digits or more is gone from the homeserver; commands stay."""
        secret = {event for event, text in self.typed.items() if _SECRET.search(text)}

        async def gone() -> bool:
            return secret <= self.practice.redacted(self.room)

        await until(gone, "the redaction of all secrets")
        commands = {event for event, text in self.typed.items() if text in _COMMANDS}
        assert not commands & self.practice.redacted(self.room)


def body(message: Message) -> str:
    assert message.body is not None
    return message.body


@dataclass
class People:
    """Makes patients of one practice; their clients end with the test."""

    practice: Practice
    stack: AsyncExitStack

    async def add(self, reference: str, *, name: str = "") -> None:
        await self.practice.pli("patient", "add", reference, *(["--name", name] if name else []))

    async def invite(self, reference: str, *options: str) -> dict[str, Any]:
        """``pli invite REF --account``."""
        invited: dict[str, Any] = (
            await self.practice.pli("invite", reference, "--account", "--another", *options, "--json")
        ).json()
        return invited

    async def client(
        self, invited: dict[str, Any], *, strict: bool = False, cross_sign: bool = True
    ) -> Patient:
        """The patient's phone: matrix-nio, or matrix-js-sdk where ``strict``."""
        kind: type[PyPatient | JsPatient] = JsPatient if strict else PyPatient
        url = self.practice.homeserver.url
        started: Patient = await kind.start(url, invited["user"], invited["password"], cross_sign=cross_sign)
        return await self.stack.enter_async_context(started)

    async def arrive(
        self, reference: str, *options: str, lang: str = "en", strict: bool = False, cross_sign: bool = True
    ) -> tuple[Talk, str]:
        """An added patient, invited and in the room; the code, not yet typed."""
        invited = await self.invite(reference, "--lang", lang, *options)
        phone = await self.client(invited, strict=strict, cross_sign=cross_sign)
        return await self.meet(invited, phone, lang=lang), invited["code"]

    async def meet(self, invited: dict[str, Any], phone: Patient, *, lang: str = "en") -> Talk:
        """In the room, greeted."""
        recipient = str(invited["recipient"])
        return await Talk.enter(phone, self.practice, recipient=recipient, language=Language(lang))

    async def enrolled(
        self, reference: str, *options: str, lang: str = "en", strict: bool = False, cross_sign: bool = True
    ) -> Talk:
        """A new patient, all the way to "ready"."""
        await self.add(reference)
        talk, code = await self.arrive(reference, *options, lang=lang, strict=strict, cross_sign=cross_sign)
        await talk.enrol(code)
        return talk

    async def news(self, reference: str, *, at: str = "10:00") -> str:
        """An appointment of tomorrow is made and cancelled: a nudge leaves at once. The appointment's id."""
        added = await self.practice.pli("agenda", "add", reference, "--at", tomorrow(at), "--json")
        appointment = str(added.json()["id"])
        await self.practice.pli("agenda", "cancel", appointment)
        return appointment


def tomorrow(at: str) -> str:
    """An hour of tomorrow, as the command takes it: less than 48 hours away."""
    return (datetime.now(UTC) + timedelta(days=1)).strftime(f"%Y-%m-%dT{at}")
