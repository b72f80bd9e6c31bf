"""What both kinds of patient have in common: the commands, and what one sees of an event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.rig.waiting import until


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One event as the patient's client sees it now.

    ``index`` counts the client's events from 0. ``decrypted`` is False for what came in clear as well as for
    what cannot be read; ``encrypted`` tells them apart. ``wire_size`` is the ciphertext's length in
    characters, None for clear events. ``notify`` (matrix-js-sdk only) says whether the default push rules
    ring for it after decryption, ``shield`` (same) why the client would show a warning beside it, None for
    no warning.
    """

    index: int
    room: str
    event: str
    type: str
    sender: str
    msgtype: str | None
    body: str | None
    content: dict[str, Any] = field(repr=False)
    encrypted: bool
    decrypted: bool
    redacted: bool
    wire_size: int | None
    notify: bool | None = None
    shield: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Public keys of the client's device, unpadded base64; ``master`` is None without cross-signing."""

    user: str
    device: str
    ed25519: str
    curve25519: str
    master: str | None


class Patient(ABC):
    """A logged-in client that syncs in the background. Rooms, users and events are Matrix ids."""

    user: str
    device: str

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """End the client; its device stays on the account."""

    @abstractmethod
    async def logout(self) -> None:
        """Log the device out and end the client."""

    @abstractmethod
    async def invites(self) -> Sequence[str]: ...

    @abstractmethod
    async def join(self, room: str) -> None: ...

    @abstractmethod
    async def leave(self, room: str) -> None: ...

    @abstractmethod
    async def create_dm(self, user: str) -> str:
        """Open an encrypted direct room and invite ``user``; returns the room."""

    @abstractmethod
    async def send(self, room: str, text: str) -> str:
        """Send ``m.text``, encrypted; returns the event."""

    @abstractmethod
    async def send_raw(self, room: str, type_: str, content: dict[str, Any]) -> str:
        """Send any event, encrypted as the client sees fit."""

    @abstractmethod
    async def send_clear(self, room: str, type_: str, content: dict[str, Any]) -> str:
        """Send an event in clear into whatever room: what a broken or hostile client does."""

    @abstractmethod
    async def redact(self, room: str, event: str) -> None: ...

    @abstractmethod
    async def read(self, since: int = 0) -> Sequence[Message]:
        """Every event of every room from ``since`` on, in the order of arrival, as it stands now."""

    @abstractmethod
    async def set_pusher(self, url: str, *, event_id_only: bool = False) -> None:
        """Have the homeserver push to the gateway at ``url``, whose path ends in /_matrix/push/v1/notify."""

    @abstractmethod
    async def identity(self) -> Identity: ...

    async def wait_invite(self, *, seconds: float = 30.0) -> str:
        """The first open invitation."""

        async def first() -> str | None:
            return next(iter(await self.invites()), None)

        return await until(first, "an invitation", seconds=seconds)

    async def accept_invite(self, *, seconds: float = 30.0) -> str:
        """Wait for an invitation and join; returns the room."""
        room = await self.wait_invite(seconds=seconds)
        await self.join(room)
        return room

    async def wait_for(
        self, wanted: Callable[[Message], bool], what: str, *, since: int = 0, seconds: float = 30.0
    ) -> Message:
        """The first event from ``since`` on that is ``wanted``."""

        async def find() -> Message | None:
            return next((message for message in await self.read(since) if wanted(message)), None)

        return await until(find, what, seconds=seconds)

    async def wait_message(
        self, *, since: int = 0, sender: str | None = None, room: str | None = None, seconds: float = 30.0
    ) -> Message:
        """The next readable, unredacted message of somebody else (of ``sender``, in ``room``)."""

        def wanted(message: Message) -> bool:
            return (
                message.type == "m.room.message"
                and message.decrypted
                and not message.redacted
                and message.sender != self.user
                and sender in {None, message.sender}
                and room in {None, message.room}
            )

        return await self.wait_for(wanted, "a message", since=since, seconds=seconds)

    async def wait_event(self, event: str, *, seconds: float = 30.0) -> Message:
        """The event with this id, readable or not."""
        return await self.wait_for(lambda it: it.event == event, "an event", seconds=seconds)

    async def wait_redacted(self, event: str, *, seconds: float = 30.0) -> None:
        """Return once the client shows ``event`` as redacted."""
        await self.wait_for(lambda it: it.event == event and it.redacted, "a redaction", seconds=seconds)
