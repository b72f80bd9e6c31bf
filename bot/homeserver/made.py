"""What generating hands over: files with their modes, and the secrets that go into them. Values only."""

from __future__ import annotations

import base64
import secrets as entropy
from dataclasses import dataclass

from bot.domain.values import Secret
from bot.homeserver.settings import ServerSecrets

PRIVATE, OPEN = 0o600, 0o644


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file to be written."""

    text: str
    mode: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Secrets:
    """``signing_seed`` is 32 bytes in unpadded base64, ``signing_id`` the key's name."""

    server: ServerSecrets
    signing_seed: Secret
    signing_id: str
    database: Secret

    @classmethod
    def new(cls) -> Secrets:
        """Drawn from the system's generator."""
        return cls(
            server=ServerSecrets(registration=_new(), macaroon=_new(), form=_new()),
            signing_seed=Secret(base64.b64encode(entropy.token_bytes(32)).decode().rstrip("=")),
            signing_id=f"a_{entropy.token_hex(3)}",
            database=_new(),
        )

    @classmethod
    def placeholders(cls) -> Secrets:
        """For showing the files without making anything."""
        word = Secret("(drawn when the file is written)")
        return cls(
            server=ServerSecrets(registration=word, macaroon=word, form=word),
            signing_seed=word,
            signing_id="a_000000",
            database=word,
        )


def _new() -> Secret:
    return Secret(entropy.token_urlsafe(32))
