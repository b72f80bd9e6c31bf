"""One batch of an agenda's entries, in one transaction. The rules by number are those of :mod:`import_agenda`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.appointment import Appointment, ImportCounts, Refusal, Status, Unmatched
from bot.domain.records import (
    Recipient,
    Reminder,
    ReminderKind,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules, past_after, plan, plan_change
from bot.domain.values import AppointmentId, DateRange, PatientId, RecipientId, new_id
from bot.ports_storage import Sealer, UnitOfWork
from bot.services.cancel_appointment import DAY, cancel_stored
from bot.services.import_people import PatientsOfImport
from bot.services.plan_nudges import plan_nudges

MAX_REFUSALS = 1000  # reported one by one; the rest is counted in the last line

Entry = Appointment | Refusal | Unmatched


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """``within``: absence cancels between these days. ``accept`` cancellations at most, where it would stop.

    ``expanded_until``: up to when the reader tells the instances of endless series.
    """

    within: DateRange | None = None
    accept: int = 0
    dry_run: bool = False
    by_hand: bool = False
    only: RecipientId | None = None
    expanded_until: datetime | None = None


@dataclass(slots=True)
class Run:
    """What one import carries from batch to batch.

    ``seen`` are digests by source index; ``moves`` what vanished, by the new source index; ``series`` the source
    indexes that the file gives, by series index; ``gone`` what names no patient any more.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    moves: dict[str, StoredAppointment] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    series: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

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


@dataclass(slots=True)
class _Written:
    """What a batch writes at its end, so that an entry that comes twice in it is written once."""

    fresh: dict[str, StoredAppointment] = field(default_factory=dict)
    sealed: dict[tuple[AppointmentId, RecipientId], StoredEnvelope] = field(default_factory=dict)
    reminders: dict[AppointmentId, list[Reminder]] = field(default_factory=dict)
    touched: set[RecipientId] = field(default_factory=set)


class TakeBatch:
    """Once a batch. The caller commits, or does not (dry run)."""

    def __init__(
        self,
        uow: UnitOfWork,
        sealer: Sealer,
        *,
        rules: NudgeRules,
        now: datetime,
        options: ImportOptions,
        run: Run,
    ) -> None:
        self._uow, self._sealer, self._rules, self._now = uow, sealer, rules, now
        self._options, self._run = options, run
        self._people = PatientsOfImport(uow)
        self._known: dict[str, StoredAppointment] = {}
        self._envelopes: dict[AppointmentId, dict[RecipientId, StoredEnvelope]] = defaultdict(dict)
        self._out = _Written()

    def __call__(self, batch: Sequence[Entry]) -> None:
        admitted = list(self._admit(batch))
        self._look_up([index for index, _ in admitted])
        for index, entry in admitted:
            self._one(index, entry)
        self._uow.appointments.add(self._out.fresh.values())
        self._uow.envelopes.put(self._out.sealed.values())
        for appointment, reminders in self._out.reminders.items():
            self._uow.reminders.replace(appointment, reminders)
        plan_nudges(self._uow, self._out.touched, self._now)

    def _admit(self, batch: Sequence[Entry]) -> Iterator[tuple[str, Appointment | Unmatched]]:
        """Source index and entry of what has to be looked at; the rest is counted here."""
        for entry in batch:
            if isinstance(entry, Refusal):
                self._run.refuse(entry)
            elif isinstance(entry, Unmatched):
                self._run.counts["unmatched"] += 1
                if entry.series:
                    _ = self._run.series[self._series(entry)]  # seen, and without any visit
                if entry.source:
                    yield self._sealer.source_index(entry.source), entry
            else:
                index = self._sealer.source_index(entry.detail.source)
                if entry.series:
                    self._run.series[self._series(entry)].add(index)
                if entry.detail.end <= self._now:
                    self._run.counts["past"] += 1
                else:
                    yield index, entry

    def _series(self, entry: Appointment | Unmatched) -> str:
        return self._sealer.source_index("series:" + entry.series) if entry.series else ""

    def _look_up(self, indexes: Sequence[str]) -> None:
        self._known = dict(self._uow.appointments.by_sources(indexes))
        for index in indexes:
            if index in self._run.moves and index not in self._known:
                self._known[index] = self._run.moves[index]
        for envelope in self._uow.envelopes.of_appointments([a.id for a in self._known.values()]):
            self._envelopes[envelope.appointment][envelope.recipient] = envelope

    def _one(self, index: str, entry: Appointment | Unmatched) -> None:
        old = self._known.get(index)
        patient = self._people.patient(entry.detail.patient) if isinstance(entry, Appointment) else None
        if isinstance(entry, Unmatched) or patient is None:
            if isinstance(entry, Appointment):
                self._run.counts["unmatched"] += 1
            self._is_nobodys(old)
            return
        if not entry.detail.given_name and (name := self._people.given_name(patient)):
            entry = replace(entry, detail=replace(entry.detail, given_name=name))
        digest = self._sealer.digest(entry.detail.encode())
        if self._run.seen.get(index) == digest + entry.status:
            return  # the same entry twice
        self._run.seen[index] = digest + entry.status
        row = self._row(entry, index, digest, patient, old)
        if row is None:
            return
        self._known[index] = row
        if old is None or index in self._out.fresh:
            self._out.fresh[index] = row
        elif row != old:
            self._uow.appointments.save(row)
        recipients = [r for r in self._people.recipients(patient) if row.only in (None, r.id)]
        newcomers = self._seal(row, entry, recipients) if row.status is Status.BOOKED else []
        self._plan(row, old, entry, recipients=recipients, newcomers=newcomers)

    def _is_nobodys(self, old: StoredAppointment | None) -> None:
        """Rule 7: what was known under a patient and names none (that is known here) any more."""
        if old is None or old.status is Status.CANCELLED or old.source_index in self._out.fresh:
            return
        self._run.counts["cancelled"] += 1
        self._run.gone.add(old.source_index)
        cancel_stored(self._uow, old, self._now, self._rules)
        self._known.pop(old.source_index, None)

    def _seal(
        self, row: StoredAppointment, entry: Appointment, recipients: Sequence[Recipient]
    ) -> list[Recipient]:
        """Seal to everyone who lacks this revision under their present key (rule 2); those who had nothing to read."""
        mine = self._envelopes[row.id]
        newcomers = []
        for recipient in recipients:
            have = mine.get(recipient.id)
            same_key = have is not None and have.key_id == recipient.key_id
            if have is not None and same_key and have.revision == row.revision:
                continue
            blob = self._sealer.seal(
                entry.detail, appointment=row.id, recipient=recipient, revision=row.revision
            )
            mine[recipient.id] = self._out.sealed[row.id, recipient.id] = StoredEnvelope(
                appointment=row.id,
                recipient=recipient.id,
                key_id=recipient.key_id,
                revision=row.revision,
                blob=blob,
                told=have.told if have is not None and same_key else 0,
            )
            self._out.touched.add(recipient.id)
            if not same_key:
                newcomers.append(recipient)
        return newcomers

    def _plan(
        self,
        row: StoredAppointment,
        old: StoredAppointment | None,
        entry: Appointment,
        *,
        recipients: Sequence[Recipient],
        newcomers: Sequence[Recipient],
    ) -> None:
        if old is None:
            self._out.reminders[row.id] = self._reminders(row, entry, recipients)
        elif row.change != old.change:
            reminders = self._reminders(row, entry, recipients)
            if row.time_revision != old.time_revision:
                self._uow.answers.void_before(row.id, row.time_revision)
            if row.time_revision != old.time_revision or row.status is not old.status:
                reminders += self._news(row, old, entry, recipients)
            self._out.reminders[row.id] = reminders
            self._out.touched.update(r.id for r in recipients)
        elif newcomers:
            for recipient in newcomers:
                self._uow.reminders.drop(row.id, recipient.id)
            self._uow.reminders.add(self._reminders(row, entry, newcomers))

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
                series_index=self._series(entry),
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
            series = self._series(entry) or old.series_index
            return replace(old, sequence=entry.sequence, modified=entry.modified, series_index=series)
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
            series_index=self._series(entry) or old.series_index,
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
            if r.id in self._envelopes[row.id]
        ]


def _older(entry: Appointment, old: StoredAppointment) -> bool:
    if entry.sequence != old.sequence:
        return entry.sequence < old.sequence
    if entry.modified is None or old.modified is None:
        return False
    return entry.modified < old.modified
