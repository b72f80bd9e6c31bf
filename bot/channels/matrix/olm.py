"""matrix-nio's Olm machine with a guard around each item that comes from a stranger.

nio keeps the account, the Olm sessions and the inbound Megolm sessions, and their encrypted store. Everything
that decides (which device, which room, who gets a key) is decided outside of nio, on our own reading of the
answers.

1. No item from outside raises: it is dropped and counted, and the next one is looked at.
2. A room key counts only from a member of that room, and an id once known never changes room, sender or
   beginning.
3. Forwarded keys, key requests and verification messages never reach nio.
4. No inbound copy of the bot's own outbound sessions is made.
5. An inbound session is moved past what was read (:meth:`Machine.forget`), so that the disk cannot read it
   again.
6. What a to-device event changes is stored in one transaction.
7. Olm sessions per device and Megolm sessions per room are bounded; the oldest go.
8. Device events of people who share no room with the bot are not even decrypted.
9. The store names no room: a keyed digest stands for it.
10. nio and peewee log nothing at all: they would log plaintext.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import peewee
import vodozemac
from nio.crypto import InboundGroupSession, OlmDevice, Session  # type: ignore[import-untyped]  # nio ships no types
from nio.events import OlmEvent  # type: ignore[import-untyped]  # as above

from bot.channels.matrix.guard import (
    GuardedOlm,
    MayShare,
    MaySpeak,
    Store,
    contained,
    silence_libraries,
)
from bot.channels.matrix.safejson import JsonObject, as_object, as_text, canonical, parse_object
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
        self._sessions = self._indexed()

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
        self._olm.account.mark_keys_as_published()
        self._olm.save_account()

    def prepare_one_time_keys(self, missing: int, *, fallback: bool) -> tuple[JsonObject, JsonObject]:
        """(one-time keys, fallback keys) for ``/keys/upload``; stored before they are returned.

        Keys of an upload whose answer was lost are not offered again: one of them may have been claimed
        already.
        """
        account = self._olm.account._account  # noqa: SLF001 - nio's wrapper has no fallback keys
        account.mark_keys_as_published()
        if missing > 0:
            account.generate_one_time_keys(min(missing, account.max_number_of_one_time_keys))
        if fallback:
            account.generate_fallback_key()
        self._olm.save_account()
        one_time = {
            f"signed_curve25519:{name}": self.sign({"key": key.to_base64()})
            for name, key in account.one_time_keys.items()
        }
        fallbacks = {
            f"signed_curve25519:{name}": self.sign({"key": key.to_base64(), "fallback": True})
            for name, key in (account.fallback_key.items() if fallback else ())
        }
        return one_time, fallbacks

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
            self._trim_olm_sessions(sender_key)

    def take_new_keys(self) -> list[tuple[RoomId, str]]:
        """(room, session id) of the room keys that arrived since the last call."""
        arrived, self._olm.new_keys = self._olm.new_keys, []
        for room, session_id in arrived:
            place = self._blind(room)
            for by_id in self._olm.inbound_group_store[place].values():
                if session_id in by_id:
                    self._sessions[place, session_id] = by_id[session_id]
            self._trim_room_sessions(place)
        return arrived

    def take_wedged(self) -> list[tuple[UserId, str]]:
        """(user, Curve25519 key) of the devices whose Olm messages no longer decrypt, since the last call."""
        wedged, self._olm.wedged = self._olm.wedged, []
        return wedged

    def decrypt(self, room: RoomId, content: JsonObject) -> Decrypted | NoKey | Unreadable:
        """One Megolm event of ``room``. Never raises; never trusts the event's own ``sender_key``."""
        session_id = as_text(content.get("session_id"))
        session = self._sessions.get((self._blind(room), session_id))
        if session is None:
            return NoKey()
        with contained("room event"):
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

    def forget(self, room: RoomId, session_id: str, index: int) -> None:
        """Make everything up to ``index`` of that session unreadable for ever (rule 5)."""
        with contained("session"):
            session = self._sessions.get((self._blind(room), session_id))
            if session is not None and session.first_known_index <= index:
                later = vodozemac.ExportedSessionKey(session.export_session(index + 1))
                session._session = vodozemac.InboundGroupSession.import_session(later)  # noqa: SLF001 - nio has no such way
                self._olm.save_inbound_group_session(session)

    # -- to others -----------------------------------------------------------------------------------------

    def has_session(self, device: Device) -> bool:
        return bool(self._olm.session_store[device.curve25519])

    def renewals(self, device: Device) -> int:
        """How many Olm sessions that device has opened since the start."""
        return self._olm.renewals[device.curve25519]

    def start_session(self, device: Device, one_time_key: str) -> bool:
        """A new Olm session from a checked one-time key; False where the key is unfit."""
        with contained("one-time key"):
            self._olm.create_session(one_time_key, device.curve25519)
            self._trim_olm_sessions(device.curve25519)
            return True
        return False

    def encrypt_to(self, device: Device, event_type: str, content: JsonObject) -> JsonObject | None:
        """``content`` for one device as content of ``m.room.encrypted``; stored before it is returned."""
        with contained("Olm session"):
            sessions: list[Session] = self._olm.session_store[device.curve25519]
            target = OlmDevice(
                device.user, device.device_id, {"ed25519": device.ed25519, "curve25519": device.curve25519}
            )
            newest = max(sessions, key=lambda s: s.use_time)
            # nio has no public name for encrypting something for one device
            encrypted: JsonObject = self._olm._olm_encrypt(newest, target, event_type, content)  # noqa: SLF001
            return encrypted
        return None

    def batch(self) -> AbstractContextManager[Any]:
        """One durable write for many operations."""
        atomic: AbstractContextManager[Any] = self._store.database.atomic()
        return atomic

    def reload(self) -> None:
        """Back to what the store holds, after it refused in the middle of a change. Raises :class:`StorageError`."""
        try:
            self._olm.account = self._store.load_account()
            self._olm.load()
        except peewee.PeeweeException as error:
            raise StorageError("the store of the device's keys refused") from error
        self._olm.known_ids = {session.id for session in self._olm.inbound_group_store}
        self._sessions = self._indexed()

    def close(self) -> None:
        self._store.database.close()

    def _indexed(self) -> dict[tuple[str, str], InboundGroupSession]:
        return {(session.room_id, session.id): session for session in self._olm.inbound_group_store}

    def _blind(self, room: str) -> str:
        """Rule 9. JSON can name a room that UTF-8 cannot write (rule 1)."""
        return hmac.digest(self._blind_key, room.encode(errors="surrogatepass"), "sha256").hex()

    # -- bounds (rule 7) -----------------------------------------------------------------------------------

    def _trim_olm_sessions(self, curve25519: str) -> None:
        sessions = self._olm.session_store[curve25519]
        if not sessions:
            self._olm.session_store._entries.pop(curve25519, None)  # noqa: SLF001 - a look-up leaves an entry
            return
        if len(sessions) <= MAX_OLM_SESSIONS:
            return
        sessions.sort(key=lambda s: s.use_time, reverse=True)
        for old in sessions[MAX_OLM_SESSIONS:]:
            self._store.database.execute_sql("DELETE FROM olmsessions WHERE session_id = ?", (old.id,))
        del sessions[MAX_OLM_SESSIONS:]

    def _trim_room_sessions(self, place: str) -> None:
        ids = [session_id for at, session_id in self._sessions if at == place]
        for session_id in ids[:-MAX_ROOM_SESSIONS]:
            self._olm.known_ids.discard(session_id)
            session = self._sessions.pop((place, session_id))
            self._olm.inbound_group_store[place][session.sender_key].pop(session_id, None)
            self._store.database.execute_sql(
                "DELETE FROM megolminboundsessions WHERE session_id = ?", (session_id,)
            )
