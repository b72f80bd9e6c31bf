"""Small tables: what was seen already, wrong codes by sender, lines for the staff, named values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from bot.domain.records import Problem, ProblemKind
from bot.domain.values import RecipientId
from storage import tables as t
from storage.chunks import chunks
from storage.columns import Columns

# Minutes to wait after the n-th wrong code of one sender; the last goes on. Codes have over 60 secret bits, so this
# protects the processor (Argon2id) and the log rather than the code.
CODE_DELAYS = (0, 0, 1, 2, 5, 15, 30, 60)
WRONG_CODES_IN_ALL, WITHIN = 30, timedelta(hours=1)
_ALL = ""  # no sender: theirs are blind indexes

_SEEN = select(t.seen.c.key).where(t.seen.c.key.in_(bindparam("wanted", expanding=True)))


class SeenRows:
    """Digests of events and of Megolm (session, index) pairs that were handled, so that nothing is obeyed twice."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, keys: Sequence[str], now: datetime) -> bool:
        known = set(self._db.execute(_SEEN, {"wanted": list(keys)}).scalars())
        fresh = [k for k in dict.fromkeys(keys) if k not in known]
        if fresh:
            self._db.execute(insert(t.seen), [{"key": k, "at": now} for k in fresh])
        return not known

    def not_within(self, key: str, now: datetime, *, span: timedelta) -> bool:
        """True if ``key`` was not noted within ``span``; then it is noted now. A clock that was set back waits."""
        c = t.seen.c
        at = self._db.execute(select(c.at).where(c.key == key)).scalar_one_or_none()
        if at is None:
            self._db.execute(insert(t.seen).values(key=key, at=now))
        elif at + span <= now:
            self._db.execute(update(t.seen).where(c.key == key).values(at=now))
        else:
            return False
        return True

    def purge(self, before: datetime) -> int:
        return int(self._db.execute(delete(t.seen).where(t.seen.c.at < before)).rowcount)


class GuessRows:
    """Wrong codes. Counted per sender, and for all senders together under the empty name.

    A sender without a wrong code never waits. The others wait for their own last one, and where there were
    :data:`WRONG_CODES_IN_ALL` of all senders, until :data:`WITHIN` has passed since the first of those. A clock
    that was set back starts a running wait again, once. A sender that is ``alone`` neither adds to the count of all
    nor waits for it.
    """

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def wait_seconds(self, sender: str, now: datetime, *, alone: bool = False) -> float:
        """To be committed: what a clock that was set back does is remembered."""
        own, everybody = self._counted(sender, now), None if alone else self._counted(_ALL, now)
        if own is None:
            return 0.0
        count, at = own
        ends = at + timedelta(minutes=CODE_DELAYS[min(count, len(CODE_DELAYS)) - 1])
        if everybody is not None and everybody[0] >= WRONG_CODES_IN_ALL:
            ends = max(ends, everybody[1] + WITHIN)
        return max(0.0, (ends - now).total_seconds())

    def wrong(self, sender: str, now: datetime, *, alone: bool = False) -> None:
        count, _ = self._counted(sender, now) or (0, now)
        self._write(sender, count + 1, now)
        if alone:
            return
        everybody, since = self._counted(_ALL, now) or (0, now)
        if now - since >= WITHIN:
            everybody, since = 0, now
        self._write(_ALL, everybody + 1, since)

    def clear(self, sender: str, *, alone: bool = False) -> None:
        """The last one was right after all."""
        self._db.execute(delete(t.guess).where(t.guess.c.sender == sender))
        if alone:
            return
        c = t.guess.c
        self._db.execute(update(t.guess).where(c.sender == _ALL).values({"count": c["count"] - 1}))
        self._db.execute(delete(t.guess).where(c.sender == _ALL, c["count"] <= 0))

    def purge(self, before: datetime) -> int:
        return int(self._db.execute(delete(t.guess).where(t.guess.c.at < before)).rowcount)

    def _counted(self, sender: str, now: datetime) -> tuple[int, datetime] | None:
        c = t.guess.c
        row = self._db.execute(select(c["count"], c.at).where(c.sender == sender)).one_or_none()
        if row is None:
            return None
        if row[1] > now:
            self._write(sender, row[0], now)
        return row[0], min(row[1], now)

    def _write(self, sender: str, count: int, at: datetime) -> None:
        values = {"count": count, "at": at}
        changed = self._db.execute(update(t.guess).where(t.guess.c.sender == sender).values(values))
        if not changed.rowcount:
            self._db.execute(insert(t.guess).values({"sender": sender, **values}))


class ProblemRows:
    """Lines for the staff: a kind, a time, an opaque id."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, kind: ProblemKind, now: datetime, recipient: RecipientId | None = None) -> None:
        self._db.execute(insert(t.problem).values(at=now, kind=kind.value, recipient=recipient))

    def all(self) -> Sequence[Problem]:
        return [
            Problem(
                id=row["id"],
                told=row["told"],
                at=row["at"],
                kind=ProblemKind(row["kind"]),
                recipient=RecipientId(row["recipient"]) if row["recipient"] else None,
            )
            for row in self._db.execute(select(t.problem).order_by(t.problem.c.id)).mappings()
        ]

    def clear(self) -> int:
        return int(self._db.execute(delete(t.problem)).rowcount)

    def mark_told(self, problems: Iterable[int]) -> None:
        for chunk in chunks(problems):
            self._db.execute(update(t.problem).where(t.problem.c.id.in_(chunk)).values(told=True))

    def purge(self, before: datetime) -> int:
        return int(self._db.execute(delete(t.problem).where(t.problem.c.at < before)).rowcount)


# Made once: every transaction asks (:mod:`storage.data_key` 3), and making the question costs more than the answer.
_NAMED = select(t.meta.c.value_enc).where(t.meta.c.name == bindparam("wanted"))


class MetaRows:
    """Small named values, sealed."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def get(self, name: str) -> str | None:
        sealed = self._db.execute(_NAMED, {"wanted": name}).scalar_one_or_none()
        return None if sealed is None else self._columns.open(sealed, table="meta", column="value", row=name)

    def set(self, name: str, value: str) -> None:
        sealed = self._columns.seal(value, table="meta", column="value", row=name)
        changed = self._db.execute(update(t.meta).where(t.meta.c.name == name).values(value_enc=sealed))
        if not changed.rowcount:
            self._db.execute(insert(t.meta).values(name=name, value_enc=sealed))

    def remove(self, name: str) -> None:
        self._db.execute(delete(t.meta).where(t.meta.c.name == name))
