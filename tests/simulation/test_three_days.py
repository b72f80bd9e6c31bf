"""P9 against a real homeserver: three days at a shifted clock, a bot that is killed, a homeserver that is away.

The model is the simulation's own; what it is told of is what the homeserver has.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from bot.domain.records import Patient, Room
from bot.domain.values import Language, PatientId, UserId, new_id
from bot.homeserver.embedded import EmbeddedHomeserver
from bot.homeserver.settings import ServerOptions
from storage.keys import ImportKeys
from tests.bench.people import enrolled
from tests.bench.phones import call, new_phones
from tests.channels.bot_rig import Ears
from tests.journey.practice import Practice, free_port, judge_log
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until
from tests.simulation.adapter import UNTOLD, Booking, Desk, hours
from tests.simulation.habits import DAY, Habits
from tests.simulation.homeserver import Accepted
from tests.simulation.model import Model

PEOPLE = 8
HABITS = Habits(
    zone=ZoneInfo("Europe/Paris"),
    leads=(1,),
    slots=hours("09:00", "18:00"),
    quiet_from=hours("20:00")[0],
    quiet_to=hours("08:00")[0],
    cap=3,
)
NOWHERE = "before-claim", "1"


@dataclass
class Shift:
    """The bot's clock: the machine's, and as much as ``file`` says."""

    file: Path
    skew: float = 0.0  # the model's: nobody's clock differs from it

    def to(self, moment: datetime) -> None:
        self.file.write_text(str((moment - datetime.now(UTC)).total_seconds()), encoding="ascii")

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text(encoding="ascii")))

    @property
    def true(self) -> datetime:
        return self.now()

    def monotonic(self) -> float:
        return self.now().timestamp()


@dataclass
class Days:
    """One practice over three days."""

    practice: Practice
    shift: Shift
    armed: Path
    desk: Desk = field(init=False)
    model: Model = field(init=False)
    known: set[str] = field(default_factory=set)
    rooms: list[str] = field(default_factory=list)
    agenda: dict[str, Booking] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk = Desk(self.practice.home, self.shift)
        self.model = Model(self.shift, HABITS, self.desk.due)

    async def gather(self, stack: AsyncExitStack) -> None:
        """People in rooms that the bot opened, enrolled, with an appointment on one of the days."""
        http = await stack.enter_async_context(aiohttp.ClientSession())
        keys, homeserver = ImportKeys.load(self.practice.home.import_dir), self.practice.homeserver
        channel = self.practice.home.channel()
        await channel.start(Ears().listener())
        try:
            await channel.wait_ready()
            for number, phone in enumerate(await new_phones(homeserver.embedded, http, PEOPLE)):
                room = await channel.open_room(phone.user)
                join = f"{homeserver.url}/_matrix/client/v3/join/{quote(room, safe='')}"
                await call(http, "POST", join, phone.token, {})
                recipient = enrolled(keys, phone.pin)
                name = phone.user[1:].split(":")[0]
                with self.practice.home.uow() as uow:
                    patient = PatientId(new_id("p"))
                    uow.patients.add(Patient(id=patient, reference=f"p{number}"))
                    uow.recipients.add(recipient)
                    uow.patients.link(patient, recipient.id)
                    made = Room(
                        id=new_id("room"),
                        room=room,
                        user=phone.user,
                        language=Language.FR,
                        recipient=recipient.id,
                    )
                    uow.rooms.add(made)
                    uow.commit()
                self.rooms.append(room)
                self.model.invited(name, recipient.id, [f"p{number}"])
                self.model.enrolled(name, recipient.id)
        finally:
            await channel.stop()

    def book(self, source: str, patient: int, start: datetime, *, booked: bool = True) -> None:
        before = self.agenda.get(source)
        self.agenda[source] = Booking(
            source=source,
            patient=f"p{patient}",
            start=start,
            minutes=30,
            booked=booked,
            version=before.version + 1 if before else 0,
        )

    def take(self) -> None:
        self.desk.take(list(self.agenda.values()))
        self.model.imported(self.agenda.values())

    async def start(self, point: str = NOWHERE[0], nth: str = NOWHERE[1]) -> None:
        """The bot's process; it dies at ``point`` if that is armed."""
        program = ("tests.simulation.shifted", str(self.shift.file), point, nth, str(self.armed))
        self.practice.spawn(program=program)

    async def dies(self, point: str, nth: int) -> None:
        self.armed.touch()
        await self.start(point, str(nth))
        assert await self.practice.died() == -signal.SIGKILL
        self.armed.unlink()
        self.look()

    async def works(self) -> None:
        """Until nothing that is due waits, and then everything is judged."""
        await self.start()
        await self.practice.wait_ready()

        async def done() -> bool:
            waiting = self.desk.waiting()
            return not waiting.claimed and (waiting.due is None or waiting.due > self.shift.now())

        await until(done, "everything that is due to leave", seconds=120)
        self.look()
        self.model.reported(self.desk.problems())
        self.model.calm()

    def look(self) -> None:
        """Tell the model of every nudge that the homeserver has and did not have before."""
        sql = (
            "SELECT e.room_id, e.event_id, t.txn_id FROM events e"
            " JOIN event_txn_id_device_id t ON t.event_id = e.event_id"
            " WHERE e.type = 'm.room.encrypted' AND e.sender = ? ORDER BY e.stream_ordering"
        )
        rows = self.practice.seen_by_homeserver(sql, self.practice.bot_user)
        users = dict(zip(self.rooms, self.model.people, strict=True))
        for row in rows:
            if row["event_id"] in self.known:
                continue
            self.known.add(row["event_id"])
            now = self.shift.now()
            name = users[row["room_id"]]
            accepted = Accepted(kind="nudge", user=self.user(name), txn=row["txn_id"], true=now, at=now)
            self.model.nudged(accepted)

    @staticmethod
    def user(name: str) -> UserId:
        return UserId(f"@{name}:example.org")

    def kill(self) -> None:
        self.practice.kill()
        self.look()


@pytest.fixture(scope="module")
def own_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigHomeserver]:
    """Of this test alone: it is killed."""
    folder = tmp_path_factory.mktemp("three-days")
    with EmbeddedHomeserver(
        folder, port=free_port(), options=ServerOptions(generous_limits=True)
    ) as embedded:
        yield RigHomeserver(
            url=embedded.url, server_name=embedded.server_name, folder=folder, embedded=embedded
        )


@pytest.fixture
def days(own_homeserver: RigHomeserver, tmp_path: Path) -> Iterator[Days]:
    values: dict[tuple[str, str], object] = {
        ("practice", "timezone"): HABITS.zone.key,
        ("nudges", "level"): "plain",
        ("nudges", "slots"): ["09:00", "18:00"],
        ("nudges", "days_before"): [1],
        ("nudges", "quiet_from"): "20:00",
        ("nudges", "quiet_to"): "08:00",
    }
    made = Practice.make(tmp_path / "practice", own_homeserver, values)
    shift = Shift(tmp_path / "shift")
    shift.to(datetime.now(UTC))
    try:
        yield Days(made, shift, tmp_path / "armed")
    finally:
        made.kill()
    judge_log(made.log.read_text(encoding="utf-8"), errors=True)


async def test_three_days_with_kills_and_outages(days: Days) -> None:
    """Each nudge in its slot, each once, none for what was cancelled, whatever dies."""
    zone, homeserver = HABITS.zone, days.practice.homeserver
    first = datetime.now(zone).date() + 2 * DAY

    def at(day: int, hour: int, minute: int = 0) -> datetime:
        moment = HABITS.moment(first + day * DAY, hours(f"{hour:02}:{minute:02}")[0])
        return moment.astimezone(UTC)

    async with AsyncExitStack() as stack:
        days.shift.to(at(0, 10))
        await days.gather(stack)
        for n in range(PEOPLE):
            days.book(f"a{n}", n, at(1 if n < 4 else 2, 15))
            days.book(f"b{n}", n, at(3, 9 + n))
        days.take()
        # the first evening: three lives
        days.shift.to(at(0, 18))
        await days.dies("after-claim", 1)
        await days.dies("after-put", 2)
        await days.works()
        assert len(days.known) == 4
        # the next morning: one is cancelled, one is moved, at once
        days.kill()
        days.shift.to(at(1, 8, 30))
        days.book("a4", 4, at(2, 15), booked=False)
        days.book("a5", 5, at(2, 16))
        days.take()
        await days.works()
        assert len(days.known) == 6
        # the homeserver is away over the slots of the day, and comes back in the evening
        days.kill()
        homeserver.kill()
        days.model.disturbed(on=True)
        days.shift.to(at(1, 18))
        await days.start()
        homeserver.embedded.start()
        await days.practice.wait_ready()
        days.kill()
        days.shift.to(at(1, 19))
        await days.works()
        days.model.disturbed(on=False)
        # the last slots before the third day's appointments
        for hour in (9, 18):
            days.kill()
            days.shift.to(at(2, hour, 1))
            await days.works()
        days.kill()
        days.shift.to(at(4, 12))
        await days.works()
    assert [p for p in days.model.problems.values() if p.kind in UNTOLD] == []
    names = [nudge.name for nudge in days.model.nudges]
    assert {name: names.count(name) >= 2 for name in days.model.people} == dict.fromkeys(
        days.model.people, True
    )
