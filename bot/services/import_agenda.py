"""Take an agenda in: compare with what is known, seal what is new to every recipient, plan the nudges.

1. An entry is judged by its own identity; a newer revision replaces, an older one is refused.
2. "Unchanged" is judged per (appointment, recipient key): whoever lacks an envelope under the present key gets one,
   whatever the digest. Keys are read again in the transaction that writes.
3. Entries that are over plan nothing and are not stored. One that was to come and lies in the past now is cancelled.
4. Absence cancels only between two explicit days, never after a file that is cut off, and an import that would cancel
   more than five and a fifth of that range stops before anything is written, unless that many were accepted.
5. Where the format has no id, one vanished and one new of the same patient and practitioner are a move.
6. One refused entry never stops the rest.
7. A series that the file gives whole says which visits there are: one that was known and is not among them is
   cancelled, unless an entry of the file could not be read. A known visit that names no patient any more is, too.
   Both within the bounds of rule 4: beyond them none is cancelled, and the report says so.
8. A dry run does all of it, and commits nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice

from bot.domain.appointment import ImportCounts, Refusal, Status, Unmatched
from bot.domain.records import AuditKind, StoredAppointment
from bot.domain.slots import NudgeRules, days
from bot.domain.values import DateRange
from bot.errors import Refused
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWorkFactory
from bot.services.cancel_appointment import cancel_stored, report_untold
from bot.services.import_batch import Entry, ImportOptions, Run, TakeBatch

BATCH = 500
# What the audit log says of an import: numbers only.
COUNTED = ("new", "changed", "moved", "cancelled", "unchanged", "past", "unmatched", "refused")
MANY, SHARE = 5, 5  # rule 4: more than five, and more than one in five


class ImportAgenda:
    """One instance an import. ``read`` gives the entries afresh each time it is called."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        sealer: Sealer,
        *,
        rules: NudgeRules,
        now: datetime,
        options: ImportOptions,
    ) -> None:
        self._uow, self._sealer, self._rules, self._now, self._options = uow, sealer, rules, now, options
        self._run = Run()

    def __call__(self, read: Callable[[], Iterable[Entry]]) -> ImportCounts:
        """Import; raises :class:`Refused` where rule 4 stops it."""
        vanished: list[StoredAppointment] = []
        if self._options.within is not None:
            vanished = self._judge_absence(read, self._options.within)
        entries = iter(read())
        while batch := list(islice(entries, BATCH)):
            with self._uow() as uow:
                take = TakeBatch(
                    uow, self._sealer, rules=self._rules, now=self._now, options=self._options, run=self._run
                )
                take(batch)
                if not self._options.dry_run:
                    uow.commit()
        self._cancel(vanished)
        self._cancel(self._bounded(list(self._run.nobodys.values()), "patient", "name no patient any more"))
        self._cancel(self._bounded(self._left_out(), "series", "are in their series no more"))
        if not self._options.dry_run:
            with self._uow() as uow:
                counts = self._run.counts
                written = sum(counts[n] for n in ("new", "changed", "moved", "cancelled"))
                note = " ".join(f"{name}={counts[name]}" for name in COUNTED if counts[name])
                uow.audit.add(AuditKind.IMPORTED, self._now, count=written, note=note)
                uow.commit()
        return self._run.result()

    def _too_many(self, gone: int, of: int) -> bool:
        return gone > MANY and gone * SHARE > of and gone > self._options.accept

    # -- rule 7 -------------------------------------------------------------------------------------------------

    def _left_out(self) -> list[StoredAppointment]:
        if self._run.counts["refused"]:
            return []
        until, names, gone = self._options.expanded_until, sorted(self._run.series), list[StoredAppointment]()
        for first in range(0, len(names), BATCH):
            with self._uow() as uow:
                known = uow.appointments.by_series(names[first : first + BATCH])
            gone += (
                a
                for a in known
                if a.source_index not in self._run.there
                and a.source_index not in self._run.nobodys
                and a.status is Status.BOOKED
                and self._now < a.past_after
                and (until is None or a.past_after < until)
            )
        return gone

    def _bounded(self, gone: list[StoredAppointment], field: str, why: str) -> list[StoredAppointment]:
        """``gone``, or nothing and a line in the report where that is too many to be believed."""
        if not self._too_many(len(gone), self._run.met):
            return gone
        self._run.refuse(
            "file",
            field,
            f"{len(gone)} known appointments {why}: none of them was cancelled",
            f"check the export; if it is right: --accept-cancellations {len(gone)}",
        )
        return []

    # -- absence ------------------------------------------------------------------------------------------------

    def _judge_absence(
        self, read: Callable[[], Iterable[Entry]], within: DateRange
    ) -> list[StoredAppointment]:
        present: set[str] = set()
        fresh: dict[str, list[str]] = defaultdict(list)
        whole = True
        for entry in read():
            if isinstance(entry, Refusal):
                whole = False  # rules 4 and 6: an entry that cannot be read must not count as absent
            elif isinstance(entry, Unmatched):
                present.add(self._sealer.source_index(entry.source))  # there, and looked at entry by entry
            else:
                index = self._sealer.source_index(entry.detail.source)
                present.add(index)
                if not entry.stable and entry.status is Status.BOOKED and entry.detail.end > self._now:
                    pair = self._sealer.pair_index(entry.detail.patient, entry.detail.practitioner)
                    fresh[pair].append(index)
        tags = [self._sealer.day_tag(day.isoformat()) for day in days(within.first, within.last)]
        with self._uow() as uow:
            here = [
                a
                for a in uow.appointments.by_days(tags)
                if a.status is Status.BOOKED and a.past_after > self._now and not a.by_hand
            ]
            gone = [a for a in here if a.source_index not in present]
            known = uow.appointments.by_sources([i for many in fresh.values() for i in many])
        if not gone:
            return []
        if not whole:
            raise Refused(
                f"the file has entries that cannot be read, and {len(gone)} appointments of these days are missing",
                mend="mend the file, or import it without --from and --to",
            )
        gone = self._match_moves(gone, {p: [i for i in many if i not in known] for p, many in fresh.items()})
        if self._too_many(len(gone), len(here)):
            raise Refused(
                f"this file would cancel {len(gone)} of the {len(here)} appointments of these days",
                mend=f"check that the export is whole; if it is right: --accept-cancellations {len(gone)}",
            )
        return gone

    def _match_moves(
        self, gone: Sequence[StoredAppointment], fresh: dict[str, list[str]]
    ) -> list[StoredAppointment]:
        """Rule 5: what is left of ``gone``."""
        by_pair: dict[str, list[StoredAppointment]] = defaultdict(list)
        for row in gone:
            by_pair[row.pair_index].append(row)
        rest = []
        for pair, rows in by_pair.items():
            new = fresh.get(pair, [])
            if len(rows) == 1 and len(new) == 1:
                self._run.moves[new[0]] = rows[0]
            else:
                rest.extend(rows)
        return rest

    def _cancel(self, gone: Sequence[StoredAppointment]) -> None:
        for first in range(0, len(gone), BATCH):
            with self._uow() as uow:
                for row in gone[first : first + BATCH]:
                    current = uow.appointments.get(row.id)
                    if current is not None and current.status is Status.BOOKED:
                        self._run.counts["cancelled"] += 1
                        told = cancel_stored(uow, current, self._now, self._rules)
                        report_untold(uow, told, self._now)
                if not self._options.dry_run:
                    uow.commit()
