"""A bot for the tests: an account, a device, a channel, and a listener that keeps what it is told."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.channels.matrix.channel import MatrixChannel, Texts, set_up_device
from bot.channels.matrix.client import Health
from bot.channels.matrix.hearing import Listener
from bot.channels.matrix.identity import login
from bot.channels.matrix.inbox import SyncStore
from bot.channels.matrix.session import Session
from bot.domain.messages import Incoming, OpenSentence
from bot.domain.trust import Address, Device, Pin
from bot.domain.values import Language, RoomId, Secret, SecretBytes, TransactionId, UserId
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

TEXTS = Texts(
    nudges={Language.FR: "Un message vous attend.", Language.EN: "A message is waiting for you."},
    open={
        (sentence, language): f"{sentence.value} {language.value}"
        for sentence in OpenSentence
        for language in Language
    },
    room_name="Pli",
)


def new_txn() -> TransactionId:
    return TransactionId(secrets.token_hex(8))


@dataclass
class Ears:
    """Keeps everything; every room counts as opened by the bot unless it is in ``foreign``."""

    heard: list[Incoming] = field(default_factory=list)
    invited: list[UserId] = field(default_factory=list)
    joined: list[tuple[RoomId, UserId]] = field(default_factory=list)
    left: list[tuple[RoomId, UserId]] = field(default_factory=list)
    read: list[tuple[RoomId, UserId, datetime]] = field(default_factory=list)
    foreign: set[RoomId] = field(default_factory=set)

    async def opened_by_bot(self, room: RoomId) -> bool:
        return room not in self.foreign

    async def on_message(self, message: Incoming) -> None:
        self.heard.append(message)

    async def on_invited(self, user: UserId) -> None:
        self.invited.append(user)

    async def on_joined(self, room: RoomId, user: UserId) -> None:
        self.joined.append((room, user))

    async def on_left(self, room: RoomId, user: UserId) -> None:
        self.left.append((room, user))

    async def on_read(self, room: RoomId, user: UserId, at: datetime) -> None:
        self.read.append((room, user, at))

    def listener(self) -> Listener:
        return Listener(
            book=self,
            on_message=self.on_message,
            on_invited=self.on_invited,
            on_joined=self.on_joined,
            on_left=self.on_left,
            on_read=self.on_read,
        )

    async def wait_heard(self, wanted: Callable[[Incoming], bool], *, seconds: float = 30.0) -> Incoming:
        async def find() -> Incoming | None:
            return next((message for message in self.heard if wanted(message)), None)

        return await until(find, "a message to the bot", seconds=seconds)

    async def wait_text(self, text: str) -> Incoming:
        return await self.wait_heard(lambda message: message.text.reveal() == text)

    async def wait_joined(self, room: RoomId) -> None:
        async def there() -> bool:
            return any(place == room for place, _ in self.joined)

        await until(there, "the patient in the room")


@dataclass
class Bot:
    """A bot's files; :meth:`running` is one life of its process."""

    session: Session
    folder: Path
    pickle_key: SecretBytes
    password: Secret
    homeserver: RigHomeserver

    @property
    def key_dir(self) -> Path:
        return self.folder / "keys"

    @property
    def store_dir(self) -> Path:
        return self.folder / "matrix"

    def channel(
        self,
        *,
        grace_seconds: float = 5.0,
        through: str = "",
        health: Callable[[Health], None] = lambda _: None,
        sync_store: SyncStore | None = None,
    ) -> MatrixChannel:
        """``through``: the address of a proxy in front of the homeserver."""
        return MatrixChannel(
            session=replace(self.session, homeserver=through or self.session.homeserver),
            health=health,
            sync_store=sync_store,
            key_dir=self.key_dir,
            store_dir=self.store_dir,
            pickle_key=self.pickle_key,
            texts=TEXTS,
            grace_seconds=grace_seconds,
        )

    @asynccontextmanager
    async def running(
        self, ears: Ears | None = None, **options: Any
    ) -> AsyncIterator[tuple[MatrixChannel, Ears]]:
        ears = ears or Ears()
        channel = self.channel(**options)
        await channel.start(ears.listener())
        try:
            await channel.wait_ready()
            yield channel, ears
        finally:
            await channel.stop()


async def new_bot(homeserver: RigHomeserver, folder: Path) -> Bot:
    user, password = await homeserver.new_user("bot")
    bot = Bot(
        session=await login(homeserver.url, user, Secret(password), folder / "keys"),
        folder=folder,
        pickle_key=SecretBytes(secrets.token_bytes(32)),
        password=Secret(password),
        homeserver=homeserver,
    )
    await set_up_device(
        bot.session,
        key_dir=bot.key_dir,
        store_dir=bot.store_dir,
        pickle_key=bot.pickle_key,
        password=bot.password,
    )
    return bot


def address(room: RoomId, user: str, device: Device | None = None) -> Address:
    return Address(room=room, user=UserId(user), pin=Pin.of(device) if device else None)
