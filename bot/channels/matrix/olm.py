"""matrix-nio's Olm machine with a guard around each item that comes from a stranger.

nio keeps the account, the Olm sessions and the inbound Megolm sessions, and their encrypted store. Everything
that decides (which device, which room, who gets a key) is decided outside of nio, on our own reading of the
answers.

1. No item from outside raises: it is dropped and counted, and the next one is looked at.
2. A room key counts only from a member of that room, and an id once known never changes room, sender or
   beginning.
3. Forwarded keys, key requests and verification messages never reach nio.
4. No inbound copy of the bot's own outbound sessions is made.
5. An inbound session is moved past what was read (:meth:`Machine.forget_noted`), so that the disk cannot read
   it again.
6. What a to-device event changes is stored in one transaction.
7. Olm sessions per device and Megolm sessions per room are bounded; the oldest go.
8. Device events of people who share no room with the bot are not even decrypted.
9. The store names no room and no person: keyed digests stand for them.
10. nio and peewee log nothing at all: they would log plaintext.
11. Nothing but the account is loaded at the start or kept in memory: a session is looked up when it is needed.
12. A one-time key that was used is gone from the store with the transaction that stores its session.
13. What was read is noted in the store before the sync token moves past it, so that a process that is killed
    before it forgot does so in its next life.
14. When a session of a device was read, what came before it from that device in that room is deleted: a
    message that was withheld until then stays unreadable for ever.
15. Sessions of rooms that the bot or its patient left are deleted, and the Olm sessions of people who share
    no room with the bot any longer.
16. What was overwritten or deleted stays neither in free pages nor in the write-ahead log.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import peewee
import vodozemac
from nio.crypto import OlmDevice  # type: ignore[import-untyped]  # nio ships no types
from nio.events import OlmEvent  # type: ignore[import-untyped]  # as above

from bot.channels.matrix.guard import (
    GuardedOlm,
    MayShare,
    MaySpeak,
    contained,
    silence_libraries,
)
from bot.channels.matrix.safejson import JsonObject, as_object, as_text, canonical, parse_object
from bot.channels.matrix.store import Store
from bot.domain.trust import Device
from bot.domain.values import RoomId, SecretBytes, UserId
from bot.errors import StorageError

OLM: Final = "m.olm.v1.curve25519-aes-sha2"
MEGOLM: Final = "m.megolm.v1.aes-sha2"
MAX_OLM_SESSIONS: Final = 6
MAX_ROOM_SESSIONS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Decrypted:
    """One decrypted event: its payload, and the keys of whoever made the Megolm session."""

    payload: JsonObject
    curve25519: str
    ed25519: str
    session_id: str
    index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NoKey:
    """The session is not known (yet)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """The session is known and the event does not decrypt with it.

    ``passed`` is the index that the event claims, where that lies before what can still be read: it was read
    before, or its key came too late.
    """

    passed: int | None = None
    curve25519: str = ""


class Machine:
    """The keys and sessions of one device. Not thread-safe; nothing here waits for the network."""

    def __init__(self, *, user: UserId, device_id: str, folder: Path, pickle_key: SecretBytes) -> None:
        silence_libraries()
        self.user = user
        self.device_id = device_id
        self._blind_key = hashlib.sha256(b"pli/v1/olm-room" + pickle_key.reveal()).digest()
        path = folder / "olm.db"
        try:
            path.touch(mode=0o600)
            # nio hashes a pass phrase once and uses it as the key: 32 random bytes make that enough
            self._store = Store(
                user, device_id, str(folder), pickle_key.reveal().hex(), database_name=path.name
            )
            self._olm = GuardedOlm(user, device_id, self._store, self._blind)
        except (OSError, ValueError, peewee.PeeweeException):
            # from None: nio's own texts quote what it could not open
            raise StorageError("the store of the device's keys cannot be opened with this key") from None

    # -- own keys ------------------------------------------------------------------------------------------

    @property
    def curve25519(self) -> str:
        return str(self._olm.account.identity_keys["curve25519"])

    @property
    def ed25519(self) -> str:
        return str(self._olm.account.identity_keys["ed25519"])

    def device_keys(self) -> JsonObject:
        """The signed device key object as it is published."""
        return self.sign(
            {
                "algorithms": [OLM, MEGOLM],
                "device_id": self.device_id,
                "user_id": self.user,
                "keys": {
                    f"curve25519:{self.device_id}": self.curve25519,
                    f"ed25519:{self.device_id}": self.ed25519,
                },
            }
        )

    def sign(self, value: JsonObject) -> JsonObject:
        """``value`` with this device's signature; other signatures in it are kept."""
        body = {k: v for k, v in value.items() if k not in {"signatures", "unsigned"}}
        signature = self._olm.account.sign(canonical(body).decode())
        signatures = {u: dict(s) for u, s in as_object(value.get("signatures")).items()}
        signatures.setdefault(self.user, {})[f"ed25519:{self.device_id}"] = signature
        return {**value, "signatures": signatures}

    @property
    def published(self) -> bool:
        return bool(self._olm.account.shared)

    def mark_published(self) -> None:
        self._olm.account.shared = True
        with self._changed_account() as account:
            account.mark_keys_as_published()

    def prepare_one_time_keys(self, missing: int, *, fallback: bool) -> tuple[JsonObject, JsonObject]:
        """(one-time keys, fallback keys) for ``/keys/upload``; stored before they are returned.

        One-time keys of an upload whose answer was lost are not offered again: one of them may have been
        claimed already. A fallback key is, alone, until :meth:`mark_published`.
        """
        one_time = {}
        with self._changed_account() as account:
            if not account.fallback_key:
                account.mark_keys_as_published()
                account.generate_one_time_keys(min(max(missing, 0), account.max_number_of_one_time_keys))
                one_time = account.one_time_keys
                if fallback:
                    account.generate_fallback_key()
        one_time_keys = {
            f"signed_curve25519:{name}": self.sign({"key": key.to_base64()}) for name, key in one_time.items()
        }
        fallbacks = {
            f"signed_curve25519:{name}": self.sign({"key": key.to_base64(), "fallback": True})
            for name, key in account.fallback_key.items()
        }
        return one_time_keys, fallbacks

    def replace_fallback_key(self) -> None:
        """Drop the fallback key before the last one; the new one waits to be published. Raises
        :class:`StorageError`.
        """
        with self._changed_account() as account:
            account.generate_fallback_key()

    @property
    def one_time_key_target(self) -> int:
        return int(self._olm.account.max_one_time_keys)

    # -- from others ---------------------------------------------------------------------------------------

    def admit(self, *, may_share: MayShare, may_speak: MaySpeak) -> None:
        """Who may give keys for which room (rule 2), and whose device events are read at all (rule 8)."""
        self._olm.may_share = may_share
        self._olm.may_speak = may_speak

    def receive(self, event: JsonObject) -> None:
        """One to-device event. Never raises."""
        with contained("to-device event"):
            content = as_object(event.get("content"))
            if event.get("type") != "m.room.encrypted" or content.get("algorithm") != OLM:
                return
            if not self._olm.may_speak(UserId(as_text(event.get("sender")))):
                return  # rule 8
            sender_key = as_text(content.get("sender_key"))
            parsed = OlmEvent.from_dict(event)
            if isinstance(parsed, OlmEvent):
                self._olm.handle_to_device_event(parsed)
            self._store.keep_newest_sessions(sender_key, MAX_OLM_SESSIONS)  # rule 7

    def take_new_keys(self) -> list[tuple[RoomId, str]]:
        """(room, session id) of the room keys that arrived since the last call. Raises :class:`StorageError`."""
        with contained("room key"):
            for room in {room for room, _ in self._olm.new_keys}:
                self._store.keep_newest_inbound(self._blind(room), MAX_ROOM_SESSIONS)  # rule 7
        arrived, self._olm.new_keys = self._olm.new_keys, []
        return arrived

    def take_wedged(self) -> list[tuple[UserId, str]]:
        """(user, Curve25519 key) of the devices whose Olm messages no longer decrypt, since the last call."""
        wedged, self._olm.wedged = self._olm.wedged, []
        return wedged

    def decrypt(self, room: RoomId, content: JsonObject) -> Decrypted | NoKey | Unreadable:
        """One Megolm event of ``room``; never trusts the event's own ``sender_key``.

        Raises :class:`StorageError` and nothing else.
        """
        session_id = as_text(content.get("session_id"))
        with contained("room event"):
            session = self._store.inbound(self._blind(room), session_id)
            if session is None:
                return NoKey()
            message = vodozemac.MegolmMessage.from_base64(as_text(content.get("ciphertext")))
            if message.message_index() < session.first_known_index:
                return Unreadable(passed=message.message_index(), curve25519=session.sender_key)
            plain = session._session.decrypt(message)  # noqa: SLF001 - nio's wrapper decodes too early
            return Decrypted(
                payload=parse_object(bytes(plain.plaintext)),
                curve25519=session.sender_key,
                ed25519=session.ed25519,
                session_id=session_id,
                index=plain.message_index,
            )
        return Unreadable()

    # -- forgetting ----------------------------------------------------------------------------------------

    def note_read(self, read: Iterable[tuple[RoomId, str, int]]) -> None:
        """(room, session id, index) of what was read: before the sync token moves past it (rule 13).

        This and the rest of this part raise :class:`StorageError`.
        """
        with self.batch():
            for room, session_id, index in read:
                self._store.note_read(self._blind(room), session_id, index)

    def last_note(self) -> int:
        """The number of the newest note, for :meth:`forget_noted`; 0 where there is none."""
        with self.batch():
            return self._store.last_note()

    def forget_noted(self, up_to: int) -> None:
        """Make what was read up to that note unreadable for ever, and all that was withheld before it (rules 5
        and 14).
        """
        with self.batch():
            for place, session_id, index in self._store.noted(up_to):
                session = self._store.inbound(place, session_id)
                if session is None:
                    continue
                self._store.drop_older(session)
                if session.first_known_index <= index:
                    later = vodozemac.ExportedSessionKey(session.export_session(index + 1))
                    session._session = vodozemac.InboundGroupSession.import_session(later)  # noqa: SLF001 - nio has no such way
                    self._store.save_inbound_group_session(session)
            self._store.drop_notes(up_to)

    def forget_room(self, room: RoomId) -> None:
        """Rule 15: nobody will say anything there any more."""
        with self.batch():
            self._store.drop_place(self._blind(room))

    def forget_people(self, people: Iterable[UserId]) -> None:
        """Rule 15: no room is shared with them any longer."""
        with self.batch():
            for user in people:
                self._store.drop_owner(self._blind(user))

    def was_forgotten(self, user: UserId) -> bool:
        """Whether their devices may still know Olm sessions that were deleted here."""
        with self.batch():
            return self._store.is_gone(self._blind(user))

    def met_again(self, user: UserId) -> None:
        with self.batch():
            self._store.is_back(self._blind(user))

    def keep_only(self, *, rooms: Collection[RoomId], people: Collection[UserId]) -> None:
        """Rule 15, for what happened while the bot was not there."""
        with self.batch():
            for place in set(self._store.places()) - {self._blind(room) for room in rooms}:
                self._store.drop_place(place)
            for owner in set(self._store.owners()) - {self._blind(user) for user in people}:
                self._store.drop_owner(owner)

    def truncate_log(self) -> None:
        """Rule 16. Cheap where nothing was written since the last time."""
        with _refusals():
            self._store.truncate_log()

    # -- to others -----------------------------------------------------------------------------------------

    def has_session(self, device: Device) -> bool:
        with _refusals():
            return self._store.has_session_with(device.curve25519)

    def renewals(self, device: Device) -> int:
        """How many Olm sessions that device has opened since the start."""
        return self._olm.renewals[device.curve25519]

    def start_session(self, device: Device, one_time_key: str) -> bool:
        """A new Olm session from a checked one-time key; False where the key is unfit."""
        with contained("one-time key"):
            self._olm.start_session(_as_nio(device), one_time_key)
            self._store.keep_newest_sessions(device.curve25519, MAX_OLM_SESSIONS)  # rule 7
            return True
        return False

    def encrypt_to(self, device: Device, event_type: str, content: JsonObject) -> JsonObject | None:
        """``content`` for one device as content of ``m.room.encrypted``; stored before it is returned."""
        with contained("Olm session"):
            newest = self._store.sessions_with(device.curve25519)[0]
            # nio has no public name for encrypting something for one device
            encrypted: JsonObject = self._olm._olm_encrypt(newest, _as_nio(device), event_type, content)  # noqa: SLF001
            return encrypted
        return None

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One durable write for many operations. Raises :class:`StorageError`, and then nothing was stored."""
        with _refusals(), self._store.database.atomic():
            yield

    def reload(self) -> None:
        """Back to what the store holds, after it refused in the middle of a change. Raises :class:`StorageError`."""
        try:
            self._olm.account = self._store.load_account()
        except peewee.PeeweeException as error:
            raise StorageError("the store of the device's keys refused") from error

    def close(self) -> None:
        self._store.database.close()

    @contextmanager
    def _changed_account(self) -> Iterator[Any]:
        """The account, stored at the end; as it was where the store refuses: no key is offered that is not stored."""
        own, once = self._olm.account, secrets.token_bytes(32)
        before = own._account.pickle(once)  # noqa: SLF001 - nio's wrapper has no fallback keys
        try:
            with self.batch():
                yield own._account  # noqa: SLF001 - as above
                self._olm.save_account()
        except StorageError:
            own._account = vodozemac.Account.from_pickle(before, once)  # noqa: SLF001 - as above
            raise

    def _blind(self, name: str) -> str:
        """Rule 9, for a room or a person. JSON can name one that UTF-8 cannot write (rule 1)."""
        return hmac.digest(self._blind_key, name.encode(errors="surrogatepass"), "sha256").hex()


def _as_nio(device: Device) -> OlmDevice:
    keys = {"ed25519": device.ed25519, "curve25519": device.curve25519}
    return OlmDevice(device.user, device.device_id, keys)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (peewee.PeeweeException, sqlite3.Error) as error:
        raise StorageError("the store of the device's keys refused") from error
