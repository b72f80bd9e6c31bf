"""Rounds of typed PINs by several patients at once, and what the homeserver saw of each.

A homeserver hands over rooms in an order of its own that stays, so that one patient is always a little earlier than
another. Whoever has something to come in one round has nothing to come in another: what is compared is never a person.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from tests.journey.practice import Practice, Values
from tests.journey.talk import PIN, WRONG_PIN, People, Talk
from tests.rig.homeserver import RigHomeserver
from tests.view.tap import Sign, Tap, point_at, signs

DELAY = 1.0  # seconds: longer than a check takes
NO_PIN = "12345678901234"  # digits, but too many: nothing is checked


TIMED = (
    "PUT rooms/redact",
    "POST keys/query",
    "PUT sendToDevice/m.room.encrypted",
    "PUT rooms/send/m.room.encrypted",
)


class Typed(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    ODD = "odd"


_TEXTS: Mapping[Typed, str] = {Typed.RIGHT: PIN, Typed.WRONG: WRONG_PIN, Typed.ODD: NO_PIN}


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """One typed PIN. ``delays`` in seconds from the moment at which the bot was handed it."""

    patient: str
    appointments: int
    typed: Typed
    signs: tuple[Sign, ...]
    delays: Mapping[str, float]


@dataclass
class Stage:
    """A practice whose bot is looked at. ``talks`` by patient, with their number of appointments, ``rows`` with the
    appointments themselves; ``past`` are the patients whose appointments are past."""

    practice: Practice
    people: People
    tap: Tap
    talks: dict[str, tuple[Talk, int]] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)
    past: frozenset[str] = frozenset()
    chance: random.Random = field(default_factory=random.Random)

    async def enrol(self, appointments: Mapping[str, int]) -> None:
        """Patients one beside the other, each with so many appointments of different lengths."""
        invited = {}
        for (
            reference,
            count,
        ) in appointments.items():  # commands share this process's output: one after the other
            await self.people.add(reference)
            invited[reference] = await self.people.invite(reference, "--lang", "en")
            for number in range(count):  # sealed to whoever is invited by then
                added = await self.practice.pli(
                    *("agenda", "add", reference, "--at", f"2031-05-0{number + 1}T10:00", "--json"),
                    *("--with", "Dr " + "Quill" * (number + 1), "--note", "fasting " * 5 * number),
                )
                self.rows.setdefault(reference, []).append(str(added.json()["id"]))

        async def one(reference: str) -> None:
            phone = await self.people.client(invited[reference])
            talk = await self.people.meet(invited[reference], phone)
            await talk.enrol(invited[reference]["code"])
            self.talks[reference] = (talk, appointments[reference])

        await asyncio.gather(*map(one, invited))
        await self.take_back()

    def nothing_to_come(self, patients: Iterable[str]) -> None:
        """Of these alone: the appointments of everybody else are to come again."""
        self.past = frozenset(patients)
        for patient, rows in self.rows.items():
            moment = (
                datetime.now(UTC) - timedelta(hours=1)
                if patient in self.past
                else datetime(2031, 6, 1, tzinfo=UTC)
            )
            for row in rows:
                self.practice.query(
                    "UPDATE appointment SET past_after = ? WHERE id = ?",
                    f"{moment:%Y-%m-%dT%H:%M:%S.000000Z}",
                    row,
                )

    async def round(self, typed: Mapping[str, Typed], *, before: Sequence[str] = ()) -> list[Episode]:
        """Everybody says what stands ``before``, then types; until all that was said is taken back."""
        begun = len(self.tap.asked)
        events: dict[str, tuple[list[str], list[str]]] = {}

        async def one(patient: str) -> None:
            talk, count = self.talks[patient]
            mine, bots = events.setdefault(patient, ([], []))
            for text in (*before, _TEXTS[typed[patient]]):
                mine.append(await talk.say(text))
                bots.append((heard := await talk.hear()).event)
            something = typed[patient] is Typed.RIGHT and count > 0 and patient not in self.past
            if "my data" not in before:  # there, what is past is shown as long as it is kept
                assert ("Dr Quill" in (heard.body or "")) is something, f"{patient} {typed[patient]}"

        order = list(typed)
        self.chance.shuffle(order)
        await asyncio.gather(*map(one, order))
        await self.take_back()
        return [
            self._episode(patient, typed[patient], *events[patient], begun=begun) for patient in sorted(typed)
        ]

    def seen_of(
        self, patient: str, *, since: int, typed: Sequence[str], said: Sequence[str]
    ) -> tuple[Sign, ...]:
        """What concerned one patient from request number ``since`` on."""
        talk, _ = self.talks[patient]
        asked = [a for a in self.tap.asked[since:] if a.concerns(talk.room, talk.patient.user)]
        return tuple(signs(asked, typed=typed, said=said))

    async def take_back(self) -> None:
        """Everything whose time to be taken back would come in some minutes."""
        await self.practice.settled()
        self.practice.bring_forward("redact")
        await self.practice.settled()

    def _episode(
        self, patient: str, typed: Typed, mine: list[str], bots: list[str], *, begun: int
    ) -> Episode:
        talk, count = self.talks[patient]
        moment = self.tap.delivered[mine[-1]]
        after = [
            a for a in self.tap.asked[begun:] if a.at > moment and a.concerns(talk.room, talk.patient.user)
        ]
        first = {kind: next((a.at for a in after if a.kind == kind), None) for kind in TIMED}
        delays = {kind: at - moment for kind, at in first.items() if at is not None}
        return Episode(
            patient=patient,
            appointments=0 if patient in self.past else count,
            typed=typed,
            signs=self.seen_of(patient, since=begun, typed=mine, said=bots),
            delays=delays,
        )


@asynccontextmanager
async def stage(
    homeserver: RigHomeserver, folder: Path, appointments: Mapping[str, int]
) -> AsyncIterator[Stage]:
    """Everybody enrolled, the bot behind a tap."""
    settings = {("release", "answer_delay_seconds"): DELAY}
    practice = await asyncio.to_thread(_made, folder, homeserver, settings)
    async with Tap(homeserver.url) as tap, AsyncExitStack() as stack:
        point_at(tap, practice.folder)
        await practice.start()
        stack.callback(practice.kill)
        made = Stage(practice=practice, people=People(practice=practice, stack=stack), tap=tap)
        await made.enrol(appointments)
        yield made


def _made(folder: Path, homeserver: RigHomeserver, settings: Values) -> Practice:
    return Practice.make(folder / "practice", homeserver, settings)
