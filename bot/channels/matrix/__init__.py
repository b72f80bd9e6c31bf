"""Matrix: end-to-end encrypted rooms over nio's Olm machine, with our own send path and trust check."""

from bot.channels.matrix.channel import FileSyncStore, MatrixChannel, Texts, set_up_device
from bot.channels.matrix.client import Health
from bot.channels.matrix.hearing import Listener, RoomBook
from bot.channels.matrix.identity import Seeds, Session, load_session, login, verify_published
from bot.channels.matrix.inbox import SyncStore
from bot.channels.matrix.wire import MAX_TEXT_BYTES, WIRE_CHARACTERS

__all__ = [
    "MAX_TEXT_BYTES",
    "WIRE_CHARACTERS",
    "FileSyncStore",
    "Health",
    "Listener",
    "MatrixChannel",
    "RoomBook",
    "Seeds",
    "Session",
    "SyncStore",
    "Texts",
    "load_session",
    "login",
    "set_up_device",
    "verify_published",
]
