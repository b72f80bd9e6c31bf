"""Hold all nudges back, or those of one recipient, until the staff say otherwise.

1. While all are paused none is claimed: what waits is judged when they go on, and what came too late by then is
   reported (failure 04). Answers, PINs and releases go on as ever.
2. While one recipient is paused their nudges are dropped, and wanted again when they go on, as far as they still help.
   News of a cancellation or a move that was held back becomes a line for the staff (failure 14).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bot.domain.records import AuditKind
from bot.domain.slots import NudgeRules
from bot.domain.values import RecipientId
from bot.errors import Refused
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.plan_nudges import plan_nudges

PAUSED: Final = "paused"  # the named value: since when, ISO 8601 in UTC; empty where nothing is held back


def paused_since(uow: UnitOfWork) -> str:
    """Since when all nudges are held back, ISO 8601 in UTC; empty where they leave."""
    return uow.meta.get(PAUSED) or ""


def is_paused(uow: UnitOfWork) -> bool:
    """Whether all nudges are."""
    return bool(paused_since(uow))


@dataclass(frozen=True, kw_only=True, slots=True)
class Paused:
    """``everybody``: all nudges are paused; ``patients`` by reference: those of whom somebody is."""

    everybody: bool
    patients: tuple[str, ...]


class PauseNudges:
    """See the module. ``who`` is a patient's reference (everybody who is told for that patient) or a recipient."""

    def __init__(self, uow: UnitOfWorkFactory, times: NudgeRules) -> None:
        self._uow, self._times = uow, times

    def pause(self, now: datetime) -> bool:
        """All of them. Whether that changed anything."""
        return self._set(now.isoformat(timespec="seconds"), AuditKind.PAUSED, now)

    def resume(self, now: datetime) -> bool:
        """Whether that changed anything."""
        return self._set("", AuditKind.RESUMED, now)

    def pause_one(self, who: str, now: datetime) -> int:
        """How many recipients. Raises :class:`Refused`."""
        with self._uow() as uow:
            chosen = meant_by(uow, who)
            for recipient in chosen:
                uow.recipients.pause(recipient, paused=True)
                uow.audit.add(AuditKind.PAUSED, now, recipient)
            plan_nudges(uow, chosen, now, self._times)
            uow.commit()
        return len(chosen)

    def resume_one(self, who: str, now: datetime) -> int:
        """As :meth:`pause_one`; their nudges to come are planned again."""
        with self._uow() as uow:
            chosen = meant_by(uow, who)
            for recipient in chosen:
                uow.recipients.pause(recipient, paused=False)
                uow.recipients.switch_on(recipient)  # the staff say so: it is tried once more
                uow.audit.add(AuditKind.RESUMED, now, recipient)
            plan_nudges(uow, chosen, now, self._times)
            uow.commit()
        return len(chosen)

    def _set(self, value: str, kind: AuditKind, now: datetime) -> bool:
        with self._uow() as uow:
            if is_paused(uow) == bool(value):
                return False
            uow.meta.set(PAUSED, value)
            uow.audit.add(kind, now)
            uow.commit()
        return True

    def state(self) -> Paused:
        with self._uow() as uow:
            signs = uow.recipients.signs(r.id for r in uow.recipients.all())
            found = {
                patient.reference
                for recipient, known in signs.items()
                if known.paused
                for i in uow.patients.patients_of(recipient)
                if (patient := uow.patients.get(i)) is not None
            }
            return Paused(everybody=is_paused(uow), patients=tuple(sorted(found)))


def meant_by(uow: UnitOfWork, who: str) -> Sequence[RecipientId]:
    """Everybody who is told for a patient (by reference), or a recipient. Raises :class:`Refused`."""
    if uow.recipients.get(RecipientId(who)) is not None:
        return (RecipientId(who),)
    patient = uow.patients.by_reference(who)
    if patient is None:
        raise Refused("no patient with this reference", mend="see: pli patient list")
    chosen = uow.patients.recipients_of(patient.id)
    if not chosen:
        raise Refused("nobody is told for this patient", mend="pli invite REF")
    return chosen
