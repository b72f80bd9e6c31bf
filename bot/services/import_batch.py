"""One batch of an agenda's entries, in one transaction. The rules by number are those of :mod:`import_agenda`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.appointment import Appointment, ImportCounts, Refusal, Status, Unmatched
from bot.domain.records import (
    ProblemKind,
    Recipient,
    RecipientState,
    Reminder,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules
from bot.domain.values import AppointmentId, DateRange, RecipientId
from bot.errors import InvalidSeal
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWork
from bot.services.cancel_appointment import DAY, cancel_stored, news_of, plan_news
from bot.services.import_people import PatientsOfImport
from bot.services.judge_entry import Facts, Verdict, judge
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

    ``seen`` are digests by source index; ``moves`` what vanished, by the new source index; ``there`` the source
    indexes and ``series`` the series indexes that the file gives; ``nobodys`` what names no patient any more;
    ``met`` counts the entries that were known and booked.
    """

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    moves: dict[str, StoredAppointment] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    series: set[str] = field(default_factory=set)
    nobodys: dict[str, StoredAppointment] = field(default_factory=dict)
    met: int = 0

    def refuse(self, where: str, field: str, why: str, mend: str) -> None:
        self.count_refusal(Refusal(where=where, field=field, why=why, mend=mend))

    def count_refusal(self, refusal: Refusal) -> None:
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
    """What a batch writes at its end."""

    fresh: list[StoredAppointment] = field(default_factory=list)
    sealed: list[StoredEnvelope] = field(default_factory=list)
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
        self._people.read(e.detail.patient for _, e in admitted if isinstance(e, Appointment))
        for index, entry in admitted:
            if isinstance(entry, Appointment):
                self._one(index, entry)
            elif index not in self._run.seen:
                self._is_nobodys(index)
        self._uow.appointments.add(self._out.fresh)
        self._uow.envelopes.put(self._out.sealed)
        self._uow.reminders.replace_many(self._out.reminders)
        plan_nudges(self._uow, self._out.touched, self._now, self._rules)

    # -- what is there ------------------------------------------------------------------------------------------

    def _admit(self, batch: Sequence[Entry]) -> Iterator[tuple[str, Appointment | Unmatched]]:
        """Source index and entry of what has to be looked at; the rest is counted here."""
        for entry in batch:
            if isinstance(entry, Refusal):
                self._run.count_refusal(entry)
                continue
            if entry.series:
                self._run.series.add(self._sealer.source_index("series:" + entry.series))
            if isinstance(entry, Unmatched):
                self._run.counts["unmatched"] += 1
                if entry.source:
                    yield self._sealer.source_index(entry.source), entry
            else:
                index = self._sealer.source_index(entry.detail.source)
                self._run.there.add(index)
                yield index, entry

    def _look_up(self, indexes: Sequence[str]) -> None:
        self._known = dict(self._uow.appointments.by_sources(indexes))
        for index in indexes:
            if index in self._run.moves and index not in self._known:
                self._known[index] = self._run.moves[index]
        self._run.met += sum(row.status is Status.BOOKED for row in self._known.values())
        for envelope in self._uow.envelopes.of_appointments([a.id for a in self._known.values()]):
            self._envelopes[envelope.appointment][envelope.recipient] = envelope

    def _is_nobodys(self, index: str) -> None:
        """Rule 7: what was known under a patient and names none (that is known here) any more."""
        old = self._known.get(index)
        if old is not None and old.status is Status.BOOKED and old.past_after > self._now:
            self._run.nobodys[index] = old

    # -- one entry ----------------------------------------------------------------------------------------------

    def _one(self, index: str, entry: Appointment) -> None:
        if not self._is_first(index, entry):
            return
        self._run.nobodys.pop(index, None)
        old, over = self._known.get(index), entry.detail.end <= self._now
        if old is None and over:
            self._run.counts["past"] += 1  # rule 3
            return
        patient = self._people.patient(entry.detail.patient)
        if patient is None:
            self._run.counts["past" if over else "unmatched"] += 1
            self._is_nobodys(index)
            return
        if not entry.detail.given_name and (name := self._people.given_name(patient)):
            entry = replace(entry, detail=replace(entry.detail, given_name=name))
        facts = Facts.of(entry, index, patient, seal=self._sealer, rules=self._rules)
        passed_on = old is not None and old.patient != patient and not over
        if old is not None and passed_on:
            self._give_up(old)
            old = None
        options = self._options
        verdict, row = judge(facts, old, self._now, only=options.only, by_hand=options.by_hand)
        if passed_on:
            verdict = Verdict.CHANGED
        if verdict is Verdict.OLDER:
            self._run.refuse(
                entry.where,
                "sequence",
                "older than what is known of this appointment",
                "import the newest export",
            )
            return
        self._run.counts[verdict] += 1
        if row is not None:
            self._write(row, old, entry)

    def _is_first(self, index: str, entry: Appointment) -> bool:
        """False for an identity that was there before in this file; with another content it is refused."""
        content = self._sealer.digest(entry.detail.encode()) + entry.status
        if index not in self._run.seen:
            self._run.seen[index] = content
            return True
        if self._run.seen[index] != content:
            self._run.refuse(
                entry.where,
                "id",
                "this appointment stands in the file already, with another content",
                "remove one of the two",
            )
        return False

    def _give_up(self, old: StoredAppointment) -> None:
        """The agenda gave the entry to another patient: for the first it is cancelled, under an identity of its own."""
        kept = replace(old, source_index=self._sealer.source_index(f"given up:{old.id}"), series_index="")
        if old.status is Status.BOOKED and old.past_after > self._now:
            cancel_stored(self._uow, kept, self._now, self._rules)
        else:
            self._uow.appointments.save(kept)

    def _write(self, row: StoredAppointment, old: StoredAppointment | None, entry: Appointment) -> None:
        if old is None:
            self._out.fresh.append(row)
        elif row != old:
            self._uow.appointments.save(row)
        recipients = [r for r in self._people.recipients(row.patient) if row.only in (None, r.id)]
        newcomers = self._seal(row, entry, recipients) if row.status is Status.BOOKED else []
        self._plan(row, old, entry, recipients=recipients, newcomers=newcomers)

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
            try:
                blob = self._sealer.seal(
                    entry.detail, appointment=row.id, recipient=recipient, revision=row.revision
                )
            except InvalidSeal:  # rule 6: somebody wrote to the database; the other recipients are told
                self._run.refuse(
                    entry.where,
                    "recipient",
                    "a recipient's key is not the one that was signed",
                    "pli invite REF",
                )
                continue
            mine[recipient.id] = StoredEnvelope(
                appointment=row.id,
                recipient=recipient.id,
                key_id=recipient.key_id,
                revision=row.revision,
                blob=blob,
                told=have.told if have is not None and same_key else 0,
            )
            self._out.sealed.append(mine[recipient.id])
            self._out.touched.add(recipient.id)
            if not same_key:
                newcomers.append(recipient)
        return newcomers

    # -- nudges -------------------------------------------------------------------------------------------------

    def _plan(
        self,
        row: StoredAppointment,
        old: StoredAppointment | None,
        entry: Appointment,
        *,
        recipients: Sequence[Recipient],
        newcomers: Sequence[Recipient],
    ) -> None:
        """Another note or place alone changes no nudge: those that wait are still right."""
        if old is None:
            self._out.touched.update(r.id for r in recipients)
        elif row.time_revision != old.time_revision or row.status is not old.status:
            self._uow.answers.void_before(row.id, row.time_revision)
            self._out.reminders[row.id] = self._news(row, old, entry, recipients)
            self._out.touched.update(r.id for r in recipients)
        else:
            for recipient in newcomers:
                self._uow.reminders.drop(row.id, recipient.id)
            if (row.tell_until, row.kind) != (old.tell_until, old.kind):
                self._out.touched.update(r.id for r in recipients)

    def _news(
        self,
        row: StoredAppointment,
        old: StoredAppointment,
        entry: Appointment,
        recipients: Sequence[Recipient],
    ) -> list[Reminder]:
        told = [r for r in recipients if r.id in self._envelopes[row.id]]
        # What lies in the past now was to come: until the end of its old day it is worth telling.
        start = entry.detail.start if entry.detail.end > self._now else old.past_after
        news: list[Reminder] = []
        for recipient in told:
            planned = plan_news(row, recipient, start, self._now, self._rules, earliest=old.past_after - DAY)
            news += news_of(row, recipient.id, planned)
            # Quiet hours end too late: somebody has to telephone.
            if not planned and start > self._now and recipient.state is RecipientState.ENROLLED:
                self._uow.problems.add(ProblemKind.TOO_LATE, self._now, recipient.id)
        return news
