"""nio's Olm machine and store, with what nio lacks.

Enforces rules 1 to 4, 6, 8 and 10 of :mod:`bot.channels.matrix.olm`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import peewee
from nio.crypto import InboundGroupSession, Olm  # type: ignore[import-untyped]  # nio ships no types
from nio.events import OlmEvent  # type: ignore[import-untyped]  # as above
from nio.store import SqliteStore  # type: ignore[import-untyped]  # as above

from bot.channels.matrix.safejson import JsonObject, as_object, as_text
from bot.domain.values import RoomId, UserId
from bot.errors import StorageError

_LOCK_SECONDS = 0.5

_log = logging.getLogger("pli.matrix.olm")

MayShare = Callable[[RoomId, UserId], bool]
MaySpeak = Callable[[UserId], bool]


def silence_libraries() -> None:
    """Rule 10. Idempotent; called by every constructor here."""
    for name in ("nio", "peewee"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
        logger.addHandler(logging.NullHandler())  # without any, Python prints warnings to stderr
        for child in list(logging.root.manager.loggerDict):
            if child.startswith(name + "."):
                logging.getLogger(child).setLevel(logging.NOTSET)


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Rule 1: swallow what a malformed item raises, and say only which kind of item it was.

    A store that fails is not the item's fault: raises :class:`StorageError`, so that the item is read again.
    """
    try:
        yield
    except (peewee.OperationalError, sqlite3.OperationalError) as error:
        raise StorageError("the store of the device's keys refused") from error
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes raise, the next item must be read
        _log.warning("dropped a malformed %s (%s)", what, type(error).__name__)
    except BaseException as error:
        # vodozemac's panics derive from BaseException; cancellation and exit must pass
        if type(error).__name__ != "PanicException":
            raise
        _log.warning("dropped a malformed %s (panic)", what)


class _Database(peewee.SqliteDatabase):
    def bind_ctx(self, models: Iterable[type[peewee.Model]], *_: object, **__: object) -> Any:  # noqa: ANN401 - peewee's own type is private
        """nio binds all of its models at each call: searching for those that they refer to finds no others."""
        return super().bind_ctx(models, bind_refs=False, bind_backrefs=False)


class Store(SqliteStore):  # type: ignore[misc]  # nio ships no types
    """nio's store, durable and without waiting readers."""

    def _create_database(self) -> peewee.SqliteDatabase:
        pragmas = {"foreign_keys": 1, "secure_delete": 1, "journal_mode": "wal", "synchronous": "full"}
        # Closed is closed: the lock on the device is given back with it. Nobody else has business in this file: whoever
        # locks it is not waited for, because everything of this process waits meanwhile.
        return _Database(self.database_path, pragmas=pragmas, autoconnect=False, timeout=_LOCK_SECONDS)


class GuardedOlm(Olm):  # type: ignore[misc]  # nio ships no types
    def __init__(self, user: str, device_id: str, store: Store, blind: Callable[[str], str]) -> None:
        self.blind = blind
        self.may_share: MayShare = lambda _room, _user: False
        self.may_speak: MaySpeak = lambda _user: False
        self.new_keys: list[tuple[RoomId, str]] = []
        self.wedged: list[tuple[UserId, str]] = []
        self.renewals: Counter[str] = Counter()
        super().__init__(user, device_id, store)
        self.known_ids = {session.id for session in self.inbound_group_store}

    def handle_to_device_event(self, event: object) -> None:
        if isinstance(event, OlmEvent):  # rule 3
            with contained("to-device event"), self.store.database.atomic():
                self.decrypt_event(event)

    def create_group_session(
        self, sender_key: str, sender_fp_key: str, room_id: str, session_id: str, session_key: str
    ) -> None:
        if sender_key == self.account.identity_keys["curve25519"]:
            return  # rule 4
        session = InboundGroupSession(session_key, sender_fp_key, sender_key, self.blind(room_id))
        if session.id != session_id or session_id in self.known_ids:
            return  # rule 2
        self.known_ids.add(session_id)
        self.inbound_group_store.add(session)
        self.save_inbound_group_session(session)
        self.new_keys.append((RoomId(room_id), session_id))

    def _handle_room_key_event(self, sender: str, sender_key: str, payload: JsonObject) -> object:
        room = as_text(as_object(payload.get("content")).get("room_id"))
        if not room or not self.may_share(RoomId(room), UserId(sender)):
            return None  # rule 2
        return super()._handle_room_key_event(sender, sender_key, payload)

    def _handle_forwarded_room_key_event(self, *_: object) -> None:
        return  # rule 3

    def _create_inbound_session(self, sender: str, sender_key: str, message: object) -> object:
        session = super()._create_inbound_session(sender, sender_key, message)
        self.renewals[sender_key] += 1
        return session

    def _mark_device_for_unwedging(self, sender: str, sender_key: str) -> None:
        self.wedged.append((UserId(sender), sender_key))
