"""Hold nudges back while this machine's wall clock cannot be believed (:mod:`bot.domain.clock_watch`).

1. A clock is looked at before every claim, with the very moment that the claim would go by: nothing is claimed, sent or
   dropped as too late on the word of a doubtful clock, and no nightly purge runs by it.
2. Doubt is noted durably before anything else is done about it, and told to the staff once; that it is over needs
   nobody, and is not told.
3. What was to leave soon after a moment that a clock set back made future again (answers, messages to be taken back)
   leaves at once: waiting would break a promise, leaving early breaks none.
4. An administrator can say that the clock is right as it is (:class:`TrustClock`): nudges go on from there.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.domain.clock_watch import Clockwork, Look, Noted, Tolerance, judge, noted
from bot.domain.records import AuditKind, OutboxKind, ProblemKind
from bot.errors import InvalidSeal
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory

log = logging.getLogger("pli.clock")

CLOCK: Final = "clock"  # the named value: the last good look, and the last doubted one
NOTE_EVERY: Final = timedelta(minutes=1)
_PROMISED: Final = (OutboxKind.OPEN, OutboxKind.REPLY, OutboxKind.RELEASE, OutboxKind.REDACT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Steady:
    """A clock that is never set: ``seconds`` since the boot that ``boot`` names."""

    seconds: Callable[[], float]
    boot: str

    def look(self, wall: datetime) -> Look:
        return Look(wall=wall, steady=self.seconds(), boot=self.boot)


class WatchClock:
    """One instance a process; safe from any thread. :meth:`load` first."""

    def __init__(
        self, uow: UnitOfWorkFactory, *, now: Callable[[], datetime], steady: Steady, tolerance: Tolerance
    ) -> None:
        self._uow, self._now, self._steady, self._tolerance = uow, now, steady, tolerance
        self._lock = threading.Lock()
        self._noted: Noted | None = None
        self._stored: Noted | None = None
        self._thinks = Clockwork.GOOD

    @property
    def thinks(self) -> Clockwork:
        """What the last look showed: for the health page."""
        return self._thinks

    def load(self) -> Clockwork:
        """At the start, before anything is claimed: against what was noted by an earlier life. Raises
        :class:`bot.errors.StorageError`.
        """
        with self._uow() as uow:
            self._stored = _read(uow)
        self._begin_from(self._stored)
        return self.note()

    def agrees(self, now: datetime) -> bool:
        """Whether ``now`` may be believed (rule 1). Reads no storage."""
        return self._judge(now)[0] is Clockwork.GOOD

    def note(self) -> Clockwork:
        """Again and again, from one place: look, and write down what is new (rules 2 to 4). Raises
        :class:`bot.errors.StorageError`, and then it is written the next time.
        """
        thinks, seen = self._judge(self._now())
        if thinks is not Clockwork.GOOD or self._is_old(seen):
            self._write(thinks, seen)
        return self._thinks

    def _judge(self, now: datetime) -> tuple[Clockwork, Noted]:
        with self._lock:  # never while the storage is asked: a claim holds a transaction and looks here
            look = self._steady.look(now)
            thinks = judge(self._noted, look, self._tolerance)
            if thinks is not self._thinks:
                if thinks is Clockwork.GOOD:
                    log.info("the wall clock is believed again")
                else:
                    log.error("the wall clock is in doubt", extra={"problem": thinks.value})
            self._noted, self._thinks = noted(self._noted, look, self._tolerance), thinks
            return thinks, self._noted

    def _begin_from(self, known: Noted | None) -> None:
        with self._lock:
            self._noted = known

    def _is_old(self, seen: Noted) -> bool:
        """A minute passed since it was written, or the doubt that was is over."""
        stored = self._stored
        return stored is None or stored.doubted is not None or _is_later(stored.good, seen.good)

    def _write(self, thinks: Clockwork, seen: Noted) -> None:
        stored, doubted = self._stored, seen.doubted
        with self._uow() as uow:
            trusted = _read(uow)
            if doubted is not None and trusted is not None and trusted != stored and trusted.doubted is None:
                self._stored = trusted  # rule 4
                self._begin_from(trusted)
                self._judge(self._now())
                return
            told = stored.doubted if stored is not None else None
            if doubted is not None and told is not None and not _is_later(told, doubted):
                return
            if doubted is not None and told is None:
                uow.problems.add(ProblemKind.CLOCK, doubted.wall)  # rule 2
                if thinks is Clockwork.BEHIND:
                    uow.outbox.bring_forward(_PROMISED, doubted.wall)  # rule 3
            _store(uow, seen)
            uow.commit()
        self._stored = seen


def _is_later(before: Look, look: Look) -> bool:
    return before.boot != look.boot or abs(look.steady - before.steady) >= NOTE_EVERY.total_seconds()


class TrustClock:
    """Rule 4: whoever calls this looked at the clock, and it is right."""

    def __init__(self, uow: UnitOfWorkFactory, *, steady: Steady) -> None:
        self._uow, self._steady = uow, steady

    def __call__(self, now: datetime) -> bool:
        """False where there was no doubt, and nothing was changed."""
        with self._uow() as uow:
            known = _read(uow)
            if known is None or known.doubted is None:
                return False
            _store(uow, Noted(good=self._steady.look(now)))
            uow.audit.add(AuditKind.RESUMED, now, note="clock=1")
            uow.commit()
        return True


def clock_in_doubt(uow: UnitOfWork) -> bool:
    """As noted by the bot."""
    known = _read(uow)
    return known is not None and known.doubted is not None


def forget_clock(uow: UnitOfWork) -> None:
    """What a backup noted says nothing of the machine that it is restored on."""
    uow.meta.remove(CLOCK)


def _store(uow: UnitOfWork, known: Noted) -> None:
    looks = [known.good] if known.doubted is None else [known.good, known.doubted]
    uow.meta.set(CLOCK, json.dumps([[look.wall.isoformat(), look.steady, look.boot] for look in looks]))


def _read(uow: UnitOfWork) -> Noted | None:
    """What does not read is as if nothing had been noted: the next good look is noted in its place."""
    try:
        looks = [
            Look(wall=datetime.fromisoformat(wall), steady=float(steady), boot=str(boot))
            for wall, steady, boot in json.loads(uow.meta.get(CLOCK) or "[]")
        ]
    except (InvalidSeal, ValueError, TypeError):
        return None
    if not looks or len(looks) > 2 or any(look.wall.tzinfo is None for look in looks):
        return None
    return Noted(good=looks[0], doubted=looks[1] if len(looks) > 1 else None)
