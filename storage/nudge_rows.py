"""Nudges in the outbox: one a recipient and slot, planned, withdrawn, counted."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, func, insert, or_, select, update

from bot.domain.records import DECOY, LEAVES_WITHIN, OutboxKind, OutboxState
from bot.domain.values import RecipientId
from storage import tables as t
from storage.chunks import chunks

Slot = tuple[RecipientId, datetime]

_c = t.outbox.c
NEW: Final[Mapping[str, Any]] = {
    "state": OutboxState.QUEUED.value,
    "room": "",
    "params": "{}",
    "redact_after": 0,
    "rotate": False,
    "attempts": 0,
    "claimed_by": "",
}
# Made once, as each claim asks it.
_SINCE = (
    select(_c.recipient, func.count())
    .where(
        _c.recipient.in_(bindparam("wanted", expanding=True)),
        _c.kind == OutboxKind.NUDGE.value,
        _c.template == "",
        or_(
            and_(_c.state == OutboxState.SENT.value, _c.settled_at >= bindparam("since", type_=t.Moment())),
            # Claimed before: it may have left then, or a little later.
            and_(
                _c.state.in_([OutboxState.UNKNOWN.value, OutboxState.QUEUED.value]),
                _c.claimed_at >= bindparam("perhaps", type_=t.Moment()),
            ),
        ),
    )
    .group_by(_c.recipient)
)


def new_txn() -> str:
    """A transaction id that tells nothing."""
    return "pli" + secrets.token_hex(12)


class NudgeRows:
    """Part of the outbox."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add_nudges(self, until: Mapping[Slot, datetime]) -> int:
        if not until:
            return 0
        taken = set()
        for key, row in self._in_slots(until):
            taken.add(key)
            self._revive(row, until[key])
        return self._insert({key: end for key, end in until.items() if key not in taken})

    def add_decoys(self, until: Mapping[Slot, datetime]) -> int:
        taken = {key for key, _ in self._in_slots(until)} if until else set()
        return self._insert({key: end for key, end in until.items() if key not in taken}, template=DECOY)

    def make_decoy(self, row: int) -> None:
        self._db.execute(update(t.outbox).where(_c.id == row).values(template=DECOY))

    def withdraw_nudges(
        self, recipients: Iterable[RecipientId], wanted: Collection[Slot], now: datetime
    ) -> Sequence[Slot]:
        waiting = (
            _c.kind == OutboxKind.NUDGE.value,
            _c.state == OutboxState.QUEUED.value,
            _c.slot > now,
            _c.template == "",
        )
        query = select(_c.id, _c.recipient, _c.slot).where(*waiting)
        gone = {
            row: key
            for chunk in chunks(recipients)
            for row, recipient, slot in self._db.execute(query.where(_c.recipient.in_(chunk)))
            if (key := (RecipientId(recipient), slot)) not in wanted
        }
        for chunk in chunks(gone):
            self._db.execute(delete(t.outbox).where(_c.id.in_(chunk)))
        return list(gone.values())

    def _in_slots(self, slots: Collection[Slot]) -> list[tuple[Slot, RowMapping]]:
        """The rows that there are."""
        query = select(_c.id, _c.recipient, _c.slot, _c.state, _c.useful_until, _c.template, _c.due)
        query = query.where(_c.slot >= min(slot for _, slot in slots))
        return [
            (key, row)
            for chunk in chunks(recipient for recipient, _ in slots)
            for row in self._db.execute(query.where(_c.recipient.in_(chunk))).mappings()
            if (key := (RecipientId(row["recipient"]), row["slot"])) in slots
        ]

    def _insert(self, until: Mapping[Slot, datetime], template: str = "") -> int:
        fresh = [
            {
                **NEW,
                "kind": OutboxKind.NUDGE.value,
                "txn": new_txn(),
                "template": template,
                "due": slot,
                "recipient": recipient,
                "slot": slot,
                "useful_until": useful_until,
            }
            for (recipient, slot), useful_until in until.items()
        ]
        if fresh:
            self._db.execute(insert(t.outbox), fresh)
        return len(fresh)

    def _revive(self, row: RowMapping, until: datetime) -> None:
        """A nudge that waits is useful for the later reason too, and is looked at in its slot again where it was put
        off: the new reason may be one that does not wait. One that was dropped is wanted again.
        """
        state, known = OutboxState(row["state"]), row["useful_until"]
        decoy, put_off = row["template"] == DECOY, row["due"] > row["slot"]
        values: dict[str, Any] = {
            "state": OutboxState.QUEUED.value,
            "useful_until": until if decoy else max(known, until),
            "template": "",
        }
        if state is OutboxState.DROPPED:
            values |= {"txn": new_txn(), "claimed_at": None, "claimed_by": "", "attempts": 0}
        elif state is not OutboxState.QUEUED or (until <= known and not put_off and not decoy):
            return
        if put_off:
            values["due"] = _c.slot
        self._db.execute(update(t.outbox).where(_c.id == row["id"]).values(**values))

    def nudges_since(self, recipients: Iterable[RecipientId], since: datetime) -> Mapping[RecipientId, int]:
        moments = {"since": since, "perhaps": since - LEAVES_WITHIN}
        return {
            RecipientId(recipient): int(number)
            for chunk in chunks(recipients)
            for recipient, number in self._db.execute(_SINCE, {**moments, "wanted": list(chunk)})
        }
