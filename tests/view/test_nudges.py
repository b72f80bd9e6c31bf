"""P2: a thousand nudges as the bytes that a phone decrypts. Everything but the homeserver is real: rows, services,
channel, encryption; in its place a recorder takes the requests, and the phones are vodozemac without any of our code.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
import vodozemac

from bot.channels.matrix.channel import MatrixChannel, Texts
from bot.channels.matrix.directory import Directory, People
from bot.channels.matrix.http import Http
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.rooms import RoomState
from bot.channels.matrix.send import Sender
from bot.channels.matrix.session import Session
from bot.domain.messages import OpenSentence
from bot.domain.records import Reminder, ReminderKind
from bot.domain.trust import Device
from bot.domain.values import Language, RoomId, Secret, SecretBytes, UserId
from tests.bench.phones import Phone
from tests.services.kit import Person, Practice, entry

BOT = UserId("@bot:example.org")
DAYS = 250
PEOPLE = {"P-1": Language.FR, "P-2": Language.EN, "P-3": Language.FR, "P-4": Language.EN}


class Fit(RoomState):
    """A room that is as the bot opened it; how that is judged is tested elsewhere."""

    def check(self, *, bot: UserId, patient: UserId) -> None:
        """Nothing to object to."""


@dataclass
class Recorder:
    """In the place of :class:`Http`: takes what is sent."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: list[tuple[UserId, dict[str, Any]]] = field(default_factory=list)

    async def call(self, _method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if "/sendToDevice/" in path:
            self.keys += [
                (UserId(user), content)
                for user, devices in body["messages"].items()
                for content in devices.values()
            ]
            return {}
        self.events.append((path, body))
        return {"event_id": f"$e{len(self.events)}"}


@dataclass
class Phones:
    """In the place of :class:`Directory`: everybody has one phone, whose one-time keys are at hand."""

    machine: Machine
    phones: Mapping[UserId, Phone]

    def stale(self, _users: Iterable[str]) -> list[UserId]:
        return []

    async def current(self, user: UserId) -> People:
        return People(devices=(self.device(user),), master_key=None)

    async def claim(self, devices: Iterable[Device]) -> None:
        for device in devices:
            account: Any = self.phones[device.user].account
            account.generate_one_time_keys(1)
            ((_, key),) = account.one_time_keys.items()
            account.mark_keys_as_published()
            assert self.machine.start_session(device, key.to_base64())

    def device(self, user: UserId) -> Device:
        account = self.phones[user].account
        return Device(
            user=user,
            device_id=self.phones[user].device,
            ed25519=account.ed25519_key.to_base64(),
            curve25519=account.curve25519_key.to_base64(),
            master_key=None,
        )


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


async def enrolled(practice: Practice) -> list[Person]:
    """Four people, two languages, between none and many appointments of different lengths."""
    people = []
    for number, (reference, language) in enumerate(PEOPLE.items()):
        person = await practice.enrolled(reference, name=f"{reference.lower()}{'x' * number}")
        await person.say("français" if language is Language.FR else "english")
        practice.take(
            *(
                entry(
                    f"u-{reference}-{n}",
                    f"2028-0{1 + n}-1{number} 1{n}:{number}5",
                    patient=reference,
                    note="à jeun " * n,
                )
                for n in range(1 + number * 2)
            )
        )
        people.append(person)
    return people


async def send_for_days(practice: Practice, people: Sequence[Person]) -> None:
    """One nudge a day to everybody, through the outbox."""
    booked = [
        (p.recipient.id, practice.appointments(reference)[0].id)
        for reference, p in zip(PEOPLE, people, strict=True)
    ]
    for _ in range(DAYS):
        practice.clock.forward(days=1)
        now, until = practice.now, practice.now + timedelta(hours=6)
        with practice.home.uow() as uow:
            uow.reminders.add(
                Reminder(appointment=a, recipient=r, kind=ReminderKind.REMIND, slot=now, useful_until=until)
                for r, a in booked
            )
            uow.outbox.add_nudges({(recipient, now): until for recipient, _ in booked})
            uow.commit()
        assert await practice.send_nudges() == len(people)


def decrypted(recorder: Recorder, phones: Mapping[UserId, Phone], bot_key: str) -> list[bytes]:
    """What the phones read, as bytes."""
    sessions: dict[str, vodozemac.InboundGroupSession] = {}
    olm: dict[UserId, vodozemac.Session] = {}
    curve = vodozemac.Curve25519PublicKey.from_base64(bot_key)
    for user, content in recorder.keys:
        ((_, part),) = content["ciphertext"].items()
        if user in olm:
            message = vodozemac.PreKeyMessage.from_base64(
                part["body"]
            ).to_any()  # no answer came: still the first kind
            plain = olm[user].decrypt(message)
        else:
            first = vodozemac.PreKeyMessage.from_base64(part["body"])
            olm[user], plain = phones[user].account.create_inbound_session(curve, first)
        key = json.loads(bytes(plain))["content"]
        sessions[key["session_id"]] = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
    return [
        bytes(
            sessions[body["session_id"]]
            .decrypt(vodozemac.MegolmMessage.from_base64(body["ciphertext"]))
            .plaintext
        )
        for _, body in recorder.events
    ]


async def test_p2_a_thousand_nudges_are_the_same_bytes(practice: Practice, tmp_path: Path) -> None:
    people = await enrolled(practice)
    folder = tmp_path / "store"
    folder.mkdir()
    machine = Machine(user=BOT, device_id="BOT", folder=folder, pickle_key=SecretBytes(bytes(32)))
    phones = {
        p.room.user: Phone(user=p.room.user, device="PHONE", token="", account=vodozemac.Account())
        for p in people
    }
    recorder, directory = Recorder(), Phones(machine, phones)
    channel = MatrixChannel(
        session=Session(homeserver="http://127.0.0.1:1", user=BOT, device_id="BOT", token=Secret("token")),
        key_dir=folder,
        store_dir=folder,
        pickle_key=SecretBytes(bytes(32)),
        texts=Texts(
            nudges={language: practice.home.words[language].nudge() for language in Language},
            open={
                (s, lang): practice.home.words[lang].open_text(s) for s in OpenSentence for lang in Language
            },
            room_name="Messages",
        ),
    )
    channel._sender = Sender(
        cast("Http", recorder), machine, cast("Directory", directory), known_state=lambda _: Fit()
    )
    practice.channel = cast("Any", channel)
    practice.rules = replace(practice.rules, daily_cap=50)
    practice.start_bot()
    await send_for_days(practice, people)
    machine.close()
    assert len(recorder.events) == DAYS * len(PEOPLE) == 1000
    plain = decrypted(recorder, phones, machine.curve25519)
    rooms = {person.room.room: practice.recipient(person.recipient.id).language for person in people}
    kinds: dict[Language, Counter[bytes]] = {language: Counter() for language in Language}
    for (path, _), text in zip(recorder.events, plain, strict=True):
        room = unquote(path.split("/rooms/")[1].split("/")[0])
        # the room is named inside, as Matrix asks for, and by a name that the homeserver has anyway
        assert json.loads(text)["room_id"] == room
        kinds[rooms[RoomId(room)]][normal(text, room)] += 1
    assert {language: len(found) for language, found in kinds.items()} == {Language.FR: 1, Language.EN: 1}
    for language, found in kinds.items():
        ((text, times),) = found.items()
        assert times == 500
        assert json.loads(text)["content"]["body"] == practice.home.words[language].nudge()
    # and outside: one size, one set of fields, whatever the language
    assert len({len(text) for text in plain}) == 1
    assert (
        len({tuple((name, len(str(value))) for name, value in body.items()) for _, body in recorder.events})
        == 1
    )


def normal(text: bytes, room: str) -> bytes:
    """The bytes, with a room's name of one length: the filler makes up for the real one's."""
    name = room.ljust(60, "r")
    assert text.endswith(b"." * 100 + b'"}}')
    return text.replace(f'"{room}"'.encode(), f'"{"R" * 60}"'.encode()).replace(
        b"." * (len(name) - len(room)) + b'"}}', b'"}}'
    )
