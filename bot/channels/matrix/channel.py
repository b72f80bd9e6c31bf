"""The Matrix channel: what the services see of all this.

::

    channel = MatrixChannel(session=…, key_dir=…, store_dir=…, pickle_key=…, texts=…)
    await channel.start(listener)      # device lock, keys, identity, then the sync loop in a task of its own
    await channel.wait_ready()
    …
    await channel.stop()
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.channels.matrix import rooms
from bot.channels.matrix.client import Client, Health
from bot.channels.matrix.directory import Directory
from bot.channels.matrix.files import DeviceLock, read_private, write_private
from bot.channels.matrix.hearing import Listener
from bot.channels.matrix.http import Http
from bot.channels.matrix.identity import publish_identity
from bot.channels.matrix.inbox import SyncStore
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import as_text
from bot.channels.matrix.send import Kind, Sender
from bot.channels.matrix.session import Seeds, Session
from bot.channels.matrix.staff import MatrixStaff
from bot.channels.matrix.upkeep import Upkeep
from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.trust import Address
from bot.domain.values import EventId, Language, RoomId, Secret, SecretBytes, TransactionId, UserId
from bot.errors import ChannelError, Refused, StorageError, WrongUse

_STOP_SECONDS: Final = 6.0

_log = logging.getLogger("pli.matrix")


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """Every constant that may leave openly, and the neutral name of the rooms."""

    nudges: Mapping[Language, str]
    open: Mapping[tuple[OpenSentence, Language], str]
    room_name: str


class FileSyncStore:
    """The sync token in a small file beside the device's keys: they belong together."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sync.json"

    async def load(self) -> str | None:
        return as_text((read_private(self._path) or {}).get("token")) or None

    async def save(self, token: str) -> None:
        write_private(self._path, {"token": token})


class MatrixChannel:
    """Both :class:`bot.ports.NudgeChannel` and :class:`bot.ports.PrivateChannel`, for one device of the bot;
    ``staff`` is its :class:`bot.ports.StaffChannel`.

    ``key_dir`` holds the cross-signing seeds, ``store_dir`` the device's keys and its lock, ``pickle_key``
    (32 random bytes) encrypts them. ``health`` is called at each change of :class:`Health`.
    """

    def __init__(
        self,
        *,
        session: Session,
        key_dir: Path,
        store_dir: Path,
        pickle_key: SecretBytes,
        texts: Texts,
        health: Callable[[Health], None] = lambda _: None,
        sync_store: SyncStore | None = None,
        grace_seconds: float = 10.0,
    ) -> None:
        self._session = session
        self._key_dir = key_dir
        self._store_dir = store_dir
        self._pickle_key = pickle_key
        self._texts = texts
        self._tell_health = health
        self._sync_store = sync_store or FileSyncStore(store_dir)
        self._grace_seconds = grace_seconds
        self._http = session.http()
        self._lock = DeviceLock(store_dir)
        self._machine: Machine | None = None
        self._directory: Directory | None = None
        self._client: Client | None = None
        self._sender: Sender | None = None
        self._task: asyncio.Task[None] | None = None
        self.staff = MatrixStaff(self._http, self._parts)

    async def start(self, listener: Listener) -> None:
        """Take the device and begin to sync; returns before the first answer.

        Raises :class:`Refused` where another process holds the device, :class:`StorageError`.
        """
        self._lock.take()
        try:
            seeds = Seeds.load(self._key_dir)
            self._machine = _machine(self._session, self._store_dir, self._pickle_key)
        except BaseException:
            self._lock.release()
            raise
        self._directory = Directory(self._http, self._machine, own_master_key=seeds.master_key)
        self._client = Client(
            self._http,
            self._machine,
            self._directory,
            listener,
            self._sync_store,
            health=self._tell_health,
            grace_seconds=self._grace_seconds,
        )
        self._sender = Sender(self._http, self._machine, self._directory, known_state=self._client.state_of)
        self._task = asyncio.create_task(self._run(seeds, self._machine, self._client))

    async def wait_ready(self) -> None:
        """Until the first sync was taken in."""
        await self._running().ready.wait()

    async def stop(self) -> None:
        """Within about eight seconds; what was not handled is read again after the next start."""
        if self._client is not None:
            await self._client.stop(seconds=_STOP_SECONDS)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._http.close()
        if self._machine is not None:
            self._machine.close()
        self._lock.release()

    @property
    def health(self) -> Health:
        return Health.STARTING if self._client is None else self._client.health

    @property
    def listens(self) -> bool:
        """False where the sync loop ended although nobody stopped it."""
        return self._task is None or not self._task.done()

    @property
    def sync_age(self) -> float | None:
        """See :attr:`Client.sync_age`."""
        return None if self._client is None else self._client.sync_age

    @property
    def own_account_clean(self) -> bool:
        """False while the bot's own account shows a device that the bot did not sign: ask for no PIN then."""
        return self._directory is None or self._directory.own_account_clean

    # -- NudgeChannel --------------------------------------------------------------------------------------

    async def prepare(self, to: Sequence[Address]) -> None:
        client, directory, _ = self._parts()
        there = {address.user for address in to if client.is_with(address)}
        try:
            await client.upkeep.prepare(directory, there)
        except ChannelError as error:
            _log.warning("devices were not prepared (permanent: %s)", error.permanent)

    async def warm(self, to: Sequence[Address]) -> None:
        await self._out().warm(to)

    async def nudge(self, to: Address, nudge: Nudge, txn: TransactionId) -> EventId:
        text = self._texts.nudges[nudge.language]
        return await self._out().send(to, text, kind=Kind.OPEN, rings=True, txn=txn, rotate=False)

    # -- PrivateChannel ------------------------------------------------------------------------------------

    async def say_open(
        self, to: Address, sentence: OpenSentence, language: Language, txn: TransactionId
    ) -> EventId:
        text = self._texts.open[sentence, language]
        return await self._out().send(to, text, kind=Kind.OPEN, rings=False, txn=txn, rotate=False)

    async def say(self, to: Address, text: PrivateText, txn: TransactionId, *, rotate: bool) -> EventId:
        return await self._out().send(to, text.text, kind=Kind.PRIVATE, rings=False, txn=txn, rotate=rotate)

    async def redact(self, to: Address, event: EventId, txn: TransactionId) -> None:
        await rooms.redact(self._http, to.room, event, txn)

    async def open_room(self, user: UserId) -> RoomId:
        if self._client is not None:
            await self._client.meet(user)  # first: their client speaks as soon as there is a room
        return await rooms.open_room(self._http, user=user, name=self._texts.room_name)

    async def leave_room(self, room: RoomId) -> None:
        await rooms.leave(self._http, room)

    # ------------------------------------------------------------------------------------------------------

    async def _run(self, seeds: Seeds, machine: Machine, client: Client) -> None:
        publishing = asyncio.create_task(_publish_until_done(self._http, seeds, machine, client.upkeep))
        try:
            await client.run()
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    def _running(self) -> Client:
        if self._client is None:
            raise WrongUse("the channel was not started")
        return self._client

    def _parts(self) -> tuple[Client, Directory, Sender]:
        if self._directory is None:
            raise WrongUse("the channel was not started")
        return self._running(), self._directory, self._out()

    def _out(self) -> Sender:
        if self._sender is None:
            raise WrongUse("the channel was not started")
        return self._sender


async def set_up_device(
    session: Session, *, key_dir: Path, store_dir: Path, pickle_key: SecretBytes, password: Secret | None
) -> None:
    """Make the device's keys, publish them and the bot's identity: what ``pli init`` does once.

    Raises :class:`Refused`, :class:`Untrusted`, :class:`ChannelError`, :class:`StorageError`.
    """
    lock = DeviceLock(store_dir).take()
    http = session.http()
    try:
        seeds = Seeds.load_or_make(key_dir)
        machine = _machine(session, store_dir, pickle_key)
        try:
            await Upkeep(http, machine).publish()
            await publish_identity(http, seeds, machine, password=password)
        finally:
            machine.close()
    finally:
        await http.close()
        lock.release()


def _machine(session: Session, store_dir: Path, pickle_key: SecretBytes) -> Machine:
    return Machine(user=session.user, device_id=session.device_id, folder=store_dir, pickle_key=pickle_key)


async def _publish_until_done(http: Http, seeds: Seeds, machine: Machine, upkeep: Upkeep) -> None:
    """At the start: count and fill up the keys, sign a new device. Tried until the homeserver is there."""
    wait = 1.0
    while True:
        try:
            await upkeep.publish()
            await publish_identity(http, seeds, machine)
        except (ChannelError, StorageError) as error:
            _log.warning("the device is not published yet (%s)", type(error).__name__)
            await asyncio.sleep(
                max(wait, (error.retry_after if isinstance(error, ChannelError) else 0) or 0.0)
            )
            wait = min(wait * 2, 60.0)
        except (
            Refused
        ) as error:  # a foreign identity or device: private messages are refused until it is gone
            _log.error("the bot's account does not look as it should (%s)", type(error).__name__)
            return
        else:
            return
