"""When sessions of people are deleted: :mod:`bot.channels.matrix.parting`, with rooms by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from bot.channels.matrix.http import Http
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.parting import Parting
from bot.channels.matrix.rooms import RoomState
from bot.domain.values import RoomId, UserId

BOT, ANNA, BERT = UserId("@bot:pli.localhost"), UserId("@anna:pli.localhost"), UserId("@bert:pli.localhost")
ROOM = RoomId("!room:pli.localhost")


@dataclass
class Keys:
    """Notes whose sessions are deleted."""

    user: UserId = BOT
    forgotten: list[UserId] = field(default_factory=list)

    def forget_people(self, people: frozenset[UserId]) -> None:
        self.forgotten += sorted(people)

    def keep_only(self, **_: Any) -> None: ...


class Server:
    """Says that the bot is in no room."""

    async def call(self, *_: Any) -> dict[str, Any]:
        return {"joined_rooms": []}


def joined(*users: UserId) -> RoomState:
    return RoomState(
        {"type": "m.room.member", "state_key": user, "content": {"membership": "join"}} for user in users
    )


async def test_rule_4_whoever_is_about_to_be_given_a_room_is_not_gone() -> None:
    keys, rooms = Keys(), dict[RoomId, RoomState]()
    parting = Parting(cast("Http", Server()), cast("Machine", keys), rooms)

    async def answer(*people: UserId, first: bool = False) -> None:
        for _, job in parting.jobs(joined=[], left=[], people=people, first=first):
            await job()

    await answer(first=True)
    parting.expect(ANNA)
    await answer(ANNA, BERT)
    assert keys.forgotten == [BERT]
    rooms[ROOM] = joined(BOT, ANNA)
    await answer(ANNA)
    assert keys.forgotten == [BERT], "in a room"
    del rooms[ROOM]
    await answer(ANNA)
    assert keys.forgotten == [BERT, ANNA], "the room was seen, and is gone again"
