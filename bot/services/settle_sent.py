"""What is written after an attempt to send: sent, again later, or never. Rules by number are those of ``deliver``."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.messages import OpenSentence, PrivateText
from bot.domain.records import OutboxKind, OutboxRow, OutboxState, ProblemKind
from bot.domain.trust import Address
from bot.domain.values import AppointmentId, EventId, Language, RecipientId
from bot.errors import ChannelError, PliError, StorageError, Untrusted
from bot.ports_storage import UnitOfWork
from bot.services.tallies import Counted, tally

log = logging.getLogger("pli.deliver")

MAX_PAUSE = 300.0
LONGEST_HOLD = timedelta(hours=1)  # of a channel whose other side named a pause
MANY = 5  # nudges refused for good at once, above which it is not for their readers that they are refused


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Release:
    """The text of a release, until when it may leave, and which changes its reader knows once it has left."""

    text: PrivateText
    until: datetime
    recipient: RecipientId
    told: tuple[tuple[AppointmentId, int], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A claimed row, and where it goes. ``merged``: other nudges that this one leaves for as well."""

    row: OutboxRow
    to: Address
    language: Language
    merged: tuple[OutboxRow, ...] = ()

    @property
    def rows(self) -> tuple[OutboxRow, ...]:
        return (self.row, *self.merged)

    def absorb(self, other: Work) -> Work:
        return replace(self, merged=(*self.merged, *other.rows))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """What came of one. ``release`` is what left, if that was one."""

    work: Work
    event: EventId | None = None
    error: PliError | None = None
    release: Release | None = None

    @classmethod
    def failed(cls, work: Work, error: Exception) -> Sending:
        """A defect counts as a permanent failure of that one message."""
        if isinstance(error, PliError):
            return cls(work=work, error=error)
        log.error("a message was not sent because of a defect", extra={"error": type(error).__name__})
        return cls(work=work, error=PliError("a defect"))

    @property
    def is_passing(self) -> bool:
        """Rules 6 and 7."""
        if isinstance(self.error, ChannelError):
            return not self.error.permanent
        return isinstance(self.error, StorageError)

    @property
    def is_nudge(self) -> bool:
        return self.work.row.kind is OutboxKind.NUDGE

    @property
    def is_refused(self) -> bool:
        """Rule 8: a nudge that the channel refuses for good."""
        return self.is_nudge and isinstance(self.error, ChannelError) and self.error.permanent


def settle_sent(
    uow: UnitOfWork, sendings: Sequence[Sending], behind: Sequence[Work], now: datetime
) -> datetime | None:
    """Write it; when the last one is tried again, and ``behind`` with it, if it is. The caller commits."""
    uow.outbox.sent({s.work.row.id: s.event for s in sendings if s.error is None}, now=now)
    nudged = [s.work.row for s in sendings if s.error is None and s.is_nudge]
    tally(uow, Counted.NUDGED, now, len(nudged))
    uow.recipients.note_nudged([row.recipient for row in nudged if row.recipient], now)
    everybody, lost = _is_everybody(sendings), 0
    again: datetime | None = None
    for sending in sendings:
        if sending.error is None:
            _was_sent(uow, sending, now)
        elif sending.is_passing or (everybody and sending.is_refused):
            again = put_off(uow, sending.work.row, sending.error, now)
            for row in sending.work.merged:
                uow.outbox.postpone(row.id, due=again)
            continue
        else:
            _never(uow, sending, sending.error, now)
            lost += sending.is_nudge
        settle_merged(uow, sending.work, now)
    tally(uow, Counted.UNREACHED, now, lost)
    if again is not None:
        for work in behind:
            uow.outbox.postpone(work.row.id, due=again)
    return again


def settle_merged(uow: UnitOfWork, work: Work, now: datetime) -> None:
    """The nudges that ``work`` left for as well."""
    for row in work.merged:
        # One that was claimed before the one that stands for it may have left then: it counts for the cap.
        older = row.claimed_at is not None and row.claimed_at != work.row.claimed_at
        uow.outbox.settle(row.id, OutboxState.UNKNOWN if older else OutboxState.DROPPED, now=now)


def _is_everybody(sendings: Sequence[Sending]) -> bool:
    """Rule 8: so many at once are not so many patients who left, but a proxy or an account that is out of order."""
    refused = sum(sending.is_refused for sending in sendings)
    return refused > MANY and 2 * refused > len(sendings)


def _was_sent(uow: UnitOfWork, sending: Sending, now: datetime) -> None:
    row, release = sending.work.row, sending.release
    if release is not None and release.told:
        for appointment, change in release.told:
            uow.envelopes.mark_told(appointment, release.recipient, change)
    if row.redact_after and sending.event is not None:
        uow.outbox.add(
            kind=OutboxKind.REDACT,
            due=now + timedelta(minutes=row.redact_after),
            room=row.room,  # and no recipient: what is to be taken back outlives who it was for
            event=sending.event,
        )


def put_off(uow: UnitOfWork, row: OutboxRow, error: PliError, now: datetime) -> datetime:
    """Rule 6: until when."""
    named = error.retry_after if isinstance(error, ChannelError) else None
    pause = named or min(2.0 ** min(row.attempts, 10), MAX_PAUSE)
    pause *= 1 + random.random() / 4  # noqa: S311 - jitter, not a secret
    due = now + timedelta(seconds=pause)
    if (
        row.useful_until is not None
    ):  # looked at once more when it is of no use any longer: then it is reported
        due = min(due, max(row.useful_until, now))
    uow.outbox.postpone(row.id, due=due)
    log.warning("send postponed", extra={"kind": row.kind.value, "attempts": row.attempts})
    return due


def _never(uow: UnitOfWork, sending: Sending, error: PliError, now: datetime) -> None:
    """Rules 5, 6 and 8."""
    row = sending.work.row
    uow.outbox.settle(row.id, OutboxState.FAILED, now=now)
    doubt = isinstance(error, Untrusted)
    kind = ProblemKind.NOT_TRUSTED if doubt else ProblemKind.SEND_FAILED
    closed = sending.is_refused or (doubt and sending.is_nudge)
    known = closed and row.recipient is not None and not uow.recipients.switch_off(row.recipient, now)
    if not known:
        uow.problems.add(kind, now, row.recipient)
    log.warning("send refused", extra={"kind": row.kind.value, "problem": kind.value})
    if doubt and row.kind in (OutboxKind.REPLY, OutboxKind.RELEASE):
        uow.outbox.add(
            kind=OutboxKind.OPEN,
            due=now,
            room=row.room,
            recipient=row.recipient,
            template=OpenSentence.UNKNOWN_DEVICE.value,
        )
