"""Text as it may reach a patient: one Unicode form, no control or direction characters, bounded length."""

from __future__ import annotations

import re
import unicodedata

from bot.agenda.fault import Fault

PATIENT_CHARS = 100
NAME_CHARS = 200
NOTE_CHARS = 600
SOURCE_CHARS = 512
TYPE_CHARS = 200
_LINE_BREAKS = re.compile("\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f"  # control characters, the line feed excepted
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # characters that turn the direction of writing
    "\u200b\ufeff\ud800-\udfff]"  # zero-width space, byte order mark, halves of characters
)


def clean(text: str, field: str, limit: int, *, lines: bool = False) -> str:
    """Strip and normalise ``text`` (NFC); line breaks are kept with ``lines``, else they become spaces.

    Raises :class:`Fault` for a NUL, which no program writes on purpose, and beyond ``limit`` characters.
    """
    if text.isascii() and text.isprintable():
        done = text.strip()
    else:
        if "\x00" in text:
            raise Fault(field=field, why="holds a NUL byte", mend="the file is damaged here: export it again")
        done = _LINE_BREAKS.sub("\n" if lines else " ", text).replace("\t", " ")
        done = unicodedata.normalize("NFC", _UNSEEN.sub("", done)).strip()
    if len(done) > limit:
        raise Fault(
            field=field,
            why=f"has {len(done)} characters, {limit} are the most",
            mend="shorten it in the agenda, or name another property or column for it",
        )
    return done


def framed(*parts: str) -> str:
    """Join ``parts`` so that no two different lists give the same text: each with its length before it."""
    return "".join(f"{len(part)}:{part}" for part in parts)
