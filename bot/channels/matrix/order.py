"""Whether an event comes in the order in which its device spoke: a homeserver may keep one back. In memory alone.

1. Within a Megolm session, what has a lower index than something that was read comes too late.
2. A session is over once another one of that device in that room was read whose key came later. Of sessions whose
   keys were there before the start, none is taken up again once another was read.

After a restart the sessions themselves have moved past what was read (:meth:`Machine.forget_noted`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bot.domain.values import RoomId

_REMEMBERED: Final = 4096
_BEFORE_THE_START: Final = 0


@dataclass(slots=True)
class _Place:
    """How far one device has been read in one room; ``over`` are sessions from before the start."""

    session_id: str
    index: int
    over: set[str] = field(default_factory=set)


class Order:
    """Remembers how far each device of each room was read."""

    def __init__(self) -> None:
        self._count = _BEFORE_THE_START
        self._arrived: dict[tuple[RoomId, str], int] = {}
        self._places: dict[tuple[RoomId, str], _Place] = {}

    def key_came(self, room: RoomId, session_id: str) -> None:
        self._count += 1
        self._arrived.setdefault((room, session_id), self._count)
        if len(self._arrived) > _REMEMBERED:  # then it counts as an old one
            del self._arrived[next(iter(self._arrived))]

    def read(self, room: RoomId, *, curve25519: str, session_id: str, index: int) -> bool:
        """Take note of an event that was decrypted; False where it is out of order. The same one again is in order."""
        place = self._places.get((room, curve25519))
        if place is None:
            self._places[room, curve25519] = _Place(session_id, index)
            return True
        if place.session_id == session_id:
            if index < place.index:
                return False
            place.index = index
            return True
        age, current = self._age(room, session_id), self._age(room, place.session_id)
        if age < current or session_id in place.over:
            return False
        if current == _BEFORE_THE_START:
            place.over.add(place.session_id)
        place.session_id, place.index = session_id, index
        return True

    def _age(self, room: RoomId, session_id: str) -> int:
        """The number of its key's arrival: the higher, the younger."""
        return self._arrived.get((room, session_id), _BEFORE_THE_START)
