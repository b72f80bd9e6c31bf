"""What one entry of an agenda means beside what is known of it. Pure; the rules by number are those of the import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.appointment import Appointment, Status
from bot.domain.choices import kind_of
from bot.domain.records import StoredAppointment
from bot.domain.slots import NudgeRules, helps_until, past_after
from bot.domain.values import AppointmentId, PatientId, RecipientId, new_id
from bot.ports_keys import Sealer


class Verdict(StrEnum):
    """The value is the name of the count, but for the last."""

    NEW = "new"
    CHANGED = "changed"
    MOVED = "moved"
    CANCELLED = "cancelled"
    UNCHANGED = "unchanged"
    PAST = "past"
    OLDER = "older"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """An entry with everything that is keyed by the import side."""

    entry: Appointment
    patient: PatientId
    source: str
    series: str
    pair: str
    digest: str
    when: str
    day: str
    past_after: datetime
    tell_until: datetime
    kind: str

    @classmethod
    def of(
        cls, entry: Appointment, source: str, patient: PatientId, *, seal: Sealer, rules: NudgeRules
    ) -> Facts:
        detail, zone = entry.detail, rules.zone
        return cls(
            entry=entry,
            patient=patient,
            source=source,
            series=seal.source_index("series:" + entry.series) if entry.series else "",
            pair=seal.pair_index(detail.patient, detail.practitioner),
            digest=seal.digest(detail.encode()),
            when=seal.digest(f"{detail.start.isoformat()}/{detail.end.isoformat()}".encode()),
            day=seal.day_tag(detail.start.astimezone(zone).date().isoformat()),
            past_after=past_after(detail.end, zone),
            tell_until=helps_until(detail.start, rules),
            kind=kind_of(rules.kinds, type_=entry.type, practitioner=detail.practitioner, place=detail.place),
        )


def judge(
    facts: Facts,
    old: StoredAppointment | None,
    now: datetime,
    *,
    only: RecipientId | None = None,
    by_hand: bool = False,
) -> tuple[Verdict, StoredAppointment | None]:
    """The verdict and the row as it shall be; no row where there is nothing to keep."""
    entry = facts.entry
    over = entry.detail.end <= now
    if old is None:
        if over:
            return Verdict.PAST, None  # rule 3
        verdict = Verdict.NEW if entry.status is Status.BOOKED else Verdict.CANCELLED
        return verdict, _new(facts, only=only, by_hand=by_hand)
    if _older(entry, old):
        return Verdict.OLDER, None
    return _judge_over(facts, old, now) if over else _judge_standing(facts, old)


def _judge_over(
    facts: Facts, old: StoredAppointment, now: datetime
) -> tuple[Verdict, StoredAppointment | None]:
    """It was still to come and lies in the past now: for the patient that is a cancellation."""
    if old.status is Status.CANCELLED or old.past_after <= now or facts.when == old.when_digest:
        return Verdict.PAST, None
    return Verdict.CANCELLED, _cancelled(facts, old)


def _judge_standing(facts: Facts, old: StoredAppointment) -> tuple[Verdict, StoredAppointment]:
    if facts.entry.status is Status.CANCELLED:
        if old.status is Status.CANCELLED:
            return Verdict.UNCHANGED, _same(facts, old)
        return Verdict.CANCELLED, _cancelled(facts, old)
    if old.status is Status.BOOKED and facts.digest == old.digest:
        # The rules may have changed since: what they make of the same entry is taken over.
        known = replace(_same(facts, old), tell_until=facts.tell_until, kind=facts.kind)
        return Verdict.UNCHANGED, known
    moved = facts.when != old.when_digest
    return (Verdict.MOVED if moved else Verdict.CHANGED), _changed(facts, old, moved=moved)


def _older(entry: Appointment, old: StoredAppointment) -> bool:
    """Rule 1."""
    if entry.sequence != old.sequence:
        return entry.sequence < old.sequence
    if entry.modified is None or old.modified is None:
        return False
    return entry.modified < old.modified


def _new(facts: Facts, *, only: RecipientId | None, by_hand: bool) -> StoredAppointment:
    return StoredAppointment(
        id=AppointmentId(new_id("a")),
        patient=facts.patient,
        source_index=facts.source,
        series_index=facts.series,
        pair_index=facts.pair,
        day_tag=facts.day,
        digest=facts.digest,
        when_digest=facts.when,
        sequence=facts.entry.sequence,
        modified=facts.entry.modified,
        status=facts.entry.status,
        revision=1,
        time_revision=1,
        change=1,
        past_after=facts.past_after,
        tell_until=facts.tell_until,
        kind=facts.kind,
        only=only,
        by_hand=by_hand,
    )


def _same(facts: Facts, old: StoredAppointment) -> StoredAppointment:
    return replace(
        old,
        sequence=facts.entry.sequence,
        modified=facts.entry.modified,
        series_index=facts.series or old.series_index,
    )


def _cancelled(facts: Facts, old: StoredAppointment) -> StoredAppointment:
    """What was told of it stays as it was: it is not sealed again, and the old time is the one that is no more."""
    return replace(_same(facts, old), status=Status.CANCELLED, change=old.change + 1)


def _changed(facts: Facts, old: StoredAppointment, *, moved: bool) -> StoredAppointment:
    revision = old.revision + 1
    # Answers to what was cancelled hold no more when it is booked again, even at the same time.
    anew = moved or old.status is Status.CANCELLED
    return replace(
        _same(facts, old),
        patient=facts.patient,
        source_index=facts.source,
        pair_index=facts.pair,
        day_tag=facts.day,
        digest=facts.digest,
        when_digest=facts.when,
        status=Status.BOOKED,
        revision=revision,
        time_revision=revision if anew else old.time_revision,
        change=old.change + 1,
        past_after=facts.past_after,
        tell_until=facts.tell_until,
        kind=facts.kind,
    )
