"""Who is gone takes their sessions with them (rule 15 of :mod:`bot.channels.matrix.olm`).

1. Sessions of a room are deleted when the bot or everybody else has left it, after what was said there before.
2. Olm sessions of a person are deleted when no room is shared with them any longer, as the rooms' own clear
   state shows: the homeserver's word for it alone deletes nothing.
3. At the start this is done for what happened meanwhile. Nothing is deleted unless the homeserver showed every
   room that it says the bot is in: an answer that leaves rooms out must not cost sessions.
4. Whoever is about to be given a room is not gone: a new session must not be deleted before that room is seen.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Final

from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.inbox import Job
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.rooms import RoomState
from bot.channels.matrix.safejson import as_list, as_text
from bot.domain.values import RoomId, UserId
from bot.errors import ChannelError

_LANE: Final = "people"

_log = logging.getLogger("pli.matrix.parting")


class Parting:
    """``rooms`` is the sync loop's own view and changes under way."""

    def __init__(self, http: Http, machine: Machine, rooms: Mapping[RoomId, RoomState]) -> None:
        self._http = http
        self._machine = machine
        self._rooms = rooms
        self._complete = False
        self._expected: set[UserId] = set()

    def expect(self, user: UserId) -> None:
        """A room is about to be shared with ``user`` (rule 4)."""
        self._expected.add(user)

    def jobs(
        self, *, joined: Iterable[RoomId], left: Iterable[RoomId], people: Collection[UserId], first: bool
    ) -> list[tuple[str, Job]]:
        """What is to be done after the messages of one sync answer, the ``first`` or another; ``people`` may be
        gone.
        """
        self._expected -= self._in_rooms()
        empty = [room for room in joined if self._is_deserted(room)]
        made: list[tuple[str, Job]] = [(room, partial(self._forget_room, room)) for room in [*left, *empty]]
        if first:
            made.append((_LANE, self._tidy))
        if people:
            made.append((_LANE, partial(self._forget_people, frozenset(people))))
        return made

    async def _tidy(self) -> None:
        """Rule 3."""
        try:
            answer = await self._http.call("GET", f"{CLIENT}/joined_rooms")
        except ChannelError as error:
            _log.warning("old sessions were not looked through (permanent: %s)", error.permanent)
            return
        said = as_list(answer.get("joined_rooms"))
        self._complete = "joined_rooms" in answer and {as_text(room) for room in said} <= self._rooms.keys()
        if self._complete:
            self._machine.keep_only(rooms=self._rooms.keys(), people=self._present())

    def _is_deserted(self, room: RoomId) -> bool:
        state = self._rooms.get(room)
        return state is not None and state.present() <= {self._machine.user}

    def _in_rooms(self) -> frozenset[UserId]:
        return frozenset(user for state in self._rooms.values() for user in state.present())

    def _present(self) -> frozenset[UserId]:
        return self._in_rooms() | self._expected

    async def _forget_room(self, room: RoomId) -> None:
        if room not in self._rooms or self._is_deserted(room):
            self._machine.forget_room(room)

    async def _forget_people(self, people: frozenset[UserId]) -> None:
        if self._complete:
            self._machine.forget_people(people - self._present())  # rule 2
