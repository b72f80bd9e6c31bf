"""A practitioner is away: cancel every booked appointment of theirs on these days, and say whom to telephone.

1. What matches is recomputed by the import side: the digests of (patient, practitioner) over all patients, and of the
   days; for half a day the hour too (:mod:`find_appointments`). A visit that was moved matches where it is now.
2. The practitioner's name must be as the agenda writes it, but for its title and capitals: how many visits of these
   days are with somebody else is told, so that a name that is written otherwise shows.
3. All of it or none of it, and at once: a cancellation waits for nobody's approval.
4. Whoever no nudge reaches in time is listed, by patient reference: nobody is enrolled, nothing to read, a dead
   channel, paused, news stopped, or quiet hours that end too late.
5. No list of the names is kept. Where nobody has the one that was typed, the digests of all names that are one letter
   away are computed and looked for among the visits of these days.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from bot.domain.human_dates import Days, Half
from bot.domain.records import AuditKind, StoredAppointment
from bot.domain.slots import NudgeRules, PlannedNudge
from bot.domain.values import AppointmentId
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.cancel_appointment import DAY, cancel_stored
from bot.services.find_appointments import booked_on, in_half
from bot.services.judge_reach import JudgeReach, Why

_TITLES = (
    "Dr",
    "Dr.",
    "Docteur",
    "Docteure",
    "Doctor",
    "Pr",
    "Pr.",
    "Professeur",
    "Professeure",
    "Professor",
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzàâäçéèêëîïôöùûüÿœ' -"
MOST_COMPARED = 60  # visits
MOST_LETTERS = 40


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Absence:
    """``practitioner`` as typed."""

    practitioner: str
    days: Days


@dataclass(frozen=True, kw_only=True, slots=True)
class ToCall:
    """A patient to telephone, by the agenda's reference; ``day`` is the visit's."""

    patient: str = field(repr=False)
    day: date
    why: Why


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelled:
    """What :class:`CancelAbsence` did. ``others`` are the visits of these days with somebody else; ``undecided`` those
    with this practitioner whose hour is not known, by patient reference and day; ``near`` are names almost as typed
    that some of the others have, where nobody has the name itself.
    """

    cancelled: tuple[tuple[str, date], ...] = field(repr=False)
    to_call: tuple[ToCall, ...]
    undecided: tuple[tuple[str, date], ...] = field(repr=False)
    others: int = 0
    near: tuple[str, ...] = ()


class CancelAbsence:
    """Import side."""

    def __init__(self, uow: UnitOfWorkFactory, sealer: Sealer, *, rules: NudgeRules) -> None:
        self._uow, self._sealer, self._rules = uow, sealer, rules

    def __call__(self, absences: Sequence[Absence], *, now: datetime, dry_run: bool = False) -> Cancelled:
        """One transaction for all of them (rule 3)."""
        with self._uow() as uow:
            run = _Run(uow, self._sealer, self._rules, now)
            for absence in absences:
                run.take(absence)
            found = run.result()
            if found.cancelled and not dry_run:
                uow.audit.add(AuditKind.CANCELLED, now, count=len(found.cancelled))
                uow.commit()
        return found


class _Run:
    """One transaction."""

    def __init__(self, uow: UnitOfWork, sealer: Sealer, rules: NudgeRules, now: datetime) -> None:
        self._uow, self._sealer, self._rules, self._now = uow, sealer, rules, now
        self._references = {patient.id: patient.reference for patient in uow.patients.all()}
        self._reach = JudgeReach(uow, self._references)
        self._done: dict[AppointmentId, tuple[str, date]] = {}
        self._undecided: dict[AppointmentId, tuple[str, date]] = {}
        self._others: set[AppointmentId] = set()
        self._to_call: list[ToCall] = []
        self._near: set[str] = set()

    def take(self, absence: Absence) -> None:
        pairs = {
            self._sealer.pair_index(reference, name)
            for reference in self._references.values()
            for name in spellings(absence.practitioner)
        }
        day, is_known = absence.days.first, False
        nobodys: list[StoredAppointment] = []
        while day <= absence.days.last:
            rows = booked_on(self._uow, self._sealer, [day], now=self._now)
            theirs = [row for row in rows if row.pair_index in pairs]
            is_known = is_known or bool(theirs)
            nobodys += rows
            self._others |= {row.id for row in rows if row.pair_index not in pairs}
            for row in self._in_time(theirs, day, absence.days.half):
                self._cancel(row, day)
            day += timedelta(days=1)
        if not is_known:
            self._near |= self._names_like(absence.practitioner, nobodys[:MOST_COMPARED])

    def _names_like(self, name: str, rows: Sequence[StoredAppointment]) -> set[str]:
        """Rule 5."""
        wanted = {row.pair_index for row in rows}
        references = {self._references[row.patient] for row in rows}
        return {
            other
            for other in almost(name)
            if any(self._sealer.pair_index(reference, other) in wanted for reference in references)
        }

    def result(self) -> Cancelled:
        return Cancelled(
            cancelled=tuple(sorted(self._done.values(), key=_by_day)),
            to_call=tuple(sorted(self._to_call, key=lambda c: (c.day, c.patient))),
            undecided=tuple(sorted(self._undecided.values(), key=_by_day)),
            others=len(self._others - self._done.keys() - self._undecided.keys()),
            near=tuple(sorted(self._near)),
        )

    def _in_time(
        self, rows: Sequence[StoredAppointment], day: date, half: Half | None
    ) -> Sequence[StoredAppointment]:
        if half is None or not rows:
            return rows
        here, unknown = in_half(self._sealer, rows, day, half, self._rules.zone)
        for row in unknown:
            self._undecided[row.id] = (self._references[row.patient], day)
        return here

    def _cancel(self, row: StoredAppointment, day: date) -> None:
        reference = self._references[row.patient]
        readers = [e.recipient for e in self._uow.envelopes.of_appointments([row.id])]
        told = cancel_stored(self._uow, row, self._now, self._rules)
        self._done[row.id] = (reference, day)
        why = self._reach.why_not(row.patient, readers, news=True)
        if why is None and any(self._is_late(row, planned) for planned in told.values()):
            why = Why.TOO_LATE
        if why is not None:
            self._to_call.append(ToCall(patient=reference, day=day, why=why))

    def _is_late(self, row: StoredAppointment, planned: PlannedNudge | None) -> bool:
        """Told on the very day, and not at once: the hour is not known here, it may be before."""
        if planned is None:
            return True
        return planned.slot > self._now and planned.slot >= row.past_after - DAY


def _by_day(visit: tuple[str, date]) -> tuple[date, str]:
    return visit[1], visit[0]


def spellings(practitioner: str) -> set[str]:
    """The name as typed, and with title and capitals as agendas usually have them (rule 2)."""
    name = " ".join(practitioner.split())
    title, _, rest = name.partition(" ")
    if not rest or title.casefold() not in {t.casefold() for t in _TITLES}:
        return {name, *_cases(name)}
    kind = "p" if title.casefold().startswith("p") else "d"
    titles = [t for t in _TITLES if t.casefold().startswith(kind)]
    return {name, *_cases(name)} | {f"{t} {r}".strip() for t in (*titles, "") for r in _cases(rest)}


def almost(practitioner: str) -> set[str]:
    """The name with one letter more, less, another or exchanged with the next, titled as typed or as doctors are."""
    name = " ".join(practitioner.split())[:MOST_LETTERS]
    title, _, rest = name.partition(" ")
    titles: tuple[str, ...] = ("", "Dr ")
    if rest and title.casefold() in {t.casefold() for t in _TITLES}:
        titles, name = (f"{title} ", "Dr ", ""), rest
    cut = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    near = {a + b[1:] for a, b in cut if b} | {a + b[1] + b[0] + b[2:] for a, b in cut if len(b) > 1}
    for letter in _LETTERS:
        near |= {a + letter + b for a, b in cut} | {a + letter + b[1:] for a, b in cut if b}
    return {t + each for t in titles for n in near for each in {n, n.title()}} - spellings(practitioner)


def _cases(name: str) -> set[str]:
    """Small, first and all capitals; those are often written without their accents."""
    capitals = name.upper()
    plain = unicodedata.normalize("NFD", capitals)
    return {name, name.title(), capitals, "".join(c for c in plain if not unicodedata.combining(c))}
