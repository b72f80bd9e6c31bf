"""How the connection to Telegram is. Loads nothing of the library."""

from __future__ import annotations

from enum import StrEnum


class Health(StrEnum):
    """As ``/readyz`` says it. ``AWAY`` until the first answer, and while none comes; ``REVOKED``: the token is not
    valid; ``CONFLICT``: another program takes this bot's messages.
    """

    OFF = "off"
    CONNECTED = "connected"
    AWAY = "away"
    REVOKED = "revoked"
    CONFLICT = "conflict"
