"""A practice whose bot speaks to a hostile homeserver, three patients, and what can be seen from outside."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from bot.channels.matrix.http import CLIENT, Http
from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from bot.domain.values import Language, RecipientId
from tests.hostile.phone import Phone
from tests.hostile.server import Hostile
from tests.hostile.wiretap import Keys
from tests.journey.practice import Practice
from tests.journey.talk import PIN, People, Talk
from tests.rig.waiting import until

Json = dict[str, Any]
SECRET = "Dr Quill"
APPOINTMENT = ("--at", "2031-05-05T10:00", "--with", SECRET)


@dataclass(repr=False)
class World:
    """``victim`` is attacked, ``honest`` goes on meanwhile, ``mallory`` is enrolled too and works with the homeserver.

    ``recipients`` are theirs, by account. ``attackers`` are all the keys that the homeserver had in its hand.
    """

    practice: Practice
    hostile: Hostile
    people: People
    stack: AsyncExitStack
    recipients: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    attackers: list[Keys] = field(default_factory=list)

    async def fill(self) -> None:
        self.victim = await self.enrolled("H-1")
        await self.practice.pli("agenda", "add", "H-1", *APPOINTMENT)
        self.mallory = await self.enrolled("H-2")
        self.attackers.append(self.mallory.keys)
        self.honest: Talk = await self.people.enrolled("H-3")

    async def enrolled(self, reference: str) -> Phone:
        """A patient with a phone moved by hand, all the way to "ready"."""
        await self.people.add(reference)
        invited = await self.people.invite(reference, "--lang", "en")
        phone = await self.phone(invited["user"], invited["password"])
        await phone.accept_invite()
        assert await phone.hear() == self.practice.sentence(OpenSentence.HELLO)
        for text in (invited["code"], "yes", PIN, PIN):
            answer = await phone.tell(text)
        assert answer == self.practice.text(Template.READY)
        self.recipients[phone.user], self.passwords[phone.user] = invited["recipient"], invited["password"]
        return phone

    async def phone(self, user: str, password: str, **options: Any) -> Phone:
        url = self.practice.homeserver.url
        started = await Phone.start(url, user, password, bot=self.practice.bot_user, **options)
        return await self.stack.enter_async_context(started)

    async def account(self) -> Phone:
        """Somebody who is no patient."""
        user, password = await self.practice.homeserver.new_user()
        phone = await self.phone(user, password)
        self.attackers.append(phone.keys)
        return phone

    async def as_bot(self, method: str, path: str, body: Json) -> None:
        """A request in the bot's name, which the homeserver may always make up."""
        session = self.practice.home.session()
        http = Http(self.practice.homeserver.url, session.token.reveal())
        try:
            await http.call(method, f"{CLIENT}/{path}", body)  # type: ignore[arg-type]  # one of four words
        finally:
            await http.close()

    async def bot_device(self) -> Json:
        return await self.victim.bot_device()

    # -- what is judged -----------------------------------------------------------------------------------------

    @property
    def open_words(self) -> set[str]:
        """Everything that anybody may read."""
        sentences = {self.practice.sentence(s, lang) for s in OpenSentence for lang in Language}
        return sentences | {self.practice.nudge(lang) for lang in Language}

    def check_readable(self, *keys: Keys) -> set[str]:
        """What these keys read of all that crossed, but in rooms of their own, is open; what it is.

        None of it left in clear.
        """
        assert self.hostile.tap.clear == []
        own = {(id(phone.keys), phone.room) for phone in (self.victim, self.mallory)}
        read = {
            words for one in keys for room, words in self.hostile.tap.read(one) if (id(one), room) not in own
        }
        assert read <= self.open_words, sorted(read - self.open_words)
        return read

    def facts(self, phone: Phone) -> dict[str, object]:
        """Everything that a message may change for good: tries, answers, releases and wrong PINs."""
        recipient = self.recipients[phone.user]
        query = self.practice.query
        return {
            "tries": self.practice.home.keyring.tries_left(RecipientId(recipient)),
            "answers": [
                tuple(r) for r in query("SELECT id, kind, state FROM answer WHERE recipient = ?", recipient)
            ],
            "audit": [
                tuple(r) for r in query("SELECT kind, count FROM audit WHERE recipient = ?", recipient)
            ],
            "person": [
                tuple(r)
                for r in query(
                    "SELECT state, language, reminders_on, changes_on, generation FROM recipient WHERE id = ?",
                    recipient,
                )
            ],
        }

    async def others_go_on(self) -> None:
        """The honest patient asks something, and is answered."""
        assert await self.honest.tell("help") == self.practice.text(Template.HELP)

    async def redacted(self, phone: Phone, *events: str) -> None:
        """Wait until the real homeserver has redacted these."""

        async def gone() -> bool:
            return set(events) <= self.practice.redacted(phone.room)

        await until(gone, "the redaction of what was typed")

    async def victim_is_served(self) -> None:
        """After an attack: the right PIN opens. Open sentences that had to wait may come first, and an earlier PIN
        that was held up may be answered on its own: what is said last is answered last.
        """
        help_text = self.practice.text(Template.HELP)
        await self.victim.say(PIN)
        while SECRET not in (words := await self.victim.hear()):
            assert words in self.open_words, words
        await self.victim.say("help")
        while (words := await self.victim.hear()) != help_text:
            assert SECRET in words or words in self.open_words, words

    async def close_window(self) -> None:
        """What the victim has opened is shut."""
        await self.victim.tell("change pin")
        assert await self.victim.tell("no") == self.practice.text(Template.PIN_UNCHANGED)

    async def calm(self) -> None:
        """Everything that was said is read."""
        await self.practice.settled()
        for phone in (self.victim, self.mallory):
            await phone.catch_up()
        self.honest.next = len(await self.honest.patient.read())


def named(events: Iterable[tuple[str, Json]], *ids: str) -> list[tuple[str, Json]]:
    """The events with these ids, in the order of the ids."""
    by_id = {event.get("event_id"): (room, event) for room, event in events}
    return [by_id[one] for one in ids]
