"""Change the import side's keys: the one that signs, the one of digests, the one that opens answers.

::

    import/  signer.key.next  digest.key.next  digest.older.next  answer.key.next
    bot/     importer.pub.next  answer.pub.next

1. All of them lie durably beside the old ones before the database changes; one transaction changes all of the database,
   the name of the import side's keys with it; the files are exchanged after. Each side settles for itself what was
   broken off, by what the database names (as :mod:`storage.data_key` 2).
2. What the older key signed is verified and signed again: recipients' public keys and envelopes, without opening any.
   After the change the older key verifies nothing. What did not verify before stays as it is, and does not after.
3. Answers are opened and sealed again, so that the older key opens nothing that is in the database.
4. Digests, indexes and tags go through the new key (:func:`storage.keys.digest_again`), so that the next import knows
   every entry again, and "unchanged" is judged as before.
5. Whoever began under the older keys writes nothing any more (:mod:`storage.data_key` 3).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, Engine, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.records import AuditKind
from bot.domain.values import AppointmentId, KeyId, RecipientId, SecretBytes
from bot.errors import InvalidSeal, Refused, StorageError
from storage import envelope
from storage import tables as t
from storage.answer_box import open_answer, seal_answer
from storage.audit_chain import AuditChain
from storage.audit_repository import AuditRows
from storage.columns import Columns
from storage.data_key import new_epoch, require_own
from storage.keys import DIGEST_OLDER, BotKeys, ImportKeys, digest_again
from storage.next_keys import are_there, drop, exchange, locked, read_next, write_next
from storage.sealed_box import new_key_pair
from storage.signatures import sign_public_key, verify_public_key
from storage.small_repositories import MetaRows
from storage.vault_port import AnyVault

IMPORT_NAME: Final = "import-key"  # the name of the import side's keys: a digest of the verification key
DIGESTS: Final = ("source_idx", "pair_idx", "series_idx", "day_tag", "digest", "when_digest")
_SIZE: Final = 32
# In the order in which they are exchanged: the one that tells is the last.
_BOT: Final = ("answer.pub", "importer.pub")
_IMPORT: Final = (DIGEST_OLDER, "digest.key", "answer.key", "signer.key")


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """How many were done again; ``doubtful`` did not verify, or open, under the older keys and were left alone."""

    recipients: int
    envelopes: int
    answers: int
    appointments: int
    doubtful: int


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Pair:
    """What is verified and opened with, and what is signed and sealed with."""

    verifier: Ed25519PublicKey
    signer: Ed25519PrivateKey
    answer_private: SecretBytes
    answer_public: bytes
    digest: SecretBytes


def _name(public: bytes) -> str:
    return hashlib.sha256(b"pli/v1/import-key" + public).hexdigest()


def settle_bot_side(folder: Path, engine: Engine, columns: Columns) -> bool:
    """Rule 1; whether anything was there. Raises :class:`Refused` while somebody changes keys."""
    if not are_there(folder, _BOT):
        return False
    with locked(folder):
        public = read_next(folder, "importer.pub", size=_SIZE)
        _settle(folder, _BOT, public, engine, columns)
    return True


def settle_import_side(folder: Path, engine: Engine, columns: Columns) -> None:
    """As above."""
    if not are_there(folder, _IMPORT):
        return
    with locked(folder):
        key = read_next(folder, "signer.key", size=_SIZE)
        public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw() if key else None
        _settle(folder, _IMPORT, public, engine, columns)


def _settle(
    folder: Path, names: Sequence[str], public: bytes | None, engine: Engine, columns: Columns
) -> None:
    try:
        with engine.begin() as db:
            named = MetaRows(db, columns).get(IMPORT_NAME)
    except SQLAlchemyError as error:
        raise StorageError(f"the database does not answer ({type(error).__name__})") from None
    if public is not None and named == _name(public):
        exchange(folder, names)
    else:
        drop(folder, names)


def rotate_import_keys(
    bot_folder: Path, import_folder: Path, engine: Engine, vault: AnyVault, now: datetime
) -> Changed:
    """The caller holds the bot's device, and has settled both sides. Raises :class:`Refused`, :class:`StorageError`."""
    with locked(bot_folder), locked(import_folder):
        bot, old = BotKeys.load(bot_folder), ImportKeys.load(import_folder)
        verifier = old.signer.public_key()
        if verifier.public_bytes_raw() != bot.importer.public_bytes_raw():
            raise Refused(
                "the import side's keys are not those that the bot knows",
                mend="put back the two folders that belong together",
            )
        signer, digest = Ed25519PrivateKey.generate(), secrets.token_bytes(_SIZE)
        answer_private, answer_public = new_key_pair()
        older = b"".join(key.reveal() for key in (*old.digest_older, old.digest_key))
        public = signer.public_key().public_bytes_raw()
        pair = _Pair(
            verifier=verifier,
            signer=signer,
            answer_private=old.answer_private,
            answer_public=answer_public,
            digest=SecretBytes(digest),
        )
        files = (
            (import_folder, DIGEST_OLDER, older),
            (import_folder, "digest.key", digest),
            (import_folder, "answer.key", answer_private.reveal()),
            (import_folder, "signer.key", signer.private_bytes_raw()),
            (bot_folder, "answer.pub", answer_public),
            (bot_folder, "importer.pub", public),
        )
        columns = Columns(bot.data)
        try:
            for folder, name, data in files:
                write_next(folder, name, data)
            changed, head = _change_database(engine, vault, bot, pair, columns, _name(public), now)
        except BaseException:  # refused, or committed and not told so: the database says which
            _settle(bot_folder, _BOT, public, engine, columns)
            _settle(import_folder, _IMPORT, public, engine, columns)
            raise
        vault.set_anchor(*head)
        exchange(import_folder, _IMPORT)
        exchange(bot_folder, _BOT)
    return changed


def _change_database(
    engine: Engine, vault: AnyVault, bot: BotKeys, pair: _Pair, columns: Columns, name: str, now: datetime
) -> tuple[Changed, tuple[int, bytes]]:
    try:
        with engine.begin() as db:
            require_own(db, columns)
            audit = AuditRows(db, AuditChain(bot.audit(), bot.audit_older), vault.anchor)
            audit.add(AuditKind.KEYS_ROTATED, now, note="key=import")
            recipients, bad_recipients = _recipients(db, pair)
            envelopes, bad_envelopes = _envelopes(db, pair)
            answers, bad_answers = _answers(db, pair)
            appointments = _digests(db, pair.digest)
            MetaRows(db, columns).set(IMPORT_NAME, name)
            new_epoch(db, columns)
            head = audit.head
            assert head is not None  # noqa: S101 - for the type checker: a row was added
    except SQLAlchemyError as error:
        raise StorageError(f"the database did not change its keys ({type(error).__name__})") from None
    changed = Changed(
        recipients=recipients,
        envelopes=envelopes,
        answers=answers,
        appointments=appointments,
        doubtful=bad_recipients + bad_envelopes + bad_answers,
    )
    return changed, head


def _recipients(db: Connection, pair: _Pair) -> tuple[int, int]:
    """Rule 2. How many, and how many were in doubt; so below."""
    c, done, bad = t.recipient.c, list[dict[str, Any]](), 0
    for row in db.execute(select(c.id, c.key_id, c.public_key, c.signature)):
        whose = {"recipient": RecipientId(row.id), "key_id": KeyId(row.key_id), "public": row.public_key}
        try:
            verify_public_key(pair.verifier, **whose, signature=row.signature)
        except InvalidSeal:
            bad += 1
            continue
        done.append({"row": row.id, "signed": sign_public_key(pair.signer, **whose)})
    if done:
        db.execute(
            update(t.recipient).where(c.id == bindparam("row")).values(signature=bindparam("signed")), done
        )
    return len(done), bad


def _envelopes(db: Connection, pair: _Pair) -> tuple[int, int]:
    c, done, bad = t.envelope.c, list[dict[str, Any]](), 0
    for row in db.execute(select(t.envelope)):
        header = envelope.Header(
            key_id=KeyId(row.key_id),
            appointment=AppointmentId(row.appointment),
            recipient=RecipientId(row.recipient),
            revision=row.revision,
        )
        try:
            blob = envelope.sign_again(row.blob, header, pair.verifier, pair.signer)
        except InvalidSeal:
            bad += 1
            continue
        done.append({"of": row.appointment, "to": row.recipient, "signed": blob})
    if done:
        where = (c.appointment == bindparam("of"), c.recipient == bindparam("to"))
        db.execute(update(t.envelope).where(*where).values(blob=bindparam("signed")), done)
    return len(done), bad


def _answers(db: Connection, pair: _Pair) -> tuple[int, int]:
    """Rule 3."""
    c, done, bad = t.answer.c, list[dict[str, Any]](), 0
    for row in db.execute(select(c.id, c.recipient, c.blob)):
        recipient = RecipientId(row.recipient)
        try:
            text = open_answer(
                row.blob, answer=row.id, recipient=recipient, practice_private=pair.answer_private
            )
        except InvalidSeal:
            bad += 1
            continue
        blob = seal_answer(text, answer=row.id, recipient=recipient, practice_public=pair.answer_public)
        done.append({"row": row.id, "sealed": blob})
    if done:
        db.execute(update(t.answer).where(c.id == bindparam("row")).values(blob=bindparam("sealed")), done)
    return len(done), bad


def _digests(db: Connection, key: SecretBytes) -> int:
    """Rule 4."""
    c = t.appointment.c
    done = [
        {
            "row": row.id,
            **{f"new_{n}": digest_again(key, value) if (value := getattr(row, n)) else "" for n in DIGESTS},
        }
        for row in db.execute(select(c.id, *(c[n] for n in DIGESTS)))
    ]
    if done:
        values: dict[str, Any] = {n: bindparam(f"new_{n}") for n in DIGESTS}
        db.execute(update(t.appointment).where(c.id == bindparam("row")).values(values), done)
    return len(done)
