"""Rooms: how the bot opens one, and whether one is still as it was opened. State comes from clear events
only.

A room is fit for a message to its patient only if

1. the bot created it and nobody co-created it,
2. it is encrypted with ``m.megolm.v1.aes-sha2``,
3. exactly the bot and the patient are joined, and nobody else is invited or knocking,
4. it is invite-only, its history is for joined members, and guests are forbidden,
5. inviting, removing, redacting and changing its state is out of everybody's reach but the bot's.

The staff room is fit under the same rules but for the third: nobody is there but the bot and known members.

An encrypted event never changes any of this, whatever it says once decrypted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from bot.channels.matrix.http import CLIENT, Http, MatrixError, segment
from bot.channels.matrix.olm import MEGOLM
from bot.channels.matrix.safejson import JsonObject, as_object, as_text
from bot.domain.values import EventId, RoomId, TransactionId, UserId
from bot.errors import ChannelError, Untrusted

STATE_TYPES: Final = (
    "m.room.create",
    "m.room.encryption",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.member",
    "m.room.power_levels",
    "m.room.tombstone",
)
_MEMBER: Final = "m.room.member"
_PRESENT: Final = frozenset({"join", "invite", "knock"})
_BOT_LEVEL: Final = 100
_GUARDED_ACTIONS: Final = ("invite", "kick", "ban", "redact", "state_default")
_GUARDED_EVENTS: Final = (
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.encryption",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.name",
    "m.room.pinned_events",
    "m.room.power_levels",
    "m.room.server_acl",
    "m.room.tombstone",
    "m.room.topic",
)


class RoomState:
    """The clear state of one room: as little of it as is looked at, since a practice has thousands of rooms.

    The rooms that the bot opened are alike in all but their members, and share the rest.
    """

    __slots__ = ("_creator", "_members", "_state")

    def __init__(self, events: Iterable[object] = ()) -> None:
        self._creator = ""
        self._members: dict[str, str] = {}
        self._state: dict[str, JsonObject] = {}
        for event in events:
            self.apply(as_object(event))

    def apply(self, event: JsonObject) -> None:
        """Take in a clear state event; anything else is ignored."""
        kind, key = event.get("type"), event.get("state_key")
        if kind not in STATE_TYPES or not isinstance(key, str):
            return
        content = as_object(event.get("content"))
        if kind == _MEMBER:
            self._members[sys.intern(key)] = sys.intern(as_text(content.get("membership")))
        elif key == "":
            self._state[sys.intern(str(kind))] = _shared(json.dumps(content))
            if kind == "m.room.create":
                self._creator = sys.intern(as_text(event.get("sender")))

    def membership(self, user: UserId) -> str:
        return self._members.get(user) or "leave"

    def present(self) -> frozenset[UserId]:
        """Everyone who is joined, invited or knocking."""
        return frozenset(UserId(user) for user, now in self._members.items() if now in _PRESENT)

    def created_by(self, bot: UserId) -> bool:
        """Rule 1."""
        return self._creator == bot and not self._content("m.room.create").get("additional_creators")

    def check(self, *, bot: UserId, patient: UserId) -> None:
        """Raise :class:`Untrusted` unless the room is fit (rules 1 to 5)."""
        self._check_made(bot)
        joined = {self.membership(bot), self.membership(patient)} == {"join"}
        if self.present() != {bot, patient} or not joined:
            raise Untrusted("membership")
        self._check_closed(bot)

    def check_staff(self, *, bot: UserId, members: Collection[UserId]) -> frozenset[UserId]:
        """The members who are joined. Raises :class:`Untrusted` unless the room is fit for them."""
        self._check_made(bot)
        if self.membership(bot) != "join" or not self.present() <= {bot, *members}:
            raise Untrusted("membership")
        self._check_closed(bot)
        return frozenset(user for user in members if self.membership(user) == "join")

    def _check_made(self, bot: UserId) -> None:
        """Rules 1 and 2."""
        if not self.created_by(bot) or "m.room.tombstone" in self._state:
            raise Untrusted("room")
        if self._content("m.room.encryption").get("algorithm") != MEGOLM:
            raise Untrusted("encryption")

    def _check_closed(self, bot: UserId) -> None:
        """Rules 4 and 5."""
        if (
            self._content("m.room.join_rules").get("join_rule") != "invite"
            or self._content("m.room.history_visibility").get("history_visibility") != "joined"
            or self._content("m.room.guest_access").get("guest_access") != "forbidden"
            or not self._is_guarded(bot)
        ):
            raise Untrusted("room")

    def _content(self, kind: str) -> JsonObject:
        return self._state.get(kind, {})

    def _is_guarded(self, bot: UserId) -> bool:
        """Rule 5: every guarded level is above what anybody but the bot has."""
        levels = self._content("m.room.power_levels")
        others = [levels.get("users_default", 0)]
        others += [level for user, level in as_object(levels.get("users")).items() if user != bot]
        events = as_object(levels.get("events"))
        guards = [levels.get(action, 0 if action == "invite" else 50) for action in _GUARDED_ACTIONS]
        guards += [events[kind] for kind in STATE_TYPES if kind in events and kind != _MEMBER]
        if not all(type(level) is int for level in (*others, *guards)):
            return False
        return bool(levels) and max(others) < min(guards)


async def open_room(http: Http, *, user: UserId, name: str) -> RoomId:
    """Create an encrypted room that only ``user`` is invited to, named ``name``. Raises
    :class:`ChannelError`.
    """
    return await _create(http, creation(user=user, name=name))


async def open_staff_room(http: Http, *, name: str) -> RoomId:
    """Create an encrypted room, as empty as it can be. Raises :class:`ChannelError`."""
    return await _create(http, creation(user=None, name=name))


async def _create(http: Http, body: JsonObject) -> RoomId:
    made = await http.call("POST", f"{CLIENT}/createRoom", body)
    room = as_text(made.get("room_id"))
    if not room:
        raise ChannelError("the homeserver named no room", permanent=False)
    return RoomId(room)


def creation(*, user: UserId | None, name: str) -> JsonObject:
    """The body of ``/createRoom``: every setting by name, because the presets share history and admit guests.

    With a ``user`` it is a direct room for that one.
    """
    return {
        "preset": "private_chat",
        "visibility": "private",
        "is_direct": user is not None,
        "name": name,
        "invite": [user] if user is not None else [],
        "initial_state": [
            _state("m.room.encryption", {"algorithm": MEGOLM}),
            _state("m.room.history_visibility", {"history_visibility": "joined"}),
            _state("m.room.guest_access", {"guest_access": "forbidden"}),
            _state("m.room.join_rules", {"join_rule": "invite"}),
        ],
        # no "users": the homeserver puts the creator there, or above it from room version 12 on
        "power_level_content_override": {
            "users_default": 0,
            "events_default": 0,
            **dict.fromkeys(_GUARDED_ACTIONS, _BOT_LEVEL),
            "events": dict.fromkeys(_GUARDED_EVENTS, _BOT_LEVEL),
            "notifications": {"room": _BOT_LEVEL},
        },
    }


async def leave(http: Http, room: RoomId) -> None:
    """Leave, or decline an invitation. Raises :class:`ChannelError`."""
    await http.call("POST", f"{CLIENT}/rooms/{segment(room)}/leave", {})


async def invite(http: Http, room: RoomId, user: UserId) -> None:
    """Raises :class:`ChannelError`."""
    await http.call("POST", f"{CLIENT}/rooms/{segment(room)}/invite", {"user_id": user})


async def remove(http: Http, room: RoomId, user: UserId) -> None:
    """Send away, or take an invitation back; whoever is gone already is no error. Raises :class:`ChannelError`."""
    try:
        await http.call("POST", f"{CLIENT}/rooms/{segment(room)}/kick", {"user_id": user})
    except MatrixError as error:
        if error.status != 403 or (await fetch_state(http, room)).membership(user) in _PRESENT:
            raise


async def fetch_state(http: Http, room: RoomId) -> RoomState:
    """The room's state now. Raises :class:`ChannelError`."""
    path = f"{CLIENT}/rooms/{segment(room)}/state"
    return RoomState(await http.get_list(path))


async def redact(http: Http, room: RoomId, event: EventId, txn: TransactionId) -> None:
    """Take an event back; one that is gone or unknown is no error. Raises :class:`ChannelError`."""
    path = f"{CLIENT}/rooms/{segment(room)}/redact/{segment(event)}/{segment(txn)}"
    try:
        await http.call("PUT", path, {})
    except MatrixError as error:
        if error.status != 404:
            raise


@lru_cache(maxsize=1024)
def _shared(text: str) -> JsonObject:
    return as_object(json.loads(text))


def _state(kind: str, content: JsonObject) -> JsonObject:
    return {"type": kind, "state_key": "", "content": content}
