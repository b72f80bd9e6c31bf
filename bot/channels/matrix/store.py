"""The device's encrypted store: nio's tables, looked into when something is needed, and emptied of the rest.

Nothing but the account is kept in memory. Enforces rules 11 and 13 to 16 of :mod:`bot.channels.matrix.olm`;
``place`` is a room's keyed digest and ``owner`` a person's (rule 9).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

import peewee
from nio.crypto import InboundGroupSession, Session  # type: ignore[import-untyped]  # nio ships no types
from nio.store import SqliteStore  # type: ignore[import-untyped]  # as above

_LOCK_SECONDS: Final = 0.5
_MOMENT: Final = "%Y-%m-%d %H:%M:%S.%f"  # as nio writes it
_OWN_TABLES: Final = (
    # AUTOINCREMENT: a number is never given twice, so "up to this one" means the same after deletions
    "CREATE TABLE IF NOT EXISTS pli_read (id INTEGER PRIMARY KEY AUTOINCREMENT, room_id TEXT NOT NULL,"
    " session_id TEXT NOT NULL, message_index INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS pli_gone (owner TEXT NOT NULL PRIMARY KEY)",
    "CREATE INDEX IF NOT EXISTS pli_by_room ON megolminboundsessions (room_id, sender_key)",
    "CREATE INDEX IF NOT EXISTS pli_by_sender ON olmsessions (sender_key)",
    "CREATE INDEX IF NOT EXISTS pli_by_owner ON olmsessions (owner)",
)


class _Database(peewee.SqliteDatabase):
    def bind_ctx(self, models: Iterable[type[peewee.Model]], *_: object, **__: object) -> Any:  # noqa: ANN401 - peewee's own type is private
        """nio binds all of its models at each call: searching for those that they refer to finds no others."""
        return super().bind_ctx(models, bind_refs=False, bind_backrefs=False)


class Store(SqliteStore):  # type: ignore[misc]  # nio ships no types
    """One device's. Its methods raise peewee's errors."""

    def _create_database(self) -> peewee.SqliteDatabase:
        pragmas = {"foreign_keys": 1, "secure_delete": 1, "journal_mode": "wal", "synchronous": "full"}
        # Closed is closed: the lock on the device is given back with it. Nobody else has business in this file: whoever
        # locks it is not waited for, because everything of this process waits meanwhile.
        return _Database(self.database_path, pragmas=pragmas, autoconnect=False, timeout=_LOCK_SECONDS)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._account: int | None = None
        columns = {row[1] for row in self._rows("PRAGMA table_info(olmsessions)")}
        if "owner" not in columns:
            self._run("ALTER TABLE olmsessions ADD COLUMN owner TEXT NOT NULL DEFAULT ''")
        for statement in _OWN_TABLES:
            self._run(statement)
        self._truncated_at = -1

    # -- Olm sessions --------------------------------------------------------------------------------------

    def save_session(self, curve_key: str, session: Session, owner: str = "") -> None:
        """``owner`` counts when the session is new."""
        self._run(
            "INSERT INTO olmsessions"
            " (creation_time, last_usage_date, sender_key, account_id, session, session_id, owner)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE"
            " SET session = excluded.session, last_usage_date = excluded.last_usage_date",
            session.creation_time.strftime(_MOMENT),
            session.use_time.strftime(_MOMENT),
            curve_key,
            self._account_id(),
            session.pickle(self.pickle_key),
            session.id,
            owner,
        )

    def sessions_with(self, curve_key: str) -> list[Session]:
        """Last used first."""
        return [
            Session.from_pickle(
                bytes(pickle),
                datetime.strptime(created, _MOMENT),  # noqa: DTZ007 - nio's moments are naive and only compared
                self.pickle_key,
                datetime.strptime(used, _MOMENT),  # noqa: DTZ007 - as above
            )
            for pickle, created, used in self._rows(
                "SELECT session, creation_time, last_usage_date FROM olmsessions WHERE sender_key = ?"
                " ORDER BY last_usage_date DESC, rowid DESC",
                curve_key,
            )
        ]

    def has_session_with(self, curve_key: str) -> bool:
        return bool(self._rows("SELECT 1 FROM olmsessions WHERE sender_key = ? LIMIT 1", curve_key))

    def keep_newest_sessions(self, curve_key: str, count: int) -> None:
        self._run(
            "DELETE FROM olmsessions WHERE sender_key = ? AND session_id NOT IN (SELECT session_id"
            " FROM olmsessions WHERE sender_key = ? ORDER BY last_usage_date DESC, rowid DESC LIMIT ?)",
            *(curve_key, curve_key, count),
        )

    # -- inbound Megolm sessions ---------------------------------------------------------------------------

    def save_inbound_group_session(self, session: InboundGroupSession) -> None:
        self._run(
            "INSERT INTO megolminboundsessions (sender_key, account_id, fp_key, room_id, session, session_id)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET session = excluded.session",
            session.sender_key,
            self._account_id(),
            session.ed25519,
            session.room_id,
            session.pickle(self.pickle_key),
            session.id,
        )

    def knows(self, session_id: str) -> bool:
        return bool(self._rows("SELECT 1 FROM megolminboundsessions WHERE session_id = ?", session_id))

    def inbound(self, place: str, session_id: str) -> InboundGroupSession | None:
        for sender_key, signing_key, pickle in self._rows(
            "SELECT sender_key, fp_key, session FROM megolminboundsessions"
            " WHERE session_id = ? AND room_id = ?",
            *(session_id, place),
        ):
            return InboundGroupSession.from_pickle(
                bytes(pickle), signing_key, sender_key, place, self.pickle_key
            )
        return None

    def keep_newest_inbound(self, place: str, count: int) -> None:
        self._run(
            "DELETE FROM megolminboundsessions WHERE room_id = ? AND rowid NOT IN"
            " (SELECT rowid FROM megolminboundsessions WHERE room_id = ? ORDER BY rowid DESC LIMIT ?)",
            *(place, place, count),
        )

    def drop_older(self, session: InboundGroupSession) -> None:
        """Rule 14: rows are numbered as they came."""
        self._run(
            "DELETE FROM megolminboundsessions WHERE room_id = ? AND sender_key = ? AND rowid <"
            " (SELECT rowid FROM megolminboundsessions WHERE session_id = ?)",
            *(session.room_id, session.sender_key, session.id),
        )

    # -- what was read (rule 13) ---------------------------------------------------------------------------

    def note_read(self, place: str, session_id: str, index: int) -> None:
        self._run(
            "INSERT INTO pli_read (room_id, session_id, message_index) VALUES (?, ?, ?)",
            *(place, session_id, index),
        )

    def last_note(self) -> int:
        """The number of the newest note; 0 where there is none."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM pli_read")[0][0])

    def noted(self, up_to: int) -> list[tuple[str, str, int]]:
        """(place, session id, latest index) of what was read up to the note ``up_to``."""
        return self._rows(
            "SELECT room_id, session_id, max(message_index) FROM pli_read WHERE id <= ?"
            " GROUP BY room_id, session_id",
            up_to,
        )

    def drop_notes(self, up_to: int) -> None:
        self._run("DELETE FROM pli_read WHERE id <= ?", up_to)

    # -- who is gone (rule 15) -----------------------------------------------------------------------------

    def drop_place(self, place: str) -> None:
        self._run("DELETE FROM megolminboundsessions WHERE room_id = ?", place)
        self._run("DELETE FROM pli_read WHERE room_id = ?", place)

    def drop_owner(self, owner: str) -> None:
        self._run(
            "INSERT OR IGNORE INTO pli_gone (owner) SELECT owner FROM olmsessions WHERE owner = ?", owner
        )
        self._run("DELETE FROM olmsessions WHERE owner = ?", owner)

    def is_gone(self, owner: str) -> bool:
        return bool(self._rows("SELECT 1 FROM pli_gone WHERE owner = ?", owner))

    def is_back(self, owner: str) -> None:
        self._run("DELETE FROM pli_gone WHERE owner = ?", owner)

    def places(self) -> list[str]:
        return [place for (place,) in self._rows("SELECT DISTINCT room_id FROM megolminboundsessions")]

    def owners(self) -> list[str]:
        return [owner for (owner,) in self._rows("SELECT DISTINCT owner FROM olmsessions WHERE owner != ''")]

    # ------------------------------------------------------------------------------------------------------

    def truncate_log(self) -> None:
        """Rule 16: what was overwritten or deleted would stay in the write-ahead log."""
        changes = self.database.connection().total_changes
        if changes != self._truncated_at:
            busy, _, _ = self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
            self._truncated_at = -1 if busy else changes

    def _account_id(self) -> int:
        if self._account is None:
            self._account = int(self._get_account().id)
        return self._account

    def _run(self, sql: str, *values: object) -> None:
        self.database.execute_sql(sql, values)

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self.database.execute_sql(sql, values).fetchall()  # type: ignore[no-any-return]  # peewee's cursor


class OlmSessions:
    """What nio asks of its store of Olm sessions; keeps nothing itself."""

    def __init__(self, find: Callable[[str], list[Session]]) -> None:
        self._find = find

    def __getitem__(self, curve_key: str) -> list[Session]:
        return self._find(curve_key)

    def add(self, _curve_key: str, _session: Session) -> bool:
        return True  # nio saves it next
