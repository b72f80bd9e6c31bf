"""What rests sealed, as whoever may write to the database could change it. Only what was sealed here opens."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.domain.values import AppointmentId, KeyId, RecipientId, SecretBytes
from bot.errors import InvalidSeal
from storage import envelope
from storage.answer_box import open_answer, seal_answer
from storage.columns import Columns
from storage.envelope import Header
from storage.framing import frame, pad, unpad
from storage.sealed_box import open_box, public_half, seal_box
from storage.signatures import sign
from storage.wrap import unwrap_key, wrap_key
from tests.fuzz.kind import Parser

_PRIVATE = SecretBytes(bytes(range(32)))
_PUBLIC = public_half(_PRIVATE)
_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
_HEADER = Header(
    key_id=KeyId("k-1"), appointment=AppointmentId("a-1"), recipient=RecipientId("r-1"), revision=3
)
_DETAIL = b'{"source":"u-1"}'
_KEK = SecretBytes(bytes(range(2, 34)))
_COLUMNS = Columns(SecretBytes(bytes(range(3, 35))))
_CELL = {"table": "recipient", "column": "room_enc", "row": "r-1"}
_ENVELOPE = envelope.seal(_DETAIL, _HEADER, _PUBLIC, _SIGNER)
_ANSWER = seal_answer(b'{"text":"x"}', answer="n-1", recipient=RecipientId("r-1"), practice_public=_PUBLIC)
_WRAP = wrap_key(_PRIVATE, _KEK, recipient=RecipientId("r-1"), key_id=KeyId("k-1"), generation=2)
_ROOM = _COLUMNS.seal("!room:pli.localhost", **_CELL)


def _open(blob: bytes) -> None:
    assert envelope.open(blob, _HEADER, _PRIVATE, _SIGNER.public_key()) == _DETAIL
    assert blob == _ENVELOPE


def _open_signed(box: bytes) -> None:
    """A box of whoever has the importer's key, which is as much as to say: what is behind the signature."""
    head = _HEADER.encode()
    preceding = head + frame(box)
    blob = preceding + sign(_SIGNER, "pli/v1/envelope", preceding)
    assert envelope.verify(blob, _HEADER, _SIGNER.public_key())
    assert envelope.open(blob, _HEADER, _PRIVATE, _SIGNER.public_key()) == _DETAIL


def _seal_to(public: bytes) -> None:
    assert open_box(seal_box(_DETAIL, public, b"info"), _PRIVATE, b"info") == _DETAIL
    assert public[:31] == _PUBLIC[:31]  # X25519 ignores the topmost bit


def _answer(box: bytes) -> None:
    found = open_answer(box, answer="n-1", recipient=RecipientId("r-1"), practice_private=_PRIVATE)
    assert (box, found) == (_ANSWER, b'{"text":"x"}')


def _wrap(wrapped: bytes) -> None:
    found = unwrap_key(wrapped, _KEK, recipient=RecipientId("r-1"), key_id=KeyId("k-1"), generation=2)
    assert (wrapped, found.reveal()) == (_WRAP, _PRIVATE.reveal())


def _column(sealed: bytes) -> None:
    assert _COLUMNS.open(sealed, **_CELL) == "!room:pli.localhost"
    assert sealed == _ROOM


def _unpad(padded: bytes) -> None:
    assert pad(unpad(padded)) == padded


def _seeds(*given: bytes) -> Sequence[bytes]:
    return given


PARSERS: dict[str, Parser] = {
    "envelope": (_open, lambda: _seeds(_ENVELOPE), (InvalidSeal,), 1.0),
    "envelope-signed": (
        _open_signed,
        lambda: _seeds(seal_box(_DETAIL, _PUBLIC, b"pli/v1/detail" + _HEADER.encode()), b""),
        (InvalidSeal,),
        1.0,
    ),
    "box-key": (_seal_to, lambda: _seeds(_PUBLIC, bytes(32), b""), (InvalidSeal,), 1.0),
    "answer": (_answer, lambda: _seeds(_ANSWER), (InvalidSeal,), 1.0),
    "wrap": (_wrap, lambda: _seeds(_WRAP), (InvalidSeal,), 1.0),
    "column": (_column, lambda: _seeds(_ROOM), (InvalidSeal,), 1.0),
    "padding": (_unpad, lambda: _seeds(pad(b"x"), pad(b"")), (ValueError,), 1.0),
}
