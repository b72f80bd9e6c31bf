"""The vault: the one place where a PIN can be tried, ten times in all.

For each recipient it holds a random key k, a verifier, a generation and a counter. It is given h, the
Argon2id hash of what was typed, and gives r in return, without which the recipient's private key stays
wrapped. r = HMAC(k, "unlock" ‖ key id ‖ h); verifier = HMAC(k, "verify" ‖ h), every part with its length
before it.

1. An attempt is counted, durably, before it is compared.
2. Only a right secret lowers the counter. (A crash between count and comparison leaves the attempt's tag; it
   is compared by whoever comes next, before anything else, so that a crash neither buys a guess nor costs a
   right PIN.)
3. A counter found at ten destroys the key before any comparison; the tenth wrong one destroys it at once.
4. During a wait nothing is counted nor compared. Waits after wrong PINs: 0, 0, 0, 1, 5, 15, 60, 240, 720
   minutes. A clock that was set back starts the running wait again, once: it neither shortens a wait nor
   makes one endless.
5. A key id or generation that the vault does not know is stale: not counted, not compared.
6. A one-time code (generation 0) is not counted: it has 60 bits or more, and wrong ones must not spend it.
7. A new generation is staged only by a right secret, in the transaction that lowers the counter. It has a
   number never used before under this key id, and what was staged earlier stays until one is committed: two
   that stage at once cannot take each other's key away. The counter belongs to the recipient, so generations
   buy no guesses.
8. ``commit`` destroys every other generation. ``reconcile``, at start, follows the generation that the
   database names: it commits a staged one, drops staged ones beside a live one, and touches nothing where it
   knows neither.
9. A destroyed recipient stays known and without key material: ``create`` refuses it, and only ``recreate``
   with a key id never used before begins anew.
10. Processes exclude each other by the file's lock; every failure of the file refuses.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from bot.domain.values import KeyId, RecipientId, SecretBytes
from bot.errors import (
    KeyDestroyed,
    MustWait,
    Refused,
    StaleGeneration,
    WrongSecret,
    WrongUse,
    require_aware,
)
from storage.framing import frame
from storage.vault_file import VaultFile

TRIES: Final = 10
WAIT_MINUTES: Final = (0, 0, 0, 1, 5, 15, 60, 240, 720)
_KEY_BYTES: Final = 32


class Now(Protocol):
    """The part of a clock that the vault needs."""

    def now(self) -> datetime: ...


class Staged(NamedTuple):
    """The answers under the old and the new generation, and the new one's number for the database to name."""

    old: SecretBytes
    new: SecretBytes
    generation: int


class Reconciled(StrEnum):
    """What :meth:`Vault.reconcile` found and did."""

    AGREED = "agreed"
    COMMITTED = "committed"
    DROPPED = "dropped"
    STALE = "stale"
    DESTROYED = "destroyed"


class _Attempt(NamedTuple):
    limited: bool
    right: bool
    answer: SecretBytes


class Vault:
    """See the module. Any method may raise :class:`bot.errors.StorageError`; then nothing was answered."""

    def __init__(self, path: Path, clock: Now) -> None:
        """``path`` was made by :func:`storage.vault_file.create_vault`."""
        self._file = VaultFile(path)
        self._clock = clock

    def create(self, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
        """Generation 0, for a one-time code; the answer r. Raises :class:`Refused` for a known recipient."""
        with self._file.transaction() as db:
            if _row(db, recipient) is not None:
                raise Refused("the vault knows this recipient already")
            return _begin(db, recipient, key_id, h)

    def recreate(self, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
        """Destroy what there is and begin anew under a key id never used before, else :class:`Refused`."""
        with self._file.transaction() as db:
            if _row(db, recipient) is None or _was_used(db, recipient, key_id):
                raise Refused("beginning anew needs a known recipient and a new key id")
            _destroy(db, recipient)
            return _begin(db, recipient, key_id, h)

    def unlock(self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes) -> SecretBytes:
        """The answer r, 32 bytes.

        Raises :class:`WrongSecret`, :class:`MustWait`, :class:`StaleGeneration` or :class:`KeyDestroyed`; the
        last also for the tenth wrong secret.
        """
        attempt = self._count(recipient, key_id, generation, h)
        with self._file.transaction() as db:
            self._conclude(db, recipient, key_id, attempt)
            return attempt.answer

    def unlock_and_stage(
        self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes, new_h: SecretBytes
    ) -> Staged:
        """As :meth:`unlock`, and stage a limited generation for ``new_h`` in the same transaction."""
        attempt = self._count(recipient, key_id, generation, h)
        with self._file.transaction() as db:
            self._conclude(db, recipient, key_id, attempt)
            row = _require(db, recipient, key_id)
            new: int = row["next_generation"]
            db.execute("UPDATE recipient SET next_generation = ? WHERE id = ?", (new + 1, recipient))
            answer = _insert_key(db, recipient, key_id, new, new_h, limited=True, staged=True)
            return Staged(attempt.answer, answer, new)

    def commit(self, recipient: RecipientId, key_id: KeyId, generation: int) -> None:
        """Destroy every other generation. Idempotent; raises :class:`StaleGeneration` for an unknown one."""
        with self._file.transaction() as db:
            _require(db, recipient, key_id)
            _require_key(db, recipient, generation)
            _keep_only(db, recipient, generation)

    def reconcile(self, recipient: RecipientId, key_id: KeyId, generation: int) -> Reconciled:
        """Follow the database, at the start of the one process that stages (rule 8)."""
        with self._file.transaction() as db:
            try:
                _require(db, recipient, key_id)
                key = _require_key(db, recipient, generation)
            except KeyDestroyed:
                return Reconciled.DESTROYED
            except StaleGeneration:
                return Reconciled.STALE
            others = _keep_only(db, recipient, generation)
            if key["staged"]:
                return Reconciled.COMMITTED
            return Reconciled.DROPPED if others else Reconciled.AGREED

    def destroy(self, recipient: RecipientId) -> None:
        """Destroy every key of ``recipient``; idempotent, and no error for one that was never known."""
        with self._file.transaction() as db:
            _destroy(db, recipient)

    def known(self, recipient: RecipientId) -> bool:
        """Whether :meth:`create` would refuse; destroyed recipients are known too."""
        with self._file.transaction() as db:
            return _row(db, recipient) is not None

    def tries_left(self, recipient: RecipientId) -> int | None:
        """None while a one-time code guards the key; 0 when the key was destroyed."""
        with self._file.transaction() as db:
            row = _settled(db, recipient)
            keys = db.execute(
                "SELECT limited FROM key WHERE recipient = ? AND NOT staged", (recipient,)
            ).fetchone()
            if keys is None:
                return 0
            return TRIES - row["wrong"] if keys["limited"] else None

    def wait_seconds(self, recipient: RecipientId) -> float:
        """How long :meth:`unlock` would still raise :class:`MustWait`; 0 if it would not."""
        with self._file.transaction() as db:
            return self._remaining(db, _settled(db, recipient))

    def anchor(self) -> tuple[int, bytes]:
        """Length and head of the audit chain as last set; (0, empty) before."""
        with self._file.transaction() as db:
            row = db.execute("SELECT length, head FROM anchor").fetchone()
            return (row["length"], row["head"]) if row is not None else (0, b"")

    def set_anchor(self, length: int, head: bytes) -> None:
        """Remember a longer chain; a length not above the one kept changes nothing (processes overtake)."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO anchor VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE"
                " SET length = excluded.length, head = excluded.head WHERE excluded.length > length",
                (length, head),
            )

    def _count(self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes) -> _Attempt:
        """The first transaction (rules 1, 3, 4, 5): when it has ended, the attempt is on the disk."""
        with self._file.transaction() as db:
            row = _require(db, recipient, key_id)
            key = _require_key(db, recipient, generation)
            tag = _tag(key["k"], h)
            if key["limited"]:
                wait = self._remaining(db, row)
                if wait > 0:
                    raise MustWait(wait_seconds=wait)
                db.execute(
                    "UPDATE recipient SET wrong = wrong + 1, counted_at = ?,"
                    " pending_generation = ?, pending_tag = ? WHERE id = ?",
                    (self._seconds(), generation, tag, recipient),
                )
        right = hmac.compare_digest(tag, key["verifier"])
        return _Attempt(bool(key["limited"]), right, _answer(key["k"], key_id, h))

    def _conclude(
        self, db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId, attempt: _Attempt
    ) -> None:
        """The second transaction: settle what was counted, unless somebody else did (rule 2)."""
        row = _require(db, recipient, key_id)
        if attempt.right:
            return
        if not attempt.limited:
            raise WrongSecret(tries_left=None, wait_seconds=0)
        raise WrongSecret(tries_left=TRIES - row["wrong"], wait_seconds=self._remaining(db, row))

    def _remaining(self, db: sqlite3.Connection, row: sqlite3.Row) -> float:
        """Seconds of the running wait. Remembers a clock that went back (rule 4)."""
        if not 0 < row["wrong"] < TRIES:
            return 0.0
        now, counted_at = self._seconds(), float(row["counted_at"])
        if now < counted_at:
            db.execute("UPDATE recipient SET counted_at = ? WHERE id = ?", (now, row["id"]))
            counted_at = now
        return max(0.0, counted_at + WAIT_MINUTES[row["wrong"] - 1] * 60 - now)

    def _seconds(self) -> float:
        return require_aware(self._clock.now(), "the vault's clock").timestamp()


def _tag(k: bytes, h: SecretBytes) -> bytes:
    return hmac.new(k, frame("verify", h.reveal()), hashlib.sha256).digest()


def _answer(k: bytes, key_id: KeyId, h: SecretBytes) -> SecretBytes:
    return SecretBytes(hmac.new(k, frame("unlock", key_id, h.reveal()), hashlib.sha256).digest())


def _row(db: sqlite3.Connection, recipient: RecipientId) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM recipient WHERE id = ?", (recipient,)).fetchone()
    return row


def _settled(db: sqlite3.Connection, recipient: RecipientId) -> sqlite3.Row:
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
    row = _row(db, recipient)
    if row is None:
        raise StaleGeneration
    if row["wrong"] >= TRIES:
        _destroy(db, recipient)
    return row


def _require(db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId) -> sqlite3.Row:
    """The settled row; KeyDestroyed or StaleGeneration where it does not guard ``key_id``."""
    row = _settled(db, recipient)
    if row["key_id"] != key_id:
        raise KeyDestroyed if _was_used(db, recipient, key_id) else StaleGeneration
    if db.execute("SELECT 1 FROM key WHERE recipient = ?", (recipient,)).fetchone() is None:
        raise KeyDestroyed
    return row


def _key(db: sqlite3.Connection, recipient: RecipientId, generation: int) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM key WHERE recipient = ? AND generation = ?", (recipient, generation)
    ).fetchone()
    return row


def _require_key(db: sqlite3.Connection, recipient: RecipientId, generation: int) -> sqlite3.Row:
    row = _key(db, recipient, generation)
    if row is None:
        raise StaleGeneration
    return row


def _was_used(db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId) -> bool:
    sql = "SELECT 1 FROM used_key_id WHERE recipient = ? AND key_id = ?"
    return db.execute(sql, (recipient, key_id)).fetchone() is not None


def _begin(db: sqlite3.Connection, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
    db.execute(
        "INSERT INTO recipient (id, key_id, next_generation, wrong) VALUES (?, ?, 1, 0)"
        " ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, next_generation = 1, wrong = 0",
        (recipient, key_id),
    )
    db.execute("INSERT INTO used_key_id VALUES (?, ?)", (recipient, key_id))
    return _insert_key(db, recipient, key_id, 0, h, limited=False, staged=False)


def _insert_key(
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
        (recipient, generation, k, _tag(k, h), limited, staged),
    )
    return _answer(k, key_id, h)


def _keep_only(db: sqlite3.Connection, recipient: RecipientId, generation: int) -> int:
    """How many other generations there were."""
    db.execute("UPDATE key SET staged = 0 WHERE recipient = ? AND generation = ?", (recipient, generation))
    sql = "DELETE FROM key WHERE recipient = ? AND generation <> ?"
    return db.execute(sql, (recipient, generation)).rowcount


def _destroy(db: sqlite3.Connection, recipient: RecipientId) -> None:
    db.execute("DELETE FROM key WHERE recipient = ?", (recipient,))
    _forget_pending(db, recipient)


def _forget_pending(db: sqlite3.Connection, recipient: RecipientId) -> None:
    sql = "UPDATE recipient SET pending_generation = NULL, pending_tag = NULL WHERE id = ?"
    db.execute(sql, (recipient,))
