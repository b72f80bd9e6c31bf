"""Identifying columns (room, user id, patient reference) at rest, under keys that are not in the database.

1. A value is sealed with AES-256-GCM-SIV, its associated data being table, column and row: a value that was
   moved to another cell does not open.
2. The nonce is random; should one ever repeat, GCM-SIV shows only that two equal values in one cell are
   equal.
3. Lengths are hidden in steps of 64 bytes.
4. Look-up goes through a blind index, HMAC-SHA-256 under its own key with a label of its kind.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from bot.domain.values import SecretBytes
from bot.errors import InvalidSeal
from storage.framing import frame, pad, unpad
from storage.keys import derive

_NONCE_BYTES: Final = 12
_BLOCK: Final = 64


class Columns:
    """Seals, opens and indexes cells under keys derived from the practice's data key."""

    def __init__(self, data_key: SecretBytes) -> None:
        self._cipher = AESGCMSIV(derive(data_key, "columns").reveal())
        self._index_key = derive(data_key, "blind-index")

    def seal(self, text: str, *, table: str, column: str, row: str) -> bytes:
        """Nonce (12 bytes), then the sealed text. ``row`` is the row's opaque id."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, pad(text.encode(), _BLOCK), _cell(table, column, row))

    def open(self, sealed: bytes, *, table: str, column: str, row: str) -> str:
        """Raises :class:`InvalidSeal`."""
        try:
            padded = self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _cell(table, column, row)
            )
            return unpad(padded, _BLOCK).decode()
        except (InvalidTag, ValueError):
            raise InvalidSeal from None

    def index(self, kind: str, text: str) -> str:
        """64 hexadecimal digits; equal for equal ``kind`` and ``text`` only."""
        return hmac.new(self._index_key.reveal(), frame(kind, text), hashlib.sha256).hexdigest()


def _cell(table: str, column: str, row: str) -> bytes:
    return frame("pli/v1/column", table, column, row)
