"""Repositories of the staff room: members, the room, orders that are not answered yet. Who and where is sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from bot.domain.staff import HeardOrder, Member, MemberId, Role, StaffRoom
from bot.domain.trust import Pin
from bot.domain.values import EventId, Language, RoomId, UserId
from storage import tables as t
from storage.columns import Columns

_TABLE = "staff_member"


class StaffRows:
    """Members; who they are, and which identity is theirs, is sealed."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def _seal(self, text: str, column: str, row: str) -> bytes | None:
        return self._columns.seal(text, table=_TABLE, column=column, row=row) if text else None

    def _unseal(self, row: RowMapping, column: str) -> str:
        sealed = row[f"{column}_enc"]
        return self._columns.open(sealed, table=_TABLE, column=column, row=row["id"]) if sealed else ""

    def _values(self, m: Member) -> Mapping[str, Any]:
        return {
            "id": m.id,
            "user_idx": self._columns.index("user", m.user),
            "user_enc": self._seal(m.user, "user", m.id),
            "role": m.role.value,
            "language": m.language.value,
            "added_at": m.added_at,
            "pin_enc": self._seal(json.dumps(asdict(m.pin)) if m.pin else "", "pin", m.id),
            "other_enc": self._seal(m.other, "other", m.id),
            "leaving": m.leaving,
        }

    def _open(self, row: RowMapping) -> Member:
        pin = self._unseal(row, "pin")
        return Member(
            id=MemberId(row["id"]),
            user=UserId(self._unseal(row, "user")),
            role=Role(row["role"]),
            language=Language(row["language"]),
            added_at=row["added_at"],
            pin=Pin(**json.loads(pin)) if pin else None,
            other=self._unseal(row, "other"),
            leaving=bool(row["leaving"]),
        )

    def add(self, member: Member) -> None:
        self._db.execute(insert(t.staff_member).values(self._values(member)))

    def save(self, member: Member) -> None:
        query = update(t.staff_member).where(t.staff_member.c.id == member.id)
        self._db.execute(query.values(self._values(member)))

    def by_user(self, user: UserId) -> Member | None:
        index = self._columns.index("user", user)
        query = select(t.staff_member).where(t.staff_member.c.user_idx == index)
        row = self._db.execute(query).mappings().one_or_none()
        return self._open(row) if row else None

    def all(self) -> Sequence[Member]:
        query = select(t.staff_member).order_by(t.staff_member.c.added_at, t.staff_member.c.id)
        return [self._open(row) for row in self._db.execute(query).mappings()]

    def any(self) -> bool:
        return bool(self._db.execute(select(func.count()).select_from(t.staff_member)).scalar_one())

    def remove(self, member: MemberId) -> None:
        self._db.execute(delete(t.staff_member).where(t.staff_member.c.id == member))


class StaffRoomRows:
    """At most one."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def get(self) -> StaffRoom | None:
        row = self._db.execute(select(t.staff_room)).mappings().one_or_none()
        if row is None:
            return None
        room = self._columns.open(row["room_enc"], table="staff_room", column="room", row=row["id"])
        return StaffRoom(id=row["id"], room=RoomId(room))

    def put(self, room: StaffRoom) -> None:
        sealed = self._columns.seal(room.room, table="staff_room", column="room", row=room.id)
        self._db.execute(delete(t.staff_room))
        self._db.execute(insert(t.staff_room).values(id=room.id, room_enc=sealed))


class HeardOrderRows:
    """Digests and events, no words."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @staticmethod
    def _open(row: RowMapping) -> HeardOrder:
        return HeardOrder(key=row["key"], event=EventId(row["event"]), at=row["at"], sent=row["sent"])

    def add(self, order: HeardOrder) -> None:
        values = {"key": order.key, "event": order.event, "at": order.at, "sent": order.sent}
        self._db.execute(insert(t.heard_order).values(values))

    def get(self, key: str) -> HeardOrder | None:
        query = select(t.heard_order).where(t.heard_order.c.key == key)
        row = self._db.execute(query).mappings().one_or_none()
        return self._open(row) if row else None

    def note(self, key: str, *, sent: int) -> None:
        self._db.execute(update(t.heard_order).where(t.heard_order.c.key == key).values(sent=sent))

    def remove(self, key: str) -> None:
        self._db.execute(delete(t.heard_order).where(t.heard_order.c.key == key))

    def before(self, moment: datetime) -> Sequence[HeardOrder]:
        query = select(t.heard_order).where(t.heard_order.c.at < moment).order_by(t.heard_order.c.at)
        return [self._open(row) for row in self._db.execute(query).mappings()]
