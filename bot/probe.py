"""The doctor's probe: an account of its own that talks with the running bot as a patient's client would.

The account is made once through the homeserver's admin API, in the folder ``probe``; its room is opened by the bot's
account in advance, as for every patient.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from bot.app import Installation
from bot.channels.matrix.channel import FileSyncStore, set_up_device
from bot.channels.matrix.client import Client
from bot.channels.matrix.directory import Directory
from bot.channels.matrix.files import DeviceLock
from bot.channels.matrix.hearing import Listener
from bot.channels.matrix.http import CLIENT, Http, segment
from bot.channels.matrix.identity import login
from bot.channels.matrix.olm import Decrypted, Machine
from bot.channels.matrix.rooms import RoomState
from bot.channels.matrix.safejson import as_list, as_object
from bot.channels.matrix.send import Kind, Sender
from bot.channels.matrix.session import SESSION_FILE, Seeds, Session, load_session
from bot.domain.trust import Address
from bot.domain.values import EventId, RoomId, Secret, TransactionId, UserId, new_id
from bot.errors import Refused
from bot.services.open_rooms import OpenRooms

FOLDER = "probe"


class _PatientsRoom(RoomState):
    """A patient's client does not judge the room that the practice opened."""

    def check(self, *, bot: UserId, patient: UserId) -> None:
        """Nothing."""


class _NoRoom:
    """The probe looks for the answer itself: a bot does not listen to the notices of another."""

    async def opened_by_bot(self, room: RoomId) -> bool:  # noqa: ARG002 - the port's signature
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A logged-in probe and the room in which it talks with the bot."""

    home: Installation
    session: Session
    room: RoomId

    @classmethod
    async def prepared(cls, home: Installation) -> Probe:
        """Make the account and the room the first time. Raises :class:`PliError`."""
        folder = home.settings.path(FOLDER)
        bot = home.session()
        if (folder / SESSION_FILE).exists():
            session = load_session(folder, ca_file=home.ca_file)
        else:
            password = Secret(secrets.token_urlsafe(32))  # used once, kept nowhere
            user = UserId(f"@{new_id('p')}:{bot.user.split(':', 1)[1]}")
            async with home.homeserver_admin() as admin:
                await admin.put_user(user, password)
            session = await login(bot.homeserver, user, password, folder, ca_file=home.ca_file)
            await set_up_device(
                session, key_dir=folder, store_dir=folder, pickle_key=home.keys.pickle, password=password
            )
        with home.uow() as uow:
            known = uow.rooms.by_user(session.user)
        if known is not None and not known.left:
            return cls(home=home, session=session, room=known.room)
        channel = home.channel()
        try:
            rooms = OpenRooms(home.uow, channel, clock=home.clock, language=home.settings.practice.language)
            room = await rooms.open(session.user, home.settings.practice.language)
        finally:
            await channel.stop()
        return cls(home=home, session=session, room=room)

    async def round_trip(self, *, seconds: float) -> None:
        """Send a word and wait for the bot's encrypted answer. Raises :class:`Refused` if none comes in time."""
        folder = self.home.settings.path(FOLDER)
        bot = self.home.session().user

        async def ignore(*_: object) -> None:
            return

        lock = DeviceLock(folder).take()
        http = self.session.http()
        machine = Machine(
            user=self.session.user,
            device_id=self.session.device_id,
            folder=folder,
            pickle_key=self.home.keys.pickle,
        )
        directory = Directory(http, machine, own_master_key=Seeds.load(folder).master_key)
        listener = Listener(
            book=_NoRoom(), on_message=ignore, on_invited=ignore, on_joined=ignore, on_left=ignore
        )
        client = Client(
            http,
            machine,
            directory,
            listener,
            FileSyncStore(folder),
            health=lambda _: None,
            grace_seconds=5.0,
        )
        sender = Sender(http, machine, directory, known_state=lambda _: _PatientsRoom())
        syncing: asyncio.Task[None] | None = None
        try:
            await http.call("POST", f"{CLIENT}/join/{segment(self.room)}", {})
            syncing = asyncio.create_task(client.run())
            await asyncio.wait_for(client.ready.wait(), seconds)
            to = Address(room=self.room, user=bot)
            txn = TransactionId("probe" + secrets.token_hex(8))
            said = await sender.send(to, "bonjour", kind=Kind.OPEN, rings=True, txn=txn, rotate=True)
            await asyncio.wait_for(self._answer(http, machine, directory, after=said), seconds)
        except TimeoutError:
            raise Refused(
                "the bot did not answer in time", mend="is it running? see /readyz and its log"
            ) from None
        finally:
            await client.stop(seconds=2)
            if syncing is not None:
                syncing.cancel()
                await asyncio.gather(syncing, return_exceptions=True)
            await http.close()
            machine.close()
            lock.release()

    async def _answer(self, http: Http, machine: Machine, directory: Directory, *, after: EventId) -> None:
        """Return once an event behind ``after`` was decrypted with a key of the bot's cross-signed device."""
        bot = self.home.session().user
        master_key = Seeds.load(self.home.bot_dir).master_key
        while True:
            page = await http.call(
                "GET", f"{CLIENT}/rooms/{segment(self.room)}/messages?dir=b&limit=20", None
            )
            for event in map(as_object, as_list(page.get("chunk"))):
                if event.get("event_id") == after:
                    break
                found = machine.decrypt(self.room, as_object(event.get("content")))
                if event.get("sender") != bot or not isinstance(found, Decrypted):
                    continue
                people = await directory.fresh(bot)
                device = directory.find(people, curve25519=found.curve25519, ed25519=found.ed25519)
                if device is not None and device.master_key == master_key:
                    return
            await asyncio.sleep(0.2)
