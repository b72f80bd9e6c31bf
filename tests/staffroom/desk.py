"""A desk of the tests' own, in the bot's process. Its memory is a folder: it outlives a kill as a real one does.

===========================  ==========================================================================================
line                         what it does
===========================  ==========================================================================================
``long``                     a text that takes several messages
``plain``                    an answer without details
``leaflet``, ``picture``     a file
``die``                      carries it out, and the process dies before its answer is known
``nothing``                  no answer at all
anything else                ``heard: …``
===========================  ==========================================================================================

Files beside ``done``: ``away`` (it does not answer while that is there), ``news`` (a token, whether it is urgent, a
text), ``die-when-told`` (the process dies when it hears that something arrived).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.domain.staff import StaffFile, StaffOrder, StaffReply
from bot.errors import DeskError

LEAFLET = b"%PDF-1.7 one page \xff\x00" * 400
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
LONG = "\n".join(f'line {number} of "many", à dire à l’équipe' for number in range(200)) + "\nthe end"
MORNING = "17 nudged, 12 opened"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileDesk:
    """See the module."""

    folder: Path

    # -- bot.ports_staff.Desk ------------------------------------------------------------------------------------

    async def order(self, order: StaffOrder) -> StaffReply:
        self._here()
        self._append("called", order.key)
        new = order.key not in {done["key"] for done in self.done()}
        if new:
            entry = {"key": order.key, "member": order.member, "line": order.line}
            if order.file is not None:
                entry["file"] = _told(order.file)
            self._append("done", json.dumps(entry))
        if order.line == "die" and new:
            os.kill(os.getpid(), signal.SIGKILL)
        return _reply(order)

    async def news(self, *, urgent: bool) -> StaffReply:
        self._here()
        file = self.folder / "news"
        if not file.exists():
            return StaffReply()
        token, is_urgent, text = json.loads(file.read_text())
        if token in self._lines("told") or (urgent and not is_urgent):
            return StaffReply()
        return StaffReply(texts=(text,), private=True, token=token)

    async def told(self, token: str) -> None:
        self._here()
        if (self.folder / "die-when-told").exists():
            (self.folder / "die-when-told").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        self._append("told", token)

    async def morning(self) -> StaffReply:
        self._here()
        self._append("mornings", "asked")
        return StaffReply(texts=(MORNING,), token="morning")

    async def alive(self) -> Literal[True]:
        self._here()
        return True

    async def close(self) -> None:
        """Nothing is open."""

    # -- for the tests -------------------------------------------------------------------------------------------

    def done(self) -> Sequence[dict[str, Any]]:
        """What was carried out."""
        return [json.loads(line) for line in self._lines("done")]

    def lines(self) -> Sequence[str]:
        return [done["line"] for done in self.done()]

    def calls(self) -> int:
        return len(self._lines("called"))

    def told_tokens(self) -> Sequence[str]:
        return self._lines("told")

    def mornings(self) -> int:
        return len(self._lines("mornings"))

    def set_away(self, *, away: bool) -> None:
        file = self.folder / "away"
        if away:
            file.touch()
        else:
            file.unlink(missing_ok=True)

    def set_news(self, token: str, text: str, *, urgent: bool) -> None:
        """Whole or not at all: the bot reads beside."""
        new = self.folder / "news.new"
        new.write_text(json.dumps([token, urgent, text]), encoding="utf-8")
        new.replace(self.folder / "news")

    def die_when_told(self) -> None:
        (self.folder / "die-when-told").touch()

    def _here(self) -> None:
        if (self.folder / "away").exists():
            raise DeskError

    def _append(self, name: str, line: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _reply(order: StaffOrder) -> StaffReply:
    if order.file is not None:
        return StaffReply(texts=(_told(order.file),), private=True)
    pdf = StaffFile(name="../leaflet one.pdf", media_type="application/pdf", data=LEAFLET)
    png = StaffFile(name="weeks.png", media_type="image/png", data=PICTURE)
    replies = {
        "long": StaffReply(texts=(LONG,), private=True),
        "plain": StaffReply(texts=("nothing in it",)),
        "nothing": StaffReply(),
        "leaflet": StaffReply(texts=("here it is",), files=(pdf,), private=True),
        "picture": StaffReply(files=(png,), private=True),
    }
    return replies.get(order.line, StaffReply(texts=(f"heard: {order.line}",), private=True))


def _told(file: StaffFile) -> str:
    return f"{file.name} {file.media_type} {hashlib.sha256(file.data).hexdigest()}"
