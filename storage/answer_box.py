"""What a patient answered, at rest: sealed to the practice's answer key, whose private half the bot has not.

1. The box is bound to its answer and its recipient: one moved to another row does not open.
2. The length of the text is hidden in steps of 512 bytes.

Not promised: authenticity. Whoever writes to the database may seal an answer of their own; the audit log,
whose key is not in the database, shows which answers the bot recorded.
"""

from __future__ import annotations

from bot.domain.values import RecipientId, SecretBytes
from storage.framing import frame
from storage.sealed_box import open_box, seal_box


def seal_answer(text: bytes, *, answer: str, recipient: RecipientId, practice_public: bytes) -> bytes:
    """Seal ``text`` to a raw X25519 public key."""
    return seal_box(text, practice_public, _info(answer, recipient))


def open_answer(box: bytes, *, answer: str, recipient: RecipientId, practice_private: SecretBytes) -> bytes:
    """Raises :class:`bot.errors.InvalidSeal`."""
    return open_box(box, practice_private, _info(answer, recipient))


def _info(answer: str, recipient: RecipientId) -> bytes:
    return b"pli/v1/answer" + frame(answer, recipient)
