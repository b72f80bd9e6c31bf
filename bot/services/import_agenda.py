"""Take an agenda in: compare with what is known, seal what is new to every recipient, plan the nudges.

1. An entry is judged by its own identity; a newer revision replaces, an older one is refused.
2. "Unchanged" is judged per (appointment, recipient key): whoever lacks an envelope under the present key gets one,
   whatever the digest. Keys are read again in the transaction that writes.
3. Entries that are over plan nothing and are not stored.
4. Absence cancels only between two explicit days, never after a file that is cut off, and an import that would cancel
   more than five and a fifth of that range stops before anything is written, unless that many were accepted.
5. Where the format has no id, one vanished and one new of the same patient and practitioner are a move.
6. One refused entry never stops the rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from bot.domain.appointment import Appointment, ImportCounts, Refusal, Status
from bot.domain.records import (
    AuditKind,
    Recipient,
    RecipientState,
    Reminder,
    ReminderKind,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules, days, past_after, plan, plan_change
from bot.domain.values import AppointmentId, DateRange, PatientId, RecipientId, new_id
from bot.errors import Refused
from bot.ports_storage import Sealer, UnitOfWork, UnitOfWorkFactory
from bot.services.plan_nudges import plan_nudges

BATCH = 500
MANY, SHARE = 5, 0.2  # rule 4
DAY = timedelta(days=1)
MAX_REFUSALS = 1000  # reported one by one; the rest is counted in the last line

Entry = Appointment | Refusal | None  # None: an entry that names no patient


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """``within``: absence cancels between these days. ``accept`` cancellations at most, where it would stop."""

    within: DateRange | None = None
    accept: int = 0
    dry_run: bool = False
    by_hand: bool = False
    only: RecipientId | None = None


@dataclass(slots=True)
class _Run:
    """What one import carries from batch to batch."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    moves: dict[str, StoredAppointment] = field(default_factory=dict)
    touched: list[AppointmentId] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        self.counts["refused"] += 1
        if len(self.refused) < MAX_REFUSALS:
            self.refused.append(refusal)

    def result(self) -> ImportCounts:
        names = ("new", "changed", "moved", "cancelled", "unchanged", "past", "unmatched")
        refused = list(self.refused)
        if (more := self.counts["refused"] - len(refused)) > 0:
            refused.append(
                Refusal(where="file", field="file", why=f"{more} more entries", mend="mend those first")
            )
        return ImportCounts(**{n: self.counts[n] for n in names}, refused=tuple(refused))


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
        self._run = _Run()

    def __call__(self, read: Callable[[], Iterable[Entry]]) -> ImportCounts:
        """Import; raises :class:`Refused` where rule 4 stops it."""
        vanished: list[StoredAppointment] = []
        if self._options.within is not None:
            vanished = self._judge_absence(read, self._options.within)
        entries = iter(read())
        while batch := list(islice(entries, BATCH)):
            with self._uow() as uow:
                self._take(uow, batch)
                if not self._options.dry_run:
                    uow.commit()
        self._cancel_vanished(vanished)
        if not self._options.dry_run:
            with self._uow() as uow:
                written = sum(self._run.counts[n] for n in ("new", "changed", "moved", "cancelled"))
                uow.audit.add(AuditKind.IMPORTED, self._now, count=written)
                uow.commit()
        return self._run.result()

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
            elif entry is not None:
                index = self._sealer.source_index(entry.detail.source)
                present.add(index)
                if not entry.stable:
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
        if len(gone) > max(MANY, SHARE * len(here), self._options.accept):
            raise Refused(
                f"this file would cancel {len(gone)} of the {len(here)} appointments of these days",
                mend=f"check that the export is whole; if it is right: --accept-cancellations {len(gone)}",
            )
        return gone

    def _match_moves(
        self, gone: Sequence[StoredAppointment], fresh: dict[str, list[str]]
    ) -> list[StoredAppointment]:
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

    def _cancel_vanished(self, vanished: Sequence[StoredAppointment]) -> None:
        for row in vanished:
            with self._uow() as uow:
                current = uow.appointments.get(row.id)
                if current is None or current.status is Status.CANCELLED:
                    continue
                self._run.counts["cancelled"] += 1
                cancel_stored(uow, current, self._now, self._rules)
                if not self._options.dry_run:
                    uow.commit()

    # -- one batch ----------------------------------------------------------------------------------------------

    def _take(self, uow: UnitOfWork, batch: Sequence[Entry]) -> None:
        entries = list(self._admit(batch))
        indexes = [self._sealer.source_index(e.detail.source) for e in entries]
        known = dict(uow.appointments.by_sources(indexes))
        for index in indexes:
            if index in self._run.moves and index not in known:
                known[index] = self._run.moves[index]
        envelopes: dict[AppointmentId, dict[RecipientId, StoredEnvelope]] = defaultdict(dict)
        for envelope in uow.envelopes.of_appointments([a.id for a in known.values()]):
            envelopes[envelope.appointment][envelope.recipient] = envelope
        people = _People(uow)
        touched: set[RecipientId] = set()
        fresh: list[StoredAppointment] = []
        sealed: list[StoredEnvelope] = []
        reminders: list[Reminder] = []
        for entry, index in zip(entries, indexes, strict=True):
            patient = people.patient(entry.detail.patient)
            if patient is None:
                self._run.counts["unmatched"] += 1
                continue
            digest = self._sealer.digest(entry.detail.encode())
            old = known.get(index)
            if self._run.seen.get(index) == digest and old is not None:
                continue  # the same line twice
            self._run.seen[index] = digest
            detail = entry.detail
            if not detail.given_name and (name := people.given_name(patient)):
                detail = replace(detail, given_name=name)
                digest = self._sealer.digest(detail.encode())
            entry = replace(entry, detail=detail)  # noqa: PLW2901 - the same entry, with the name the practice gave
            row = self._row(entry, index, digest, patient, old)
            if row is None:
                continue
            if old is None:
                fresh.append(row)
                known[index] = row
            elif row != old:
                uow.appointments.save(row)
                known[index] = row
            recipients = [r for r in people.recipients(patient) if row.only in (None, r.id)]
            mine = envelopes[row.id]
            newcomers = [r for r in recipients if r.id not in mine or mine[r.id].key_id != r.key_id]
            if row.status is Status.BOOKED:
                for recipient in recipients:
                    have = mine.get(recipient.id)
                    if have is not None and have.key_id == recipient.key_id and have.revision == row.revision:
                        continue
                    blob = self._sealer.seal(
                        detail, appointment=row.id, recipient=recipient, revision=row.revision
                    )
                    envelope = StoredEnvelope(
                        appointment=row.id,
                        recipient=recipient.id,
                        key_id=recipient.key_id,
                        revision=row.revision,
                        blob=blob,
                        told=have.told if have is not None and have.key_id == recipient.key_id else 0,
                    )
                    mine[recipient.id] = envelope
                    sealed.append(envelope)
                    touched.add(recipient.id)
            if old is None:
                reminders.extend(self._reminders(row, entry, recipients))
            elif row.change != old.change:
                uow.reminders.replace(row.id, self._reminders(row, entry, recipients))
                if row.time_revision != old.time_revision:
                    uow.answers.void_before(row.id, row.time_revision)
                if row.time_revision != old.time_revision or row.status is not old.status:
                    uow.reminders.add(self._news(row, old, entry, recipients, mine))
                touched.update(r.id for r in recipients)
            elif newcomers:
                for recipient in newcomers:
                    uow.reminders.drop(row.id, recipient.id)
                uow.reminders.add(self._reminders(row, entry, newcomers))
        uow.appointments.add(fresh)
        uow.envelopes.put(sealed)
        uow.reminders.add(reminders)
        plan_nudges(uow, touched, self._now)

    def _admit(self, batch: Sequence[Entry]) -> Iterator[Appointment]:
        for entry in batch:
            if entry is None:
                self._run.counts["unmatched"] += 1
            elif isinstance(entry, Refusal):
                self._run.refuse(entry)
            elif entry.detail.end <= self._now:
                self._run.counts["past"] += 1
            else:
                yield entry

    def _row(
        self, entry: Appointment, index: str, digest: str, patient: PatientId, old: StoredAppointment | None
    ) -> StoredAppointment | None:
        """The row as it shall be, counted; None where the entry is refused."""
        detail, seal = entry.detail, self._sealer
        when = seal.digest(f"{detail.start.isoformat()}/{detail.end.isoformat()}".encode())
        day = detail.start.astimezone(self._rules.zone).date().isoformat()
        if old is None:
            self._run.counts["new" if entry.status is Status.BOOKED else "cancelled"] += 1
            return StoredAppointment(
                id=AppointmentId(new_id("a")),
                patient=patient,
                source_index=index,
                pair_index=seal.pair_index(detail.patient, detail.practitioner),
                day_tag=seal.day_tag(day),
                digest=digest,
                when_digest=when,
                sequence=entry.sequence,
                modified=entry.modified,
                status=entry.status,
                revision=1,
                time_revision=1,
                change=1,
                past_after=past_after(detail.end, self._rules.zone),
                only=self._options.only,
                by_hand=self._options.by_hand,
            )
        if _older(entry, old):
            self._run.refuse(
                Refusal(
                    where=entry.where,
                    field="sequence",
                    why="older than what is known of this appointment",
                    mend="import the newest export",
                )
            )
            return None
        if digest == old.digest and entry.status is old.status and patient == old.patient:
            self._run.counts["unchanged"] += 1
            return replace(old, sequence=entry.sequence, modified=entry.modified)
        moved = when != old.when_digest
        if entry.status is Status.CANCELLED:
            self._run.counts["cancelled" if old.status is Status.BOOKED else "unchanged"] += 1
        else:
            self._run.counts["moved" if moved else "changed"] += 1
        revision = old.revision + 1
        return replace(
            old,
            patient=patient,
            source_index=index,
            pair_index=seal.pair_index(detail.patient, detail.practitioner),
            day_tag=seal.day_tag(day),
            digest=digest,
            when_digest=when,
            sequence=entry.sequence,
            modified=entry.modified,
            status=entry.status,
            # A cancelled entry is not sealed again: its envelopes keep their revision.
            revision=revision if entry.status is Status.BOOKED else old.revision,
            time_revision=revision if moved and entry.status is Status.BOOKED else old.time_revision,
            change=old.change + 1,
            past_after=past_after(detail.end, self._rules.zone),
        )

    def _reminders(
        self, row: StoredAppointment, entry: Appointment, recipients: Sequence[Recipient]
    ) -> list[Reminder]:
        if row.status is Status.CANCELLED:
            return []
        return [
            Reminder(
                appointment=row.id,
                recipient=r.id,
                kind=ReminderKind.REMIND,
                slot=p.slot,
                useful_until=p.useful_until,
            )
            for p in plan(entry.detail.start, self._now, self._rules)
            for r in recipients
        ]

    def _news(
        self,
        row: StoredAppointment,
        old: StoredAppointment,
        entry: Appointment,
        recipients: Sequence[Recipient],
        envelopes: dict[RecipientId, StoredEnvelope],
    ) -> list[Reminder]:
        before = old.past_after - DAY
        planned = plan_change(entry.detail.start, self._now, self._rules, earliest=before)
        if planned is None:
            return []
        return [
            Reminder(
                appointment=row.id,
                recipient=r.id,
                kind=ReminderKind.CHANGE,
                slot=planned.slot,
                useful_until=planned.useful_until,
            )
            for r in recipients
            if r.id in envelopes
        ]


class _People:
    """Patients and their recipients, read once a transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._patients: dict[str, PatientId | None] = {}
        self._names: dict[PatientId, str] = {}
        self._recipients: dict[PatientId, list[Recipient]] = {}

    def patient(self, reference: str) -> PatientId | None:
        if reference not in self._patients:
            found = self._uow.patients.by_reference(reference)
            self._patients[reference] = found.id if found else None
            if found:
                self._names[found.id] = found.given_name
        return self._patients[reference]

    def given_name(self, patient: PatientId) -> str:
        return self._names.get(patient, "")

    def recipients(self, patient: PatientId) -> list[Recipient]:
        if patient not in self._recipients:
            found = (self._uow.recipients.get(r) for r in self._uow.patients.recipients_of(patient))
            wanted = (RecipientState.INVITED, RecipientState.ENROLLED)
            self._recipients[patient] = [r for r in found if r is not None and r.state in wanted]
        return self._recipients[patient]


def _older(entry: Appointment, old: StoredAppointment) -> bool:
    if entry.sequence != old.sequence:
        return entry.sequence < old.sequence
    if entry.modified is None or old.modified is None:
        return False
    return entry.modified < old.modified


def cancel_stored(uow: UnitOfWork, row: StoredAppointment, now: datetime, rules: NudgeRules) -> None:
    """Cancel without the details (the agenda's entry is gone, or the secretary said so). The caller commits.

    The exact start is not known here: the day's beginning decides on urgency, its end on usefulness.
    """
    uow.appointments.save(replace(row, status=Status.CANCELLED, change=row.change + 1))
    uow.reminders.replace(row.id, ())
    envelopes = uow.envelopes.of_appointments([row.id])
    planned = plan_change(row.past_after, now, rules, earliest=row.past_after - DAY)
    if planned is not None:
        uow.reminders.add(
            Reminder(
                appointment=row.id,
                recipient=e.recipient,
                kind=ReminderKind.CHANGE,
                slot=planned.slot,
                useful_until=planned.useful_until,
            )
            for e in envelopes
        )
    plan_nudges(uow, [e.recipient for e in envelopes], now)
