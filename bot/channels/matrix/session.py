"""What is kept of the bot's device and of its identity: two private files, read without asking anybody.

1. Three Ed25519 seeds, made once, in one private file; whoever has them can add devices to the bot's account.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.channels.matrix.files import read_private, write_private
from bot.channels.matrix.safejson import as_text
from bot.domain.values import Secret, SecretBytes, UserId
from bot.errors import StorageError, WrongUse

if TYPE_CHECKING:
    from bot.channels.matrix.http import Http

SEEDS_FILE: Final = "cross_signing.json"
SESSION_FILE: Final = "session.json"
_SEED_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A logged-in device. ``ca_file`` is a setting, kept with the settings: see :class:`Http`."""

    homeserver: str
    user: UserId
    device_id: str
    token: Secret
    ca_file: Path | None = None

    def http(self) -> Http:
        """A new connection pool; the caller closes it."""
        from bot.channels.matrix.http import Http  # noqa: PLC0415 - most commands know the bot's name from here alone

        return Http(self.homeserver, self.token.reveal(), ca_file=self.ca_file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seeds:
    """Rule 1; 32 bytes each."""

    master: SecretBytes
    self_signing: SecretBytes
    user_signing: SecretBytes

    @classmethod
    def load_or_make(cls, key_dir: Path) -> Self:
        """From ``cross_signing.json``, made there the first time. Raises :class:`StorageError`."""
        path = key_dir / SEEDS_FILE
        if read_private(path) is None:
            names = ("master", "self_signing", "user_signing")
            write_private(path, {name: secrets.token_bytes(_SEED_BYTES).hex() for name in names})
        return cls.load(key_dir)

    @classmethod
    def load(cls, key_dir: Path) -> Self:
        """Raises :class:`StorageError`."""
        stored = read_private(key_dir / SEEDS_FILE)
        if stored is None:
            raise StorageError("the bot has no cross-signing identity", mend="log in again: pli login")
        try:
            seeds = {name: SecretBytes(bytes.fromhex(value)) for name, value in stored.items()}
            made = cls(**seeds)
        except (TypeError, ValueError) as error:
            raise StorageError("the file of the cross-signing identity is damaged") from error
        if {len(seed) for seed in seeds.values()} != {_SEED_BYTES}:
            raise StorageError("the file of the cross-signing identity is damaged")
        return made

    @property
    def master_key(self) -> str:
        """The public master key, unpadded base64: what clients pin and people compare by voice."""
        return public_key(self.master)


def load_session(key_dir: Path, *, ca_file: Path | None = None) -> Session:
    """From ``session.json``. Raises :class:`StorageError` or :class:`WrongUse`."""
    stored = read_private(key_dir / SESSION_FILE)
    if stored is None:
        raise WrongUse(
            "the bot is not logged in", mend="run pli homeserver run, or pli login --user … --password-file …"
        )
    values = {
        name: as_text(stored.get(name)) for name in ("homeserver", "user_id", "device_id", "access_token")
    }
    if not all(values.values()):
        raise StorageError("session.json is damaged", mend="log in again: pli login")
    return Session(
        homeserver=values["homeserver"],
        user=UserId(values["user_id"]),
        device_id=values["device_id"],
        token=Secret(values["access_token"]),
        ca_file=ca_file,
    )


def public_key(seed: SecretBytes) -> str:
    return unpadded(Ed25519PrivateKey.from_private_bytes(seed.reveal()).public_key().public_bytes_raw())


def unpadded(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()
