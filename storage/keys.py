"""Key files: what the bot holds, and what only the import side holds.

::

    bot/      data.key      32 bytes   columns, blind indexes and audit chain are derived from it
              pickle.key    32 bytes   encrypts the Matrix store
              importer.pub  32 bytes   Ed25519, verifies envelopes and recipients' public keys
              answer.pub    32 bytes   X25519, answers are sealed to it
              audit.older   40 bytes each, where the data key was changed: the audit chain's older keys
    import/   signer.key    32 bytes   Ed25519
              digest.key    32 bytes   digests and indexes of the agenda's own ids
              answer.key    32 bytes   X25519, opens answers
              digest.older  32 bytes each, where the keys were changed: digests go through all of them, oldest first

1. The two folders are loaded apart; nothing that runs as the bot needs ``import/``.
2. A file that others than its owner may read or write, or that is a link, is not loaded; nor is one in such a
   folder.
3. A file of the wrong size is not loaded. Nothing is ever written over an existing file.
4. A key has one purpose: what is derived has a label of its own, and so has every digest.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from bot.domain.values import SecretBytes
from bot.errors import Refused, StorageError
from storage.framing import frame
from storage.sealed_box import new_key_pair

_SIZE: Final = 32
_NUMBER: Final = 8  # bytes of a row's number
_MOST_OLDER: Final = 10_000
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
BOT_FILES: Final = ("data.key", "pickle.key", "importer.pub", "answer.pub")
AUDIT_OLDER: Final = "audit.older"
DIGEST_OLDER: Final = "digest.older"
IMPORT_FILES: Final = ("signer.key", "digest.key", "answer.key")


def derive(key: SecretBytes, purpose: str) -> SecretBytes:
    """32 bytes for one purpose: HKDF-SHA-256, expand only, as ``key`` is uniformly random (RFC 5869 §3.3)."""
    kdf = HKDFExpand(algorithm=SHA256(), length=_SIZE, info=b"pli/v1/" + purpose.encode())
    return SecretBytes(kdf.derive(key.reveal()))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BotKeys:
    """The keys of the bot's process; ``answer_public`` is a raw X25519 key."""

    data: SecretBytes
    pickle: SecretBytes
    importer: Ed25519PublicKey
    answer_public: bytes
    audit_older: tuple[tuple[int, SecretBytes], ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises :class:`StorageError` naming the file and the mend."""
        data, pickle, importer, answer = (_read(folder, name) for name in BOT_FILES)
        return cls(
            data=SecretBytes(data),
            pickle=SecretBytes(pickle),
            importer=Ed25519PublicKey.from_public_bytes(importer),
            answer_public=answer,
            audit_older=_read_older(folder),
        )

    def audit(self) -> SecretBytes:
        """The key of the audit chain."""
        return self.audit_of(self.data)

    @staticmethod
    def audit_of(data: SecretBytes) -> SecretBytes:
        """The key of the audit chain under a data key."""
        return derive(data, "audit")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ImportKeys:
    """The keys of the import side. Who holds ``digest_key`` can guess details and check the guess."""

    signer: Ed25519PrivateKey
    digest_key: SecretBytes
    answer_private: SecretBytes
    digest_older: tuple[SecretBytes, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises :class:`StorageError` naming the file and the mend."""
        signer, digest, answer = (_read(folder, name) for name in IMPORT_FILES)
        return cls(
            signer=Ed25519PrivateKey.from_private_bytes(signer),
            digest_key=SecretBytes(digest),
            answer_private=SecretBytes(answer),
            digest_older=_read_keys(folder, DIGEST_OLDER),
        )

    def source_index(self, source: str) -> str:
        """By which an entry is found again by the agenda's own id. 64 hexadecimal digits, as all below."""
        return self._mac("source", source)

    def pair_index(self, patient: str, practitioner: str) -> str:
        """By which a move is seen in agendas without ids: same patient, same practitioner."""
        return self._mac("pair", patient, practitioner)

    def day_tag(self, day: date) -> str:
        """By which the entries of a day are found, where absence from an export means cancelled."""
        return self._mac("day", day.isoformat())

    def digest(self, detail: bytes) -> str:
        """By which a changed entry is seen."""
        return self._mac("detail", detail)

    def _mac(self, label: str, *fields: str | bytes) -> str:
        first, *later = (*self.digest_older, self.digest_key)
        message = frame("pli/v1/" + label, *fields)
        found = hmac.digest(first.reveal(), message, "sha256").hex()
        for key in later:
            found = digest_again(key, found)
        return found


def digest_again(key: SecretBytes, digest: str) -> str:
    """What a digest, an index or a tag becomes under a further key, without what it was made of.

    So a change of the key needs no agenda; and who holds an older key alone can guess and check nothing any more.
    """
    return hmac.digest(key.reveal(), frame("pli/v1/digest-again", bytes.fromhex(digest)), "sha256").hex()


def create_keys(bot: Path, importer: Path) -> None:
    """Make both folders and every key file, durably. Raises :class:`Refused` if one of the files exists."""
    for folder, names in ((bot, BOT_FILES), (importer, IMPORT_FILES)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{folder}: cannot be made", mend="Choose a folder you may write to."
            ) from error
        _require_private_folder(folder)
        for name in names:
            if os.path.lexists(folder / name):
                raise Refused(
                    f"{folder / name}: exists already",
                    mend="Keys are never written over; choose another folder.",
                )
    signer = Ed25519PrivateKey.generate()
    answer_private, answer_public = new_key_pair()
    write_new(importer / "signer.key", signer.private_bytes_raw())
    write_new(importer / "digest.key", secrets.token_bytes(_SIZE))
    write_new(importer / "answer.key", answer_private.reveal())
    write_new(bot / "data.key", secrets.token_bytes(_SIZE))
    write_new(bot / "pickle.key", secrets.token_bytes(_SIZE))
    write_new(bot / "importer.pub", signer.public_key().public_bytes_raw())
    write_new(bot / "answer.pub", answer_public)
    for folder in (bot, bot.parent, importer, importer.parent):
        sync_folder(folder)


def pack_older(older: Sequence[tuple[int, SecretBytes]]) -> bytes:
    """The contents of :data:`AUDIT_OLDER`."""
    return b"".join(last.to_bytes(_NUMBER, "big") + key.reveal() for last, key in older)


def _read_older(folder: Path) -> tuple[tuple[int, SecretBytes], ...]:
    if not os.path.lexists(folder / AUDIT_OLDER):
        return ()
    data, step = _read(folder, AUDIT_OLDER, most=_MOST_OLDER * (_NUMBER + _SIZE)), _NUMBER + _SIZE
    if len(data) % step:
        raise StorageError(f"{folder / AUDIT_OLDER}: damaged", mend="Restore the file from a copy.")
    parts = [data[at : at + step] for at in range(0, len(data), step)]
    return tuple((int.from_bytes(p[:_NUMBER], "big"), SecretBytes(p[_NUMBER:])) for p in parts)


def _read_keys(folder: Path, name: str) -> tuple[SecretBytes, ...]:
    """None where there is no such file."""
    if not os.path.lexists(folder / name):
        return ()
    data = _read(folder, name, most=_MOST_OLDER * _SIZE)
    if len(data) % _SIZE:
        raise StorageError(f"{folder / name}: damaged", mend="Restore the file from a copy.")
    return tuple(SecretBytes(data[at : at + _SIZE]) for at in range(0, len(data), _SIZE))


def new_key() -> bytes:
    """Key material for one of the files of 32 random bytes."""
    return secrets.token_bytes(_SIZE)


def write_new(path: Path, data: bytes) -> None:
    """Make ``path`` durably, mode 0600. Raises :class:`Refused` where it exists, :class:`StorageError`."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(f"{path}: exists already", mend="Keys are never written over.") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be written", mend="Check the folder's owner and mode.") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in it stays so after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_private_folder(folder: Path) -> None:
    try:
        mode = folder.stat().st_mode
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be read", mend="Restore the folder, or run pli init."
        ) from error
    if mode & _OTHERS:
        raise StorageError(f"{folder}: open to other accounts", mend=f"chmod 700 {folder}")


def _read(folder: Path, name: str, *, most: int = 0) -> bytes:
    """A key of 32 bytes, or a file of at most ``most``."""
    _require_private_folder(folder)
    path = folder / name
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read", mend="Restore the file, or run pli init.") from error
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise StorageError(f"{path}: not a plain file", mend="Put the key file itself there.")
        if mode & _OTHERS:
            raise StorageError(f"{path}: open to other accounts", mend=f"chmod 600 {path}")
        data = os.read(handle, max(_SIZE, most) + 1)
    finally:
        os.close(handle)
    if (len(data) != _SIZE and not most) or len(data) > max(_SIZE, most):
        raise StorageError(f"{path}: not {_SIZE} bytes long", mend="Restore the file from a copy.")
    return data
