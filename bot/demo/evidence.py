"""What outsiders hold: the homeserver's database and Pli's own, read as a thief reads them, while both are in use."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def query(database: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a SQLite file that another process may be writing."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(sql, values).fetchall()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One event as the homeserver keeps it; ``at`` in seconds."""

    type: str
    sender: str
    at: float
    ciphertext: str | None


class HomeserverDatabase:
    """``homeserver.db`` of Synapse."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def event(self, event: str) -> Stored:
        """Raises ``LookupError`` for an event that is not there."""
        for (text,) in query(self._file, "SELECT json FROM event_json WHERE event_id = ?", event):
            return _stored(text)
        raise LookupError("the homeserver has no such event")

    def sent_by(self, user: str) -> list[Stored]:
        """Every event of one account."""
        rows = query(
            self._file,
            "SELECT json FROM event_json JOIN events USING (event_id) WHERE sender = ? ORDER BY stream_ordering",
            user,
        )
        return [_stored(text) for (text,) in rows]

    def types(self) -> Counter[str]:
        """How many events of each type there are."""
        return Counter(
            {str(kind): n for kind, n in query(self._file, "SELECT type, count(*) FROM events GROUP BY type")}
        )

    def accounts(self) -> list[str]:
        return [
            str(name) for (name,) in query(self._file, "SELECT name FROM users ORDER BY creation_ts, name")
        ]


def _stored(text: str) -> Stored:
    event = json.loads(text)
    ciphertext = event["content"].get("ciphertext")
    return Stored(
        type=event["type"],
        sender=event["sender"],
        at=event["origin_server_ts"] / 1000,
        ciphertext=ciphertext if isinstance(ciphertext, str) else None,
    )
