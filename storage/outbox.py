"""The outbox: everything that leaves is one row, written in the transaction that decided it.

1. A row carries its Matrix transaction id from birth: sending it again is the same message.
2. A row is claimed in a transaction of its own before anything leaves, and settled after. Whoever claims beside it
   passes over rows that are being claimed, also where no other lock keeps them apart.
3. One nudge a recipient and slot, and one copy of it for Telegram, by unique keys.
4. No row holds a text of an appointment: template names, numbers and references only.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    RowMapping,
    String,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from bot.domain.records import OutboxKind, OutboxRow, OutboxState
from bot.domain.values import EventId, RecipientId
from storage import tables as t
from storage.chunks import chunks
from storage.nudge_rows import NEW, NudgeRows, new_txn

_c = t.outbox.c
# Made once: an idle bot asks these twice a second, and making the question costs more than the answer.
_QUEUED = (_c.state == OutboxState.QUEUED.value, _c.due <= bindparam("now"))
_DUE_NUDGES = (
    select(t.outbox)
    # One kind by equality: the index then gives the rows in order, and no more than are asked for.
    .where(_c.kind == OutboxKind.NUDGE.value, *_QUEUED)
    # Nudges leave in the order of their random transaction ids: the agenda's order would tell who comes when.
    .order_by(_c.due, _c.txn)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)  # SQLite has one writer, and no such clause
)
_HOW_MANY_DUE = select(func.count()).select_from(
    select(_c.id)
    .where(_c.kind == OutboxKind.NUDGE.value, *_QUEUED)
    .limit(bindparam("most", type_=Integer))
    .subquery()
)
_DUE_OTHERS = (
    select(t.outbox)
    .where(_c.kind.in_(bindparam("kinds", expanding=True)), *_QUEUED)
    .order_by(_c.due, _c.id)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_CLAIMED = (
    select(t.outbox)
    .where(_c.state == OutboxState.CLAIMED.value, _c.kind != OutboxKind.TELEGRAM.value)
    .order_by(_c.due, _c.id)
)
_RELEASE = (
    update(t.outbox)
    .where(_c.state == OutboxState.HELD.value, _c.due <= bindparam("before"))
    .values(state=OutboxState.QUEUED.value, due=bindparam("now"))
)
_SENT = (
    update(t.outbox)
    .where(_c.id == bindparam("row"))
    .values(
        state=OutboxState.SENT.value,
        settled_at=bindparam("now"),
        event=func.coalesce(bindparam("told", type_=String), _c.event),
    )
)


class OutboxRows(NudgeRows):
    """See the module."""

    @staticmethod
    def _open(row: RowMapping) -> OutboxRow:
        return OutboxRow(
            id=row["id"],
            kind=OutboxKind(row["kind"]),
            state=OutboxState(row["state"]),
            txn=row["txn"],
            due=row["due"],
            room=row["room"],
            recipient=RecipientId(row["recipient"]) if row["recipient"] else None,
            template=row["template"],
            params=json.loads(row["params"]),
            slot=row["slot"],
            useful_until=row["useful_until"],
            event=EventId(row["event"]) if row["event"] else None,
            redact_after=row["redact_after"],
            rotate=row["rotate"],
            attempts=row["attempts"],
            claimed_at=row["claimed_at"],
            claimed_by=row["claimed_by"],
            copy_of=row["copy_of"],
        )

    def _select(
        self,
        *conditions: Any,  # noqa: ANN401 - SQLAlchemy's clause types
        order: tuple[Column[Any], ...] = (_c.due, _c.id),
        limit: int | None = None,
        locking: bool = False,
    ) -> list[OutboxRow]:
        query = select(t.outbox).where(*conditions).order_by(*order).limit(limit)
        if locking:
            query = query.with_for_update(skip_locked=True)  # SQLite has one writer, and no such clause
        return [self._open(row) for row in self._db.execute(query).mappings()]

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
        result = self._db.execute(
            insert(t.outbox)
            .values(
                kind=kind.value,
                state=state.value,
                txn=new_txn(),
                due=due,
                room=room,
                recipient=recipient,
                template=template,
                params=json.dumps(dict(params or {})),
                event=event,
                redact_after=redact_after,
                rotate=rotate,
                attempts=0,
                claimed_by="",
            )
            .returning(_c.id)
        )
        return int(result.scalar_one())

    def get(self, row: int) -> OutboxRow | None:
        return next(iter(self._select(_c.id == row)), None)

    def claim(
        self,
        *,
        now: datetime,
        device: str,
        kinds: Sequence[OutboxKind],
        limit: int,
        busy: Collection[str] = (),
    ) -> Sequence[OutboxRow]:
        nudges = tuple(kinds) == (OutboxKind.NUDGE,)
        values: dict[str, Any] = {"now": now, "most": limit}
        query = _DUE_NUDGES
        if not nudges:
            query = _DUE_OTHERS.where(_c.room.not_in(list(busy))) if busy else _DUE_OTHERS
            values["kinds"] = [k.value for k in kinds]
        rows = [self._open(row) for row in self._db.execute(query, values).mappings()]
        if rows and nudges:
            # All that is due for one person comes in one batch, so that it can become one nudge.
            people = sorted({row.recipient for row in rows if row.recipient})
            # By person: a plain comparison of the state would have SQLite look through all that waits instead.
            queued = func.lower(_c.state) == OutboxState.QUEUED.value
            theirs = (_c.recipient.in_(people), _c.kind == OutboxKind.NUDGE.value, queued, _c.due <= now)
            rows = self._select(*theirs, order=(_c.due, _c.txn), locking=True)
        if rows:
            taken = update(t.outbox).where(_c.id.in_([r.id for r in rows]))
            self._db.execute(taken.values(state=OutboxState.CLAIMED.value))
            # When and by which device a row was first claimed decides how long its transaction id is remembered.
            self._db.execute(taken.where(_c.claimed_at.is_(None)).values(claimed_at=now, claimed_by=device))
        return rows

    def nudges_due(self, now: datetime, *, most: int) -> int:
        return int(self._db.execute(_HOW_MANY_DUE, {"now": now, "most": most}).scalar_one())

    def purge(self, before: datetime, kinds: Collection[OutboxKind] = tuple(OutboxKind)) -> int:
        done = [
            s.value for s in (OutboxState.SENT, OutboxState.DROPPED, OutboxState.FAILED, OutboxState.UNKNOWN)
        ]
        query = delete(t.outbox).where(
            _c.state.in_(done),
            _c.kind.in_([k.value for k in kinds]),
            _c.settled_at < before,
            _c.due < before,
        )
        return int(self._db.execute(query).rowcount)

    def has_waiting(self, room: str) -> bool:
        waiting = [s.value for s in (OutboxState.HELD, OutboxState.QUEUED, OutboxState.CLAIMED)]
        return (
            self._db.execute(select(_c.id).where(_c.room == room, _c.state.in_(waiting))).first() is not None
        )

    def is_silent(self, room: str, *, since: datetime) -> bool:
        recent = select(_c.id).where(_c.room == room, _c.settled_at > since)
        return not self.has_waiting(room) and self._db.execute(recent).first() is None

    def claimed(self) -> Sequence[OutboxRow]:
        return [self._open(row) for row in self._db.execute(_CLAIMED).mappings()]

    def add_copies(self, of: Mapping[int, Mapping[str, int | str]], now: datetime) -> Collection[int]:
        made: set[int] = set()
        for chunk in chunks(of):
            query = select(_c.id, _c.recipient, _c.template, _c.useful_until).where(_c.id.in_(chunk))
            known = set(self._db.execute(select(_c.copy_of).where(_c.copy_of.in_(chunk))).scalars())
            fresh = [
                {
                    **NEW,
                    "kind": OutboxKind.TELEGRAM.value,
                    "txn": new_txn(),
                    "due": now,
                    "recipient": row.recipient,
                    "template": row.template,
                    "params": json.dumps(dict(of[row.id])),
                    "useful_until": row.useful_until,
                    "copy_of": row.id,
                }
                for row in self._db.execute(query)
                if row.id not in known
            ]
            if fresh:
                self._db.execute(insert(t.outbox), fresh)
            made |= {row["copy_of"] for row in fresh}
        return made

    def copies_due(self, now: datetime, limit: int) -> Sequence[OutboxRow]:
        waiting = (_c.kind == OutboxKind.TELEGRAM.value, _c.state == OutboxState.QUEUED.value, _c.due <= now)
        return self._select(*waiting, limit=limit, order=(_c.due, _c.txn))  # random, as nudges leave

    def copies_over(self, now: datetime) -> Sequence[OutboxRow]:
        waiting = (_c.kind == OutboxKind.TELEGRAM.value, _c.state == OutboxState.QUEUED.value)
        return self._select(*waiting, _c.useful_until <= now)

    def mark(self, row: int, *, now: datetime, device: str) -> None:
        query = update(t.outbox).where(_c.id == row)
        values = {"state": OutboxState.CLAIMED.value, "claimed_at": now, "claimed_by": device}
        self._db.execute(query.values(**values))

    def marked_copies(self) -> Sequence[OutboxRow]:
        return self._select(_c.state == OutboxState.CLAIMED.value, _c.kind == OutboxKind.TELEGRAM.value)

    def requeue(self, row: int, now: datetime) -> None:
        values = {
            "state": OutboxState.QUEUED.value,
            "due": now,
            "txn": new_txn(),
            "claimed_at": None,
            "claimed_by": "",
            "attempts": 0,
            "settled_at": None,
        }
        self._db.execute(update(t.outbox).where(_c.id == row).values(**values))

    def settled_at(self, row: int) -> datetime | None:
        found: datetime | None = self._db.execute(
            select(_c.settled_at).where(_c.id == row)
        ).scalar_one_or_none()
        return found

    def waiting(self, kind: OutboxKind) -> Sequence[OutboxRow]:
        return self._select(_c.kind == kind.value, _c.state == OutboxState.QUEUED.value)

    def settle(self, row: int, state: OutboxState, *, now: datetime) -> None:
        query = update(t.outbox).where(_c.id == row)
        self._db.execute(query.values(state=state.value, settled_at=now))

    def sent(self, events: Mapping[int, EventId | None], *, now: datetime) -> None:
        if not events:
            return
        self._db.execute(_SENT, [{"row": row, "told": event, "now": now} for row, event in events.items()])

    def postpone(self, row: int, *, due: datetime) -> None:
        values = {"state": OutboxState.QUEUED.value, "due": due, "attempts": _c.attempts + 1}
        self._db.execute(update(t.outbox).where(_c.id == row).values(**values))

    def put_back(self, row: OutboxRow, *, due: datetime) -> None:
        values = {
            "state": OutboxState.QUEUED.value,
            "due": due,
            "claimed_at": row.claimed_at,
            "claimed_by": row.claimed_by,
        }
        self._db.execute(update(t.outbox).where(_c.id == row.id).values(**values))

    def bring_forward(self, kinds: Sequence[OutboxKind], now: datetime) -> int:
        query = update(t.outbox).where(
            _c.kind.in_([k.value for k in kinds]),
            _c.state.in_([OutboxState.QUEUED.value, OutboxState.HELD.value]),
            _c.due > now,
        )
        return int(self._db.execute(query.values(due=now)).rowcount)

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
    ) -> None:
        query = update(t.outbox).where(_c.id == row)
        self._db.execute(
            query.values(
                kind=kind.value,
                state=state.value,
                due=due,
                template=template,
                params=json.dumps(dict(params)),
                redact_after=redact_after,
            )
        )

    def release_held(self, *, now: datetime, before: datetime) -> int:
        return int(self._db.execute(_RELEASE, {"now": now, "before": before}).rowcount)

    def drop_waiting(self, recipient: RecipientId, kinds: Sequence[OutboxKind]) -> int:
        query = update(t.outbox).where(
            _c.recipient == recipient,
            _c.kind.in_([k.value for k in kinds]),
            _c.state == OutboxState.QUEUED.value,
        )
        return int(self._db.execute(query.values(state=OutboxState.DROPPED.value)).rowcount)

    def unsent(self, recipient: RecipientId, now: datetime) -> int:
        query = select(func.count()).where(
            _c.recipient == recipient, _c.state == OutboxState.QUEUED.value, _c.due <= now
        )
        return int(self._db.execute(query).scalar_one())

    def overdue(self, now: datetime) -> int:
        query = select(func.count()).where(
            _c.kind == OutboxKind.REDACT.value, _c.state == OutboxState.QUEUED.value, _c.due < now
        )
        return int(self._db.execute(query).scalar_one())

    def redact_now(self, room: str, now: datetime) -> int:
        query = update(t.outbox).where(
            _c.room == room,
            _c.kind == OutboxKind.REDACT.value,
            _c.state == OutboxState.QUEUED.value,
            _c.due > now,
        )
        return int(self._db.execute(query.values(due=now)).rowcount)

    def reword_held(self, recipient: RecipientId, template: str) -> None:
        query = update(t.outbox).where(_c.recipient == recipient, _c.state == OutboxState.HELD.value)
        self._db.execute(query.values(kind=OutboxKind.REPLY.value, template=template))

    def counts(self) -> Mapping[str, int]:
        query = select(_c.state, func.count()).group_by(_c.state)
        return {state: int(number) for state, number in self._db.execute(query)}

    def next_due(self) -> datetime | None:
        query = select(func.min(_c.due)).where(_c.state == OutboxState.QUEUED.value)
        found: datetime | None = self._db.execute(query).scalar_one()
        return found
