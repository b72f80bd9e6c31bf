"""nio's Olm machine, with what nio lacks.

Enforces rules 1 to 4, 6, 8, 10, 11 and 12 of :mod:`bot.channels.matrix.olm`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import peewee
from nio.crypto import (  # type: ignore[import-untyped]  # nio ships no types
    DeviceStore,
    GroupSessionStore,
    InboundGroupSession,
    InboundSession,
    Olm,
    OlmDevice,
    Session,
)
from nio.events import OlmEvent  # type: ignore[import-untyped]  # as above

from bot.channels.matrix.safejson import JsonObject, as_object, as_text
from bot.channels.matrix.store import OlmSessions, Store
from bot.domain.values import RoomId, UserId
from bot.errors import StorageError

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
    what = what.replace("-", "_").replace(" ", "_")  # one word, as the log's format wants it
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


class GuardedOlm(Olm):  # type: ignore[misc]  # nio ships no types
    def __init__(self, user: str, device_id: str, store: Store, blind: Callable[[str], str]) -> None:
        self.blind = blind
        self.may_share: MayShare = lambda _room, _user: False
        self.may_speak: MaySpeak = lambda _user: False
        self.new_keys: list[tuple[RoomId, str]] = []
        self.wedged: list[tuple[UserId, str]] = []
        self.renewals: Counter[str] = Counter()
        self._owner = ""
        super().__init__(user, device_id, store)

    def load(self) -> None:
        """Rule 11: nio would unpickle every session ever made."""
        self.session_store = OlmSessions(self.store.sessions_with)
        self.inbound_group_store = GroupSessionStore()
        self.device_store = DeviceStore()
        self.outgoing_key_requests: dict[str, object] = {}

    def handle_to_device_event(self, event: object) -> None:
        if isinstance(event, OlmEvent):  # rule 3
            self._owner = self.blind(event.sender)
            with contained("to-device event"), self.store.database.atomic(), contained("to-device event"):
                # the inner one: a malformed payload costs neither the session nor the one-time key behind it
                self.decrypt_event(event)

    def start_session(self, device: OlmDevice, one_time_key: str) -> None:
        self._owner = self.blind(device.user_id)
        with self.store.database.atomic():
            self.create_session(one_time_key, device.curve25519)

    def save_session(self, curve_key: str, session: Session) -> None:
        self.store.save_session(curve_key, session, self._owner)
        if isinstance(session, InboundSession):
            # rule 12: nio saves the account before the one-time key is taken out of it, and not again
            self.save_account()
            self.renewals[curve_key] += 1

    def create_group_session(
        self, sender_key: str, sender_fp_key: str, room_id: str, session_id: str, session_key: str
    ) -> None:
        if sender_key == self.account.identity_keys["curve25519"]:
            return  # rule 4
        session = InboundGroupSession(session_key, sender_fp_key, sender_key, self.blind(room_id))
        if session.id != session_id or self.store.knows(session_id):
            return  # rule 2
        self.save_inbound_group_session(session)
        self.new_keys.append((RoomId(room_id), session_id))

    def _handle_room_key_event(self, sender: str, sender_key: str, payload: JsonObject) -> object:
        room = as_text(as_object(payload.get("content")).get("room_id"))
        if not room or not self.may_share(RoomId(room), UserId(sender)):
            return None  # rule 2
        return super()._handle_room_key_event(sender, sender_key, payload)

    def _handle_forwarded_room_key_event(self, *_: object) -> None:
        return  # rule 3

    def _mark_device_for_unwedging(self, sender: str, sender_key: str) -> None:
        self.wedged.append((UserId(sender), sender_key))
