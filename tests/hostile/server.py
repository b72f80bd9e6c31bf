"""The hostile homeserver: what it adds, hides, keeps back and says again between the bot and the real one."""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.channels.proxy import Proxy
from tests.hostile.device import Speaker, device_keys, one_time_keys, to_device
from tests.hostile.phone import Phone
from tests.hostile.wiretap import Keys, Wiretap
from tests.rig.waiting import until

Json = dict[str, Any]
POLL_MS = 300


@dataclass(repr=False)
class Ghost:
    """A device that the homeserver made up: real keys, in nobody's hand but the homeserver's."""

    user: str
    device_id: str = field(default_factory=lambda: secrets.token_hex(5).upper())
    keys: Keys = field(default_factory=Keys)

    def __post_init__(self) -> None:
        self.speaker = Speaker(self.keys, self.device_id)
        self.listed = device_keys(self.keys, self.user, self.device_id)

    def one_time_key(self) -> Json:
        """A new one, as ``/keys/claim`` hands it out."""
        return one_time_keys(self.keys, self.user, self.device_id, 1)


@dataclass(repr=False)
class Hostile:
    """The proxy's will. Everything that the bot was told is kept, to be told again.

    ``ghosts`` are listed with the devices of their users, and reached; ``lies`` alter an answer of ``/keys/query``,
    ``syncs`` one of ``/sync``, ``claims`` one of ``/keys/claim``; ``keep_back`` says which room events the bot does
    not get (yet): they end in ``kept``. ``told`` are (room, event) in order, ``given`` the to-device events.
    """

    proxy: Proxy
    tap: Wiretap = field(default_factory=Wiretap)
    ghosts: list[Ghost] = field(default_factory=list)
    lies: list[Callable[[Json], None]] = field(default_factory=list)
    syncs: list[Callable[[Json], None]] = field(default_factory=list)
    claims: list[Callable[[Json], None]] = field(default_factory=list)
    keep_back: Callable[[str, Json], bool] = lambda _room, _event: False
    kept: list[tuple[str, Json]] = field(default_factory=list)
    told: list[tuple[str, Json]] = field(default_factory=list)
    given: list[Json] = field(default_factory=list)
    _to_tell: list[tuple[str, Json]] = field(default_factory=list)
    _to_give: list[Json] = field(default_factory=list)
    _changed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.proxy.poll_ms = POLL_MS
        self.proxy.ear = self.tap.note
        self.honest()

    def honest(self) -> None:
        """Stop lying. What was said stays said."""
        for lie in (self.ghosts, self.lies, self.syncs, self.claims):
            lie.clear()
        self.proxy.changes = {"/sync": self._sync, "/keys/query": self._query, "/keys/claim": self._claim}
        self.keep_back = lambda _room, _event: False
        self.kept.clear()
        self.proxy.before.clear()
        self.proxy.refuses = lambda _path, _body: False

    def announce(self, user: str) -> None:
        """The devices of ``user`` have changed, it says in the bot's next answer."""
        self._changed.append(user)

    def impersonate(self, phone: Phone) -> None:
        """Other keys under the phone's own device id."""
        forged = Ghost(phone.user, phone.device_id)
        self.ghosts.append(forged)

    def about_room(self, room: str, lie: Callable[[list[Json]], list[Json]]) -> None:
        """Alter what the bot is told when it asks for the state of ``room``."""
        self.proxy.changes[f"/rooms/{quote(room, safe='')}/state"] = lie

    # -- saying things ------------------------------------------------------------------------------------------

    async def tell(self, *events: tuple[str, Json]) -> None:
        """Put events into the bot's next answer, as they are."""
        self._to_tell += events
        await self._said()

    async def replay(self, *events: tuple[str, Json], days_ago: float | None = None) -> list[str]:
        """The same events under new ids, which are returned; at this moment, or ``days_ago`` by the stamp."""
        made = []
        for room, event in events:
            again = copy.deepcopy(event)
            again["event_id"] = f"${secrets.token_urlsafe(32)}"
            again["origin_server_ts"] = int((time.time() - (days_ago or 0) * 86_400) * 1000)
            made.append((room, again))
        await self.tell(*made)
        return [str(event["event_id"]) for _, event in made]

    async def has_kept(self, count: int) -> None:
        """Wait until so many events are kept back since :meth:`honest`."""

        async def enough() -> bool:
            return len(self.kept) >= count

        await until(enough, "what was typed to be kept back")

    async def give(self, *events: Json) -> None:
        """To-device events for the bot."""
        self._to_give += events
        await self._said()

    async def ghost_says(self, ghost: Ghost, room: str, bot: Json, *texts: str, helper: Phone) -> None:
        """A ghost gives the bot its room key and types; ``helper`` claims the bot's one-time key for it."""
        if room not in ghost.speaker.sessions:
            await helper.claim(bot, ghost.keys)
            content = to_device(ghost.keys, ghost.user, bot, "m.room_key", ghost.speaker.room_key(room))
            await self.give({"type": "m.room.encrypted", "sender": ghost.user, "content": content})
        events = [{"type": "m.room.encrypted", "sender": ghost.user} for _ in texts]
        for event, text in zip(events, texts, strict=True):
            event["content"] = ghost.speaker.encrypt(room, text)  # type: ignore[assignment]  # an event holds anything
        await self.replay(*((room, dict(event)) for event in events))

    async def _said(self) -> None:
        async def gone() -> bool:
            return not (self._to_tell or self._to_give)

        await until(gone, "the bot to ask again")

    # -- answers ------------------------------------------------------------------------------------------------

    def _sync(self, answer: Json) -> Json:
        joined = answer.setdefault("rooms", {}).setdefault("join", {})
        for room, part in joined.items():
            events = part.get("timeline", {}).get("events", [])
            kept = [event for event in events if self.keep_back(room, event)]
            events[:] = [event for event in events if event not in kept]
            self.kept += [(room, event) for event in kept]
            self.told += [(room, copy.deepcopy(event)) for event in events]
        self.given += copy.deepcopy(answer.get("to_device", {}).get("events", []))
        telling, self._to_tell = self._to_tell, []
        for room, event in telling:
            timeline = joined.setdefault(room, {}).setdefault("timeline", {})
            timeline.setdefault("events", []).append(event)
        giving, self._to_give = self._to_give, []
        if giving:
            answer.setdefault("to_device", {}).setdefault("events", []).extend(giving)
        if self._changed:
            lists = answer.setdefault("device_lists", {})
            lists["changed"] = [*lists.get("changed", []), *self._changed]
            self._changed = []
        for lie in self.syncs:
            lie(answer)
        return answer

    def _query(self, answer: Json) -> Json:
        for ghost in self.ghosts:
            if ghost.user in answer.get("device_keys", {}):
                answer["device_keys"][ghost.user][ghost.device_id] = ghost.listed
        for lie in self.lies:
            lie(answer)
        return answer

    def _claim(self, answer: Json) -> Json:
        for ghost in self.ghosts:
            of_user = answer.setdefault("one_time_keys", {}).setdefault(ghost.user, {})
            of_user[ghost.device_id] = ghost.one_time_key()
        for lie in self.claims:
            lie(answer)
        return answer
