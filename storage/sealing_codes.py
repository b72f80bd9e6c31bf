"""What an invitation that re-pins stores of its one-time code."""

from __future__ import annotations

import hashlib
import hmac

from bot.domain.values import Secret
from storage.wrap import Profile, hash_secret

_RELINK = b"pli/v1/relink-code"


def relink_verifier(code: Secret, salt: bytes, profile: Profile) -> bytes:
    """32 bytes, one-way over Argon2id of the code's 65 secret bits."""
    return hmac.new(hash_secret(code, salt, profile).reveal(), _RELINK, hashlib.sha256).digest()
