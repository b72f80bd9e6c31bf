"""The Protocol of what is to leave: nudges, answers, redactions and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.records import OutboxKind, OutboxRow, OutboxState
from bot.domain.values import EventId, RecipientId


class Outbox(Protocol):
    def add(
        self,
        *,
        kind: OutboxKind,
        due: datetime,
        state: OutboxState = OutboxState.QUEUED,
        room: str = "",
        recipient: RecipientId | None = None,
        template: str = "",
        params: Mapping[str, int | str] | None = None,
        event: EventId | None = None,
        redact_after: int = 0,
        rotate: bool = False,
    ) -> int:
        """Id of the new row."""

    def add_nudges(self, until: Mapping[tuple[RecipientId, datetime], datetime]) -> int:
        """Nudges due in their slots, and until when each is useful; how many are new.

        One that exists for the recipient and slot (unique key) is useful until the later end of the two, and wanted
        again where it was dropped. One that was a decoy is none any more.
        """

    def add_decoys(self, until: Mapping[tuple[RecipientId, datetime], datetime]) -> int:
        """As :meth:`add_nudges`, where there is no nudge for the recipient and slot; how many are new."""

    def make_decoy(self, row: int) -> None:
        """Its reason is gone, and it leaves nevertheless."""

    def withdraw_nudges(
        self,
        recipients: Iterable[RecipientId],
        wanted: Collection[tuple[RecipientId, datetime]],
        now: datetime,
    ) -> Sequence[tuple[RecipientId, datetime]]:
        """Delete those to come that are not ``wanted`` any more; whose slots they were. Decoys stay."""

    def get(self, row: int) -> OutboxRow | None: ...
    def claim(
        self,
        *,
        now: datetime,
        device: str,
        kinds: Sequence[OutboxKind],
        limit: int,
        busy: Collection[str] = (),
    ) -> Sequence[OutboxRow]:
        """Mark due rows as claimed and return them, oldest first; none of the rooms that are ``busy``."""

    def nudges_due(self, now: datetime, *, most: int) -> int:
        """How many nudges could be claimed, counted up to ``most``."""

    def claimed(self) -> Sequence[OutboxRow]:
        """All but copies for Telegram."""

    def add_copies(self, of: Mapping[int, Mapping[str, int | str]], now: datetime) -> Collection[int]:
        """A row of kind TELEGRAM, due now, for each of these rows that has had none yet, with its ``params``; of which.

        As the nudge has it: recipient, whether it is a decoy, until when it is useful.
        """

    def copies_due(self, now: datetime, limit: int) -> Sequence[OutboxRow]:
        """Copies that may leave, in the order in which they do; nothing is claimed."""

    def copies_over(self, now: datetime) -> Sequence[OutboxRow]:
        """Copies that wait and are of no use any more, by what their nudges say."""

    def mark(self, row: int, *, now: datetime, device: str) -> None:
        """Claim this one."""

    def marked_copies(self) -> Sequence[OutboxRow]: ...
    def requeue(self, row: int, now: datetime) -> None:
        """Due now, as if it had never been tried, with a transaction id of its own."""

    def settled_at(self, row: int) -> datetime | None: ...
    def waiting(self, kind: OutboxKind) -> Sequence[OutboxRow]: ...
    def settle(self, row: int, state: OutboxState, *, now: datetime) -> None: ...
    def sent(self, events: Mapping[int, EventId | None], *, now: datetime) -> None:
        """Settle rows as sent. A row keeps the event that it has where none is given."""

    def postpone(self, row: int, *, due: datetime) -> None: ...
    def put_back(self, row: OutboxRow, *, due: datetime) -> None:
        """``row`` as it was before this claim, of which nothing was tried."""

    def bring_forward(self, kinds: Sequence[OutboxKind], now: datetime) -> int:
        """What waits or is held for a later moment is due now; how many."""

    def rewrite(
        self,
        row: int,
        *,
        kind: OutboxKind,
        state: OutboxState,
        due: datetime,
        template: str,
        params: Mapping[str, int | str],
        redact_after: int = 0,
    ) -> None: ...
    def release_held(self, *, now: datetime, before: datetime) -> int:
        """Let go the rows that were held before then and never answered; how many."""

    def nudges_since(self, recipients: Iterable[RecipientId], since: datetime) -> Mapping[RecipientId, int]:
        """How many nudges were sent to each, or may have been; whoever got none is left out."""

    def purge(self, before: datetime, kinds: Collection[OutboxKind] = ...) -> int:
        """Delete what was settled before then, of all kinds or of these; how many."""

    def overdue(self, now: datetime) -> int:
        """How many messages should have been taken back by now."""

    def has_waiting(self, room: str) -> bool: ...
    def is_silent(self, room: str, *, since: datetime) -> bool:
        """Nothing waits there, and nothing was settled after ``since``."""

    def drop_waiting(self, recipient: RecipientId, kinds: Sequence[OutboxKind]) -> int: ...
    def unsent(self, recipient: RecipientId, now: datetime) -> int:
        """How many rows are due and have not left."""

    def redact_now(self, room: str, now: datetime) -> int:
        """Let go at once what is to be taken back from a room later; how many."""

    def reword_held(self, recipient: RecipientId, template: str) -> None:
        """What a message that is being handled will be answered if the process dies before its answer is written."""

    def counts(self) -> Mapping[str, int]: ...
    def next_due(self) -> datetime | None: ...
