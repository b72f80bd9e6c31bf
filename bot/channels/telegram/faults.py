"""What the library raises, as one error of ours.

1. Nothing of what was raised is kept: texts, causes and requests of the library hold the token.
2. ``unsure`` is all that may have left: only a connection that was never made, an answer that refuses, and 503 are
   sure.
3. A chat is closed, and a token revoked, on Telegram's own word alone: a proxy that answers 403 or 404 to everything
   unbinds nobody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.errors import ChannelError

Why = Literal["away", "closed", "conflict", "flood", "refused", "revoked"]

_NOT_SENT: Final = (
    *(httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ConnectError, httpx.UnsupportedProtocol),
    TelegramError,  # an answer that refuses, in words that are not Telegram's
)
_NOT_TAKEN: Final = 503
_LONGEST_PAUSE: Final = 86_400.0
_CLOSED: Final = (
    *("blocked", "deactivated", "can't initiate conversation", "kicked", "not a member", "deleted"),
    *("chat not found", "user not found", "peer_id_invalid", "chat_id is empty"),
)
_REVOKED: Final = ("unauthorized", "not found")
_GONE: Final = ("message to delete not found", "message can't be deleted", "message_id_invalid")


class Fault(ChannelError):
    """Telegram refused or did not answer; ``gone``: what was to be deleted is not there, or can no longer be."""

    def __init__(
        self,
        why: Why,
        *,
        retry_after: float | None = None,
        unsure: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(
            f"Telegram: {why}", permanent=why == "closed", retry_after=retry_after, unsure=unsure
        )
        self.why: Why = why
        self.gone = gone


class ServerFailed(NetworkError):
    """A status from 500 on, which the library does not tell."""

    def __init__(self, status: int) -> None:
        super().__init__("the server failed")
        self.status = status


def judged(error: Exception) -> Fault:  # noqa: PLR0911 - one line a kind of answer
    """Rules 1 to 3. To be raised where ``error`` is no longer handled, or it would be its context."""
    said = str(error).casefold() if isinstance(error, TelegramError) and error.__cause__ is None else ""
    match error:
        case RetryAfter():
            return Fault("flood", retry_after=_seconds(error.retry_after))
        case ChatMigrated():  # a private chat never does
            return Fault("closed")
        case Forbidden():
            return Fault("closed" if _says(said, _CLOSED) else "refused")
        case InvalidToken() | EndPointNotFound():
            return Fault("revoked" if said.startswith(_REVOKED) else "away")
        case Conflict():
            return Fault("conflict")
        case BadRequest():
            return Fault("closed" if _says(said, _CLOSED) else "refused", gone=_says(said, _GONE))
        case ServerFailed():
            return Fault("away", unsure=error.status != _NOT_TAKEN)
        case NetworkError():
            sent = error.__cause__ is not None and not isinstance(error.__cause__, _NOT_SENT)
            return Fault("away" if error.__cause__ is not None else "refused", unsure=sent)
    return Fault("away", unsure=True)


def _says(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _seconds(named: float | timedelta) -> float:
    seconds = named.total_seconds() if isinstance(named, timedelta) else float(named)
    return min(max(seconds, 0.0), _LONGEST_PAUSE)
