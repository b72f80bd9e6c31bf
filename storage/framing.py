"""Unambiguous byte strings: every field is preceded by its length, so that no two lists read alike."""

from __future__ import annotations

import struct

_LENGTH = struct.Struct(">I")
PAD_TO = 512


def frame(*fields: bytes | str) -> bytes:
    """Each field as its length (4 bytes, big-endian) and its bytes; text as UTF-8."""
    parts: list[bytes] = []
    for field in fields:
        data = field.encode() if isinstance(field, str) else field
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def pad(data: bytes, block: int = PAD_TO) -> bytes:
    """``data`` framed, then zeros up to the next multiple of ``block`` bytes."""
    framed = frame(data)
    return framed + bytes(-len(framed) % block)


def unpad(padded: bytes, block: int = PAD_TO) -> bytes:
    """Inverse of :func:`pad`; raises ``ValueError`` unless ``padded`` is exactly what :func:`pad` makes."""
    if len(padded) < _LENGTH.size:
        raise ValueError("too short")
    (length,) = _LENGTH.unpack_from(padded)
    data = padded[_LENGTH.size : _LENGTH.size + length]
    if pad(data, block) != padded:
        raise ValueError("not padded as agreed")
    return data
