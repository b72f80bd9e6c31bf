"""Members of the staff with their clients, in one practice."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.channels.matrix.http import CLIENT, Http, segment
from bot.domain.staff import StaffSentence
from bot.domain.values import Language
from tests.journey.practice import Practice
from tests.rig.js_patient import JsPatient
from tests.rig.patient import Message
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until
from tests.staffroom.desk import FileDesk

C = TypeVar("C", JsPatient, PyPatient)


@dataclass
class Seat(Generic[C]):
    """One member at their phone. ``next`` is the first event that was not looked at yet."""

    client: C
    staff: Staff
    room: str
    password: str
    next: int = 0

    @property
    def user(self) -> str:
        return self.client.user

    async def say(self, text: str) -> str:
        return await self.client.send(self.room, text)

    async def hear(self, *, seconds: float = 30.0) -> Message:
        """The bot's next message; the welcome is passed over."""
        while True:
            message = await self.client.wait_message(
                since=self.next, sender=self.staff.practice.bot_user, room=self.room, seconds=seconds
            )
            self.next = message.index + 1
            if message.body != self.staff.sentence(StaffSentence.WELCOME):
                return message

    async def pinned(self) -> None:
        """From then on the bot talks to this member too."""

        async def is_pinned() -> bool:
            return bool((await self.staff.listed())[self.user]["state"] == "pinned")

        await until(is_pinned, "the member to be pinned", seconds=60)

    async def tell(self, text: str) -> str:
        """Say it, and hear the one answer."""
        await self.say(text)
        return (await self.hear()).body or ""

    async def hear_until(self, text: str) -> Message:
        """The bot's message with that text; what comes before is passed over."""
        while True:
            message = await self.hear()
            if message.body == text:
                return message

    async def from_bot(self) -> list[Message]:
        """Everything that the bot said and this client can read."""
        return [
            m
            for m in await self.client.read()
            if m.sender == self.staff.practice.bot_user and m.room == self.room and m.decrypted
        ]


@dataclass
class Staff:
    """The practice, its desk, and who works there."""

    practice: Practice
    desk: FileDesk
    stack: AsyncExitStack

    # -- the bot -------------------------------------------------------------------------------------------------

    def spawn(self, **environment: str) -> None:
        self.practice.spawn(program=("tests.staffroom.program", str(self.desk.folder)), **environment)

    async def start(self, **environment: str) -> None:
        self.spawn(**environment)
        await self.practice.wait_ready()

    def sentence(self, sentence: StaffSentence) -> str:
        return self.practice.home.words[Language.FR].staff_text(sentence)

    # -- the members ---------------------------------------------------------------------------------------------

    async def account(self, kind: type[C], **options: Any) -> tuple[C, str]:
        """Somebody with a cross-signed client."""
        user, password = await self.practice.homeserver.new_user()
        started = await kind.start(self.practice.homeserver.url, user, password, **options)
        return await self.stack.enter_async_context(started), password

    async def seat(self, kind: type[C], role: str = "secretary") -> Seat[C]:
        """A new member who has joined and was pinned."""
        client, password = await self.account(kind)
        await self.practice.pli("staff", "add", client.user, "--role", role)
        room = await client.accept_invite(seconds=60)
        seat = Seat(client, self, room, password)
        await seat.pinned()
        return seat

    async def listed(self) -> dict[str, dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.practice.pli("staff", "list", "--json")).json()
        return {member["user"]: member for member in found}

    # -- what is at rest -----------------------------------------------------------------------------------------

    def audited(self, kind: str) -> int:
        return len(self.practice.query("SELECT 1 FROM audit WHERE kind = ?", kind))

    def problems(self, kind: str) -> int:
        return len(self.practice.query("SELECT 1 FROM problem WHERE kind = ?", kind))

    async def wait_audited(self, kind: str, count: int) -> None:
        async def there() -> bool:
            return self.audited(kind) == count

        await until(there, f"{count} audited {kind}")

    async def wait_settled(self) -> None:
        """Every order is answered; the answer arrives a moment before that is written down."""

        async def settled() -> bool:
            return self.practice.query("SELECT * FROM heard_order") == []

        await until(settled, "every order to be settled")

    async def wait_redacted(self, room: str, *events: str) -> None:
        async def gone() -> bool:
            return set(events) <= self.practice.redacted(room)

        await until(gone, "what is to be taken back")

    def membership(self, room: str, user: str) -> str:
        sql = (
            "SELECT membership FROM current_state_events"
            " WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?"
        )
        rows = self.practice.seen_by_homeserver(sql, room, user)
        return str(rows[0]["membership"]) if rows else "none"

    async def wait_membership(self, room: str, user: str, membership: str) -> None:
        async def there() -> bool:
            return self.membership(room, user) == membership

        await until(there, f"membership {membership}")

    def raw_event(self, event: str) -> dict[str, Any]:
        rows = self.practice.seen_by_homeserver("SELECT json FROM event_json WHERE event_id = ?", event)
        raw: dict[str, Any] = json.loads(rows[0]["json"])
        return {**raw, "event_id": event}

    async def as_bot(self, method: str, path: str, body: dict[str, Any]) -> None:
        """A request in the bot's name, which the homeserver may always make up."""
        session = self.practice.home.session()
        http = Http(self.practice.homeserver.url, session.token.reveal())
        try:
            await http.call(method, f"{CLIENT}/{path}", body)  # type: ignore[arg-type]  # one of four words
        finally:
            await http.close()

    async def let_in(self, room: str, user: str) -> None:
        await self.as_bot("POST", f"rooms/{segment(room)}/invite", {"user_id": user})
