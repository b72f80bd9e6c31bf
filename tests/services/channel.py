"""A channel in memory: records what leaves, answers a repeated transaction id as a homeserver does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.trust import Address
from bot.domain.values import EventId, Language, RoomId, TransactionId, UserId


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One thing that left. ``kind`` is nudge, open, private or redact; ``text`` as the patient would read it."""

    kind: str
    to: Address
    txn: TransactionId
    event: EventId
    text: str = ""
    rotate: bool = False


@dataclass
class FakeChannel:
    """``fault`` is asked before each message: what it returns is raised, and nothing leaves."""

    sent: list[Sent] = field(default_factory=list)
    fault: Callable[[str, Address], BaseException | None] = lambda _kind, _to: None
    prepared: list[Sequence[Address]] = field(default_factory=list)
    warmed: list[Sequence[Address]] = field(default_factory=list)
    rooms: list[RoomId] = field(default_factory=list)
    left: list[RoomId] = field(default_factory=list)
    attempts: list[tuple[str, TransactionId]] = field(default_factory=list)
    _by_txn: dict[TransactionId, EventId] = field(default_factory=dict)

    def _leave(
        self, kind: str, to: Address, txn: TransactionId, text: str = "", *, rotate: bool = False
    ) -> EventId:
        self.attempts.append((kind, txn))
        if (error := self.fault(kind, to)) is not None:
            raise error
        if txn in self._by_txn:
            return self._by_txn[txn]
        event = EventId(f"$sent-{len(self._by_txn)}")
        self._by_txn[txn] = event
        self.sent.append(Sent(kind=kind, to=to, txn=txn, event=event, text=text, rotate=rotate))
        return event

    async def prepare(self, to: Sequence[Address]) -> None:
        self.prepared.append(to)

    async def warm(self, to: Sequence[Address]) -> None:
        self.warmed.append(to)

    async def nudge(self, to: Address, nudge: Nudge, txn: TransactionId) -> EventId:
        return self._leave("nudge", to, txn, nudge.language.value)

    async def say_open(
        self, to: Address, sentence: OpenSentence, language: Language, txn: TransactionId
    ) -> EventId:
        return self._leave("open", to, txn, f"{sentence.value} {language.value}")

    async def say(self, to: Address, text: PrivateText, txn: TransactionId, *, rotate: bool) -> EventId:
        return self._leave("private", to, txn, text.text, rotate=rotate)

    async def redact(self, to: Address, event: EventId, txn: TransactionId) -> None:
        self._leave("redact", to, txn, event)

    async def open_room(self, user: UserId) -> RoomId:
        room = RoomId(f"!room{len(self.rooms)}:{user.split(':', 1)[1]}")
        self.rooms.append(room)
        return room

    async def leave_room(self, room: RoomId) -> None:
        self.left.append(room)

    def of(self, kind: str) -> list[Sent]:
        return [s for s in self.sent if s.kind == kind]

    def tries(self, kind: str) -> list[TransactionId]:
        """Transaction ids of all attempts, also those that failed."""
        return [txn for each, txn in self.attempts if each == kind]

    @property
    def redacted(self) -> list[str]:
        return [s.text for s in self.of("redact")]
