"""A backup's encryption: the age format (age-encryption.org/v1), by `pyrage`, in one pass and bounded memory.

::

    to a public key    an age file, nothing else: ``age --decrypt`` opens it as well
    to a passphrase    "pli-backup-passphrase/1\\n" | salt (16) | nonce (12) | sealed identity (90) | an age file to it

1. The bytes inside are handed out in pieces of 64 KiB at most, each authenticated before; a piece that is missing,
   exchanged or changed, and an end that is missing, raise. Whoever reads acts on nothing before the end.
2. Each file is sealed to an identity of its own as well, which lives in memory until the rehearsal has opened the file
   with it, and nowhere else; to a passphrase, it is what the passphrase seals.
3. A passphrase has sixteen characters at least and is stretched by Argon2id (RFC 9106, second parameter set).
4. Every failure to open is the same :class:`bot.errors.InvalidSeal`, which does not say what was wrong inside.

Not promised: who made a file. Whoever knows the public key, or the passphrase, can make one.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import pyrage
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from pyrage.x25519 import Identity, Recipient

from bot.domain.values import Secret, SecretBytes
from bot.errors import InvalidSeal, PliError, Refused, StorageError, WrongUse
from storage.wrap import RFC_9106_SECOND, SALT_BYTES, Profile, hash_secret, new_salt

AGE: Final = b"age-encryption.org/v1\n"
_FAMILY: Final = b"pli-backup-passphrase/"
_MAGIC: Final = _FAMILY + b"1\n"
_NONCE_BYTES: Final = 12
_SEALED_BYTES: Final = 90  # an identity has 74 characters, the tag 16
MIN_CHARACTERS: Final = 16


class Opener(Protocol):
    """Opens what one lock closed."""

    def __call__(self, source: BinaryIO) -> Identity:
        """Reads what precedes the age file in ``source``. Raises :class:`Refused`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicKey:
    """Lock: an age recipient."""

    text: str

    def begin(self, out: BinaryIO) -> tuple[list[Recipient], Opener]:
        """Raises :class:`WrongUse` for what is no public key."""
        _ = out
        own = Identity.generate()  # rule 2
        return [_recipient(self.text), own.to_public()], lambda _source: own


@dataclass(frozen=True, kw_only=True, slots=True)
class Passphrase:
    """Lock and key. ``profile`` is weaker in tests alone."""

    secret: Secret
    profile: Profile = RFC_9106_SECOND

    def __post_init__(self) -> None:
        if len(self.secret.reveal()) < MIN_CHARACTERS:
            raise WrongUse(
                f"the passphrase has fewer than {MIN_CHARACTERS} characters",
                mend="write six random words, or: openssl rand -base64 24 > FILE",
            )

    def begin(self, out: BinaryIO) -> tuple[list[Recipient], Opener]:
        own, salt = Identity.generate(), new_salt()
        nonce = new_salt()[:_NONCE_BYTES]
        sealed = AESGCMSIV(self._key(salt).reveal()).encrypt(nonce, str(own).encode(), _MAGIC + salt)
        out.write(_MAGIC + salt + nonce + sealed)
        return [own.to_public()], self

    def __call__(self, source: BinaryIO) -> Identity:
        """See :class:`Opener`."""
        if (start := source.read(len(_MAGIC))) != _MAGIC:
            raise _not_by("a passphrase", start)
        salt, nonce = source.read(SALT_BYTES), source.read(_NONCE_BYTES)
        sealed = source.read(_SEALED_BYTES)
        try:
            opened = AESGCMSIV(self._key(salt).reveal()).decrypt(nonce, sealed, _MAGIC + salt)
            return Identity.from_str(opened.decode())
        except (InvalidTag, ValueError, WrongUse, pyrage.IdentityError):
            raise InvalidSeal(
                "the passphrase is wrong, or the file was changed",
                mend="check the passphrase's file (capitals, spaces, which backup it is of);"
                " if it is right, take another copy of the backup",
            ) from None

    def _key(self, salt: bytes) -> SecretBytes:
        text = unicodedata.normalize("NFC", self.secret.reveal()).encode()
        return hash_secret(Secret(hashlib.sha256(text).hexdigest()), salt, self.profile)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateKey:
    """Key: the private half, as :func:`new_pair` made it."""

    secret: Secret

    def __call__(self, source: BinaryIO) -> Identity:
        """See :class:`Opener`."""
        start = source.read(len(AGE))
        if start != AGE:
            raise _not_by("a key", start)
        source.seek(0)
        try:
            return Identity.from_str(self.secret.reveal())
        except pyrage.IdentityError:
            raise WrongUse(
                "the key file holds no private key", mend="name the one that pli backup keygen made"
            ) from None


def new_pair() -> tuple[Secret, str]:
    """Private and public half of an age key pair."""
    made = Identity.generate()
    return Secret(str(made)), str(made.to_public())


def public_key_in(text: str) -> PublicKey:
    """The one line of a public key's file that is no comment. Raises :class:`WrongUse`."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1:
        raise WrongUse(
            "the file holds no public key", mend="one line that begins with age1: pli backup keygen"
        )
    _recipient(lines[0])
    return PublicKey(text=lines[0])


def private_key_in(text: str) -> PrivateKey:
    """As :func:`public_key_in`."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1:
        raise WrongUse("the key file holds no private key", mend="name the one that pli backup keygen made")
    return PrivateKey(secret=Secret(lines[0]))


def seal(parts: Iterable[bytes], out: BinaryIO, lock: PublicKey | Passphrase) -> Opener:
    """Write ``parts`` to ``out``, sealed; what opens it in this process.

    Raises :class:`WrongUse`, :class:`StorageError`, and what ``parts`` raises.
    """
    recipients, opener = lock.begin(out)
    source = _Source(iter(parts))
    try:
        pyrage.encrypt_io(source, out, recipients)  # type: ignore[arg-type]  # it asks for read() alone
    except (pyrage.EncryptError, OSError) as error:
        if source.failure is not None:  # the library tells of its text alone
            raise source.failure from None
        raise StorageError(
            f"the backup cannot be written ({type(error).__name__})", mend="is there room on the disk?"
        ) from None
    return opener


def unseal(source: BinaryIO, opener: Opener, take: Callable[[bytes], None]) -> None:
    """Hand what is inside to ``take``, piece by piece (rule 1). Raises :class:`Refused`, and what ``take`` raises."""
    sink = _Sink(take)
    identity = opener(source)
    try:
        pyrage.decrypt_io(source, sink, [identity])  # type: ignore[arg-type]  # it asks for write() and flush() alone
    except (pyrage.DecryptError, OSError, ValueError, PliError):
        if sink.failure is not None:
            raise sink.failure from None
        raise InvalidSeal(
            "the key is another one, or the file is cut off or was changed",
            mend="name the private key that belongs to it; if it is the one, take another copy of the backup",
        ) from None


class _Source:
    """What the library reads from. It swallows types of errors: the first one is kept."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left = parts, b""
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._left:
                self._left = next(self._parts)
        except StopIteration:
            return b""
        except Exception as error:
            self.failure = error
            raise
        size = len(self._left) if size < 0 else size
        taken, self._left = self._left[:size], self._left[size:]
        return taken


class _Sink:
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.failure: Exception | None = None

    def write(self, data: bytes) -> int:
        if self.failure is not None:  # what the library still held when it gave up
            raise self.failure
        try:
            self._take(bytes(data))
        except Exception as error:
            self.failure = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


def _recipient(text: str) -> Recipient:
    try:
        return Recipient.from_str(text)
    except pyrage.RecipientError:
        raise WrongUse(
            "the file holds no public key", mend="one line that begins with age1: pli backup keygen"
        ) from None


def _not_by(wanted: str, start: bytes) -> Refused:
    if start.startswith(AGE[: len(start)] or AGE) and start:
        return Refused(f"this backup is not opened by {wanted}", mend="name the private key: --key-file FILE")
    if start == _MAGIC[: len(start)] and start:
        return Refused(
            f"this backup is not opened by {wanted}", mend="name the passphrase: --passphrase-file FILE"
        )
    if start.startswith(_FAMILY):
        return Refused("this backup was made by another version of pli", mend="install that version")
    return Refused("this is no backup of pli", mend="name the file that pli backup wrote")
