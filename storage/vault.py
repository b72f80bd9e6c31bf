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
   knows neither. Under a database that had not noted all that the vault did (rule 11) nothing is dropped: it may
   be an old one that was put back by mistake, and the newer one names what is staged.
9. A destroyed recipient stays known and without key material: ``create`` refuses it, and only ``recreate``
   with a key id never used before begins anew.
10. Processes exclude each other by the file's lock; every failure of the file refuses.
11. Every counted attempt, and every destruction that destroyed something, raises the recipient's serial. The
    database notes the highest one, outside of any transaction of the vault and before anything that was counted is
    compared. A vault below what the database noted is an old copy put back: stale, and nothing in it is counted,
    compared, staged or committed; so is one that went its own way from an old copy. A database that noted less is an
    old one: it is told, which costs nothing.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from bot.domain.values import KeyId, RecipientId, SecretBytes
from bot.errors import KeyDestroyed, MustWait, Refused, StaleGeneration, WrongSecret, require_aware
from storage import vault_rows as rows
from storage.vault_file import VaultFile
from storage.vault_serial import following, is_later

TRIES: Final = rows.TRIES
WAIT_MINUTES: Final = (0, 0, 0, 1, 5, 15, 60, 240, 720)
T = TypeVar("T")


class Now(Protocol):
    """The part of a clock that the vault needs."""

    def now(self) -> datetime: ...


class Noted(Protocol):
    """What the database keeps of the vault (rule 11)."""

    def __call__(self, recipient: RecipientId, serial: int) -> int:
        """Note ``serial`` durably, if it is later than what was noted; what was noted before.

        Raises :class:`StaleGeneration` where the database does not know the recipient.
        """


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
    KEPT = "kept"
    STALE = "stale"
    DESTROYED = "destroyed"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Attempt:
    """What was counted, and not compared yet."""

    limited: bool
    tag: bytes
    verifier: bytes
    answer: SecretBytes


class Vault:
    """See the module. Any method may raise :class:`bot.errors.StorageError`; then nothing was answered."""

    def __init__(self, path: Path, clock: Now, noted: Noted) -> None:
        """``path`` was made by :func:`storage.vault_file.create_vault`."""
        self._file = VaultFile(path)
        self._clock = clock
        self._noted = noted

    def create(self, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
        """Generation 0, for a one-time code; the answer r. Raises :class:`Refused` for a known recipient."""
        with self._file.transaction() as db:
            if rows.find(db, recipient) is not None:
                raise Refused("the vault knows this recipient already")
            return rows.begin(db, recipient, key_id, h)

    def recreate(self, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
        """Destroy what there is and begin anew under a key id never used before, else :class:`Refused`."""
        with self._file.transaction() as db:
            if rows.find(db, recipient) is None or rows.was_used(db, recipient, key_id):
                raise Refused("beginning anew needs a known recipient and a new key id")
            rows.destroy(db, recipient)
            return rows.begin(db, recipient, key_id, h)

    def unlock(self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes) -> SecretBytes:
        """The answer r, 32 bytes.

        Raises :class:`WrongSecret`, :class:`MustWait`, :class:`StaleGeneration` or :class:`KeyDestroyed`; the
        last also for the tenth wrong secret.
        """
        attempt = self._count(recipient, key_id, generation, h)
        return self._conclude(recipient, key_id, attempt, lambda _: attempt.answer)

    def unlock_and_stage(
        self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes, new_h: SecretBytes
    ) -> Staged:
        """As :meth:`unlock`, and stage a limited generation for ``new_h`` in the same transaction."""
        attempt = self._count(recipient, key_id, generation, h)

        def stage(db: sqlite3.Connection) -> Staged:
            new: int = rows.require(db, recipient, key_id)["next_generation"]
            db.execute("UPDATE recipient SET next_generation = ? WHERE id = ?", (new + 1, recipient))
            answer = rows.insert_key(db, recipient, key_id, new, new_h, limited=True, staged=True)
            return Staged(attempt.answer, answer, new)

        return self._conclude(recipient, key_id, attempt, stage)

    def commit(self, recipient: RecipientId, key_id: KeyId, generation: int) -> None:
        """Destroy every other generation. Idempotent; raises :class:`StaleGeneration` for an unknown one."""

        def keep(db: sqlite3.Connection) -> None:
            rows.require(db, recipient, key_id)
            rows.require_key(db, recipient, generation)
            rows.keep_only(db, recipient, generation)

        self._in_step(recipient, keep)

    def reconcile(self, recipient: RecipientId, key_id: KeyId, generation: int) -> Reconciled:
        """Follow the database, at the start of the one process that stages (rule 8)."""

        def follow(db: sqlite3.Connection) -> Reconciled:
            rows.require(db, recipient, key_id)
            staged = rows.require_key(db, recipient, generation)["staged"]
            if behind and not staged:
                return Reconciled.KEPT
            others = rows.keep_only(db, recipient, generation)
            if staged:
                return Reconciled.COMMITTED
            return Reconciled.DROPPED if others else Reconciled.AGREED

        try:
            serial = self._serial(recipient)
            behind = is_later(serial, self._noted(recipient, serial))
            return self._in_step(recipient, follow)
        except KeyDestroyed:
            return Reconciled.DESTROYED
        except StaleGeneration:
            return Reconciled.STALE

    def destroy(self, recipient: RecipientId) -> None:
        """Destroy every key of ``recipient``; idempotent, and no error for one that was never known."""
        with self._file.transaction() as db:
            rows.destroy(db, recipient)
            row = rows.find(db, recipient)
        if row is not None:
            with suppress(StaleGeneration):  # the database knows it no more
                self._noted(recipient, row["serial"])

    def known(self, recipient: RecipientId) -> bool:
        """Whether :meth:`create` would refuse; destroyed recipients are known too."""
        with self._file.transaction() as db:
            return rows.find(db, recipient) is not None

    def is_old(self, recipient: RecipientId) -> bool:
        """Whether the database knows of more than this vault does (rule 11)."""
        try:
            self._in_step(recipient, lambda _: None)
        except StaleGeneration:
            return True
        return False

    def tries_left(self, recipient: RecipientId) -> int | None:
        """None while a one-time code guards the key; 0 when the key was destroyed."""

        def count(db: sqlite3.Connection) -> int | None:
            row = rows.settled(db, recipient)
            key = db.execute(
                "SELECT limited FROM key WHERE recipient = ? AND NOT staged", (recipient,)
            ).fetchone()
            if key is None:
                return 0
            return TRIES - row["wrong"] if key["limited"] else None

        return self._in_step(recipient, count)

    def wait_seconds(self, recipient: RecipientId) -> float:
        """How long :meth:`unlock` would still raise :class:`MustWait`; 0 if it would not."""

        def look(db: sqlite3.Connection) -> float:
            row = rows.settled(db, recipient)
            return self._remaining(db, row) if rows.has_keys(db, recipient) else 0.0

        return self._in_step(recipient, look)

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

    def _in_step(self, recipient: RecipientId, act: Callable[[sqlite3.Connection], T]) -> T:
        """``act`` in a transaction of which the database has noted the serial (rule 11)."""
        serial = self._serial(recipient)
        while True:
            before = self._noted(recipient, serial)
            noted = serial if is_later(serial, before) else before
            with self._file.transaction() as db:
                current = rows.serial(db, recipient)
                if current == noted:
                    return act(db)
                if not is_later(current, noted):
                    raise StaleGeneration
            serial = current  # somebody counted in between: that is to be noted first

    def _serial(self, recipient: RecipientId) -> int:
        with self._file.transaction() as db:
            return rows.serial(db, recipient)

    def _count(self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes) -> _Attempt:
        """The first transaction (rules 1, 3, 4, 5): when it has ended, the attempt is on the disk."""

        def count(db: sqlite3.Connection) -> _Attempt:
            row = rows.require(db, recipient, key_id)
            key = rows.require_key(db, recipient, generation)
            tag = rows.tag(key["k"], h)
            if key["limited"]:
                wait = self._remaining(db, row)
                if wait > 0:
                    raise MustWait(wait_seconds=wait)
                db.execute(
                    "UPDATE recipient SET wrong = wrong + 1, counted_at = ?,"
                    " serial = ?, pending_generation = ?, pending_tag = ? WHERE id = ?",
                    (self._seconds(), following(row["serial"]), generation, tag, recipient),
                )
            return _Attempt(
                limited=bool(key["limited"]),
                tag=tag,
                verifier=key["verifier"],
                answer=rows.answer(key["k"], key_id, h),
            )

        return self._in_step(recipient, count)

    def _conclude(
        self,
        recipient: RecipientId,
        key_id: KeyId,
        attempt: _Attempt,
        then: Callable[[sqlite3.Connection], T],
    ) -> T:
        """The second transaction, once the database has noted the first: compare, and settle what was counted
        unless somebody else did (rule 2). ``then`` where the secret is right.
        """

        def conclude(db: sqlite3.Connection) -> T:
            row = rows.require(db, recipient, key_id)
            if hmac.compare_digest(attempt.tag, attempt.verifier):
                return then(db)
            if not attempt.limited:
                raise WrongSecret(tries_left=None, wait_seconds=0)
            raise WrongSecret(tries_left=TRIES - row["wrong"], wait_seconds=self._remaining(db, row))

        return self._in_step(recipient, conclude)

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
