"""The vault's rows, inside a transaction that :mod:`storage.vault` holds. The rules are numbered there."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from typing import Final

from bot.domain.values import KeyId, RecipientId, SecretBytes
from bot.errors import KeyDestroyed, StaleGeneration, WrongUse
from storage.framing import frame
from storage.vault_serial import following

TRIES: Final = 10
_KEY_BYTES: Final = 32


def tag(k: bytes, h: SecretBytes) -> bytes:
    return hmac.new(k, frame("verify", h.reveal()), hashlib.sha256).digest()


def answer(k: bytes, key_id: KeyId, h: SecretBytes) -> SecretBytes:
    return SecretBytes(hmac.new(k, frame("unlock", key_id, h.reveal()), hashlib.sha256).digest())


def find(db: sqlite3.Connection, recipient: RecipientId) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM recipient WHERE id = ?", (recipient,)).fetchone()
    return row


def serial(db: sqlite3.Connection, recipient: RecipientId) -> int:
    """Raises StaleGeneration for a recipient that the vault does not know."""
    row = find(db, recipient)
    if row is None:
        raise StaleGeneration
    return int(row["serial"])


def settled(db: sqlite3.Connection, recipient: RecipientId) -> sqlite3.Row:
    """The recipient's row after any counted attempt has been compared (rules 2 and 3), or StaleGeneration."""
    pending = db.execute(
        "SELECT pending_tag, verifier FROM recipient JOIN key"
        " ON key.recipient = recipient.id AND key.generation = pending_generation WHERE recipient.id = ?",
        (recipient,),
    ).fetchone()
    if pending is not None:
        if hmac.compare_digest(pending["pending_tag"], pending["verifier"]):
            db.execute("UPDATE recipient SET wrong = 0 WHERE id = ?", (recipient,))
        _forget_pending(db, recipient)
    row = find(db, recipient)
    if row is None:
        raise StaleGeneration
    if row["wrong"] >= TRIES:
        destroy(db, recipient)
    return row


def require(db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId) -> sqlite3.Row:
    """The settled row; KeyDestroyed or StaleGeneration where it does not guard ``key_id``."""
    row = settled(db, recipient)
    if row["key_id"] != key_id:
        raise KeyDestroyed if was_used(db, recipient, key_id) else StaleGeneration
    if not has_keys(db, recipient):
        raise KeyDestroyed
    return row


def has_keys(db: sqlite3.Connection, recipient: RecipientId) -> bool:
    return db.execute("SELECT 1 FROM key WHERE recipient = ?", (recipient,)).fetchone() is not None


def _key(db: sqlite3.Connection, recipient: RecipientId, generation: int) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM key WHERE recipient = ? AND generation = ?", (recipient, generation)
    ).fetchone()
    return row


def require_key(db: sqlite3.Connection, recipient: RecipientId, generation: int) -> sqlite3.Row:
    row = _key(db, recipient, generation)
    if row is None:
        raise StaleGeneration
    return row


def was_used(db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId) -> bool:
    sql = "SELECT 1 FROM used_key_id WHERE recipient = ? AND key_id = ?"
    return db.execute(sql, (recipient, key_id)).fetchone() is not None


def begin(db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
    db.execute(
        "INSERT INTO recipient (id, key_id, next_generation, wrong, serial) VALUES (?, ?, 1, 0, 0)"
        " ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, next_generation = 1, wrong = 0",
        (recipient, key_id),
    )
    db.execute("INSERT INTO used_key_id VALUES (?, ?)", (recipient, key_id))
    return insert_key(db, recipient, key_id, 0, h, limited=False, staged=False)


def insert_key(
    db: sqlite3.Connection,
    recipient: RecipientId,
    key_id: KeyId,
    generation: int,
    h: SecretBytes,
    *,
    limited: bool,
    staged: bool,
) -> SecretBytes:
    if len(h) != _KEY_BYTES:
        raise WrongUse("h has 32 bytes")
    k = secrets.token_bytes(_KEY_BYTES)
    db.execute(
        "INSERT INTO key VALUES (?, ?, ?, ?, ?, ?)",
        (recipient, generation, k, tag(k, h), limited, staged),
    )
    return answer(k, key_id, h)


def keep_only(db: sqlite3.Connection, recipient: RecipientId, generation: int) -> int:
    """How many other generations there were."""
    db.execute("UPDATE key SET staged = 0 WHERE recipient = ? AND generation = ?", (recipient, generation))
    sql = "DELETE FROM key WHERE recipient = ? AND generation <> ?"
    return db.execute(sql, (recipient, generation)).rowcount


def destroy(db: sqlite3.Connection, recipient: RecipientId) -> None:
    """Raises the serial where there was something to destroy, so that no copy from before is taken for this one."""
    if db.execute("DELETE FROM key WHERE recipient = ?", (recipient,)).rowcount:
        now = following(serial(db, recipient))
        db.execute("UPDATE recipient SET serial = ? WHERE id = ?", (now, recipient))
    _forget_pending(db, recipient)


def _forget_pending(db: sqlite3.Connection, recipient: RecipientId) -> None:
    sql = "UPDATE recipient SET pending_generation = NULL, pending_tag = NULL WHERE id = ?"
    db.execute(sql, (recipient,))
