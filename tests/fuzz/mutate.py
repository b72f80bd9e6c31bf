"""Faults in bytes, and in the values of a JSON text. Reproducible from a seed."""

from __future__ import annotations

import json
import random
from typing import Any, Final

from bot.channels.matrix.safejson import parse

LONGEST: Final = 16_384
_TOKENS: Final = (
    *(
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\r\n",
        b'"',
        b"\\",
        b";",
        b":",
        b",",
        b"{",
        b"}",
        b"=",
        b"%",
    ),
    *(
        b"[" * 3000,
        b"9" * 400,
        b"0",
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"\\ud800",
        b"'",
        b"\xd9\xa3",
        b"\xe2\x80\x8f",
    ),
    *(b"T", b"Z", b"P1D", b"00010101T000000", b"99991231T235959Z"),
    *(b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59"),
)
_ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2**53, 2**63, 10**400, 1.5, 1e300, "", "\ud800", "\x00", "a" * 300),
    *([], {}, [[]], [None], {"": ""}, "m.room.message", "m.room.member", "m.room.encrypted"),
    *("m.megolm.v1.aes-sha2", "join", "@a:b", "!r:b"),
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one to eight faults; of JSON every other time a value instead of bytes."""
    if chance.random() < 0.5:
        try:
            value = parse(data)
        except ValueError:
            value = None
        if isinstance(value, dict | list) and value:
            for _ in range(chance.randint(1, 4)):
                value = _other_value(value, chance)
            try:
                return json.dumps(value).encode()[:LONGEST]
            except (RecursionError, ValueError):
                return data
    return _other_bytes(data, chance)[:LONGEST]


def _other_value(value: Any, chance: random.Random) -> Any:
    """``value`` with one part replaced, left out, doubled or put under another name; itself unchanged."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(_ODD_VALUES)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        other = [[], [value[at], value[at]]][chance.randrange(2)]
        if chance.random() < 0.6:
            other = [_other_value(value[at], chance)]
        return [*value[:at], *other, *value[at + 1 :]]
    name = chance.choice(list(value))
    kept = {k: v for k, v in value.items() if k != name}
    match chance.randrange(8):
        case 0:
            return kept
        case 1:
            return {**value, chance.choice(["", "\ud800", "x" * 200, str(name) + "\ud800"]): value[name]}
        case 2:
            return {**kept, "\ud800": value[name]}
    return {**value, name: _other_value(value[name], chance)}


def _other_bytes(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(6):
            case 0 if at < len(made):
                made[at] = chance.randrange(256)
            case 1 if at < len(made):
                made[at] ^= 1 << chance.randrange(8)
            case 2:
                del made[at : at + chance.randrange(1, 40)]
            case 3:
                made[at:at] = made[chance.randrange(len(made) + 1) :][: chance.randrange(80)]
            case 4:
                made[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 8)))
            case _:
                made[at:at] = chance.choice(_TOKENS)
    return bytes(made)
