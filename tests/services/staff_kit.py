"""A staff room in memory and a desk by hand, over a practice's real database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from bot.domain.messages import Attachment, Incoming
from bot.domain.slots import NudgeRules
from bot.domain.staff import (
    Member,
    MemberId,
    Role,
    StaffAddress,
    StaffFile,
    StaffOrder,
    StaffReply,
    StaffSentence,
)
from bot.domain.trust import Device
from bot.domain.values import EventId, Language, RoomId, Secret, TransactionId, UserId
from bot.errors import ChannelError, DeskError, InvalidSeal, PliError
from bot.services.staff_duty import StaffDuty, StaffRules
from bot.services.tell_staff import StaffHours
from tests.services.kit import Practice

CAMILLE, DANA = UserId("@camille:x"), UserId("@dana:x")
SENTENCES = {sentence: sentence.value for sentence in StaffSentence}


@dataclass
class MemoryStaffChannel:
    """Rooms and who is there; a transaction id is said once, as with a homeserver. ``fails`` are raised first."""

    rooms: dict[RoomId, dict[UserId, bool]] = field(default_factory=dict)
    invited: list[UserId] = field(default_factory=list)
    removed: list[UserId] = field(default_factory=list)
    keys: dict[UserId, str] = field(default_factory=dict)
    said: dict[TransactionId, tuple[str, bool]] = field(default_factory=dict)
    readers: list[set[UserId]] = field(default_factory=list)
    fails: list[PliError] = field(default_factory=list)
    unfit: PliError | None = None

    async def open_room(self, name: str) -> RoomId:
        room = RoomId(f"!{name}{len(self.rooms)}")
        self.rooms[room] = {}
        return room

    async def invite(self, room: RoomId, user: UserId) -> None:
        self.invited.append(user)
        self.rooms[room][user] = False

    async def remove(self, room: RoomId, user: UserId) -> None:
        self.removed.append(user)
        self.rooms[room].pop(user, None)

    async def leave_room(self, room: RoomId) -> None:
        del self.rooms[room]

    async def present(self, to: StaffAddress) -> Mapping[UserId, bool]:
        if self.unfit is not None:
            raise self.unfit
        return dict(self.rooms[to.room])

    def followed(self, room: RoomId) -> Mapping[UserId, bool]:
        return dict(self.rooms[room])

    async def identity(self, user: UserId) -> str | None:
        return self.keys.get(user)

    async def say(self, to: StaffAddress, text: str, txn: TransactionId, *, rings: bool) -> EventId:
        self.readers.append({member.user for member in to.members})
        if self.fails:
            raise self.fails.pop(0)
        assert to.room in self.rooms
        self.said.setdefault(txn, (text, rings))
        return EventId(f"${txn}")

    async def show(self, to: StaffAddress, file: StaffFile, txn: TransactionId) -> EventId:
        return await self.say(to, file.name, txn, rings=False)

    async def fetch(self, described: Attachment) -> bytes:
        if described.url == "gone":
            raise ChannelError("gone", permanent=True)
        if described.url != "there":
            raise InvalidSeal
        return b"x" * described.size

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.said.values()]


@dataclass
class HandDesk:
    """Answers what it is told to."""

    away: bool = False
    orders: list[StaffOrder] = field(default_factory=list)
    urgent: StaffReply = field(default_factory=StaffReply)
    rest: StaffReply = field(default_factory=StaffReply)
    heard: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def order(self, order: StaffOrder) -> StaffReply:
        self._here("order")
        self.orders.append(order)
        return StaffReply(texts=(f"heard: {order.line}",), private=True)

    async def news(self, *, urgent: bool) -> StaffReply:
        self._here("urgent" if urgent else "all")
        replies = (self.urgent,) if urgent else (self.rest, self.urgent)
        new = [reply for reply in replies if reply.token and reply.token not in self.heard]
        return new[0] if new else StaffReply()

    async def told(self, token: str) -> None:
        self._here("told")
        self.heard.append(token)

    async def morning(self) -> StaffReply:
        self._here("morning")
        return StaffReply(texts=("counts",), token="m")

    async def alive(self) -> Literal[True]:
        self._here("alive")
        return True

    def _here(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise DeskError


@dataclass
class Duty:
    """A staff room in ``practice``, at its clock."""

    practice: Practice
    slots: tuple[time, ...] = (time(12, 0), time(18, 0))
    morning: time = time(8, 0)
    channel: MemoryStaffChannel = field(default_factory=MemoryStaffChannel)
    desk: HandDesk = field(default_factory=HandDesk)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        zone = ZoneInfo("Europe/Paris")
        self.duty = StaffDuty(
            self.practice.home.uow,
            self.channel,
            desk=self.desk,
            sentences=SENTENCES,
            clock=self.practice.clock,
            rules=StaffRules(
                room_name="Notes",
                redact_after=timedelta(minutes=60),
                max_file_bytes=1000,
                hours=StaffHours(slots=self.slots, morning=self.morning, quiet=NudgeRules(zone=zone)),
            ),
        )
        self.duty.load()

    def add(self, user: UserId, **values: object) -> Member:
        member = Member(
            id=MemberId(f"m-{user[1:4]}"),
            user=user,
            role=Role.SECRETARY,
            language=Language.FR,
            added_at=self.practice.clock.now(),
            **values,  # type: ignore[arg-type]  # fields of the record
        )
        with self.practice.home.uow() as uow:
            uow.staff.add(member)
            uow.commit()
        return member

    @property
    def room(self) -> RoomId:
        return list(self.channel.rooms)[-1]

    async def joined(self, *users: UserId) -> None:
        """Members, each with an identity, joined and pinned."""
        for user in users:
            self.add(user)
            self.channel.keys[user] = f"key of {user}"
        await self.tick()
        for user in users:
            self.channel.rooms[self.room][user] = True
        await self.duty.on_moved()

    async def tick(self) -> None:
        """What the process does every moment."""
        await self.duty.keep()
        await self.duty.tell()

    def device(self, user: UserId, master_key: str | None = "") -> Device:
        key = f"key of {user}" if master_key == "" else master_key
        return Device(user=user, device_id="D", ed25519="e", curve25519="c", master_key=key)

    def message(self, user: UserId, text: str = "today", **values: object) -> Incoming:
        unique = secrets.token_hex(8)
        fields: dict[str, object] = {
            "event": EventId(f"${unique}"),
            "replay_key": unique,
            "device": self.device(user),
            "at": self.practice.clock.now(),
        }
        return Incoming(
            room=self.room,
            user=user,
            text=Secret(text),
            **{**fields, **values},  # type: ignore[arg-type]  # fields of the record
        )

    async def tell(self, user: UserId, text: str = "today", **values: object) -> list[str]:
        """What was said because of it."""
        before = len(self.channel.said)
        await self.duty.on_message(self.message(user, text, **values))
        return self.channel.texts[before:]

    def member(self, user: UserId) -> Member:
        with self.practice.home.uow() as uow:
            found = uow.staff.by_user(user)
        assert found is not None
        return found
