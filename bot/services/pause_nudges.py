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

from bot.domain.records import AuditKind
from bot.domain.values import RecipientId
from bot.errors import Refused
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.plan_nudges import plan_nudges

_ALL = "nudges_paused"


def is_paused(uow: UnitOfWork) -> bool:
    """Whether all nudges are."""
    return uow.meta.get(_ALL) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Paused:
    """``everybody``: all nudges are paused; ``patients`` by reference: those of whom somebody is."""

    everybody: bool
    patients: tuple[str, ...]


class PauseNudges:
    """``who`` is a patient's reference (everybody who is told for that patient) or a recipient; empty: all nudges."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def pause(self, who: str, *, now: datetime) -> int:
        """How many recipients; 0 for all nudges. Raises :class:`Refused`."""
        with self._uow() as uow:
            if who:
                chosen = _chosen(uow, who)
                for recipient in chosen:
                    uow.recipients.pause(recipient, paused=True)
                    uow.audit.add(AuditKind.PAUSED, now, recipient)
            else:
                if is_paused(uow):
                    raise Refused("all nudges are paused already", mend="to go on: resume")
                chosen = ()
                uow.meta.set(_ALL, now.isoformat(timespec="minutes"))
                uow.audit.add(AuditKind.PAUSED, now)
            uow.commit()
        return len(chosen)

    def resume(self, who: str, *, now: datetime) -> int:
        """As :meth:`pause`."""
        with self._uow() as uow:
            if who:
                chosen = _chosen(uow, who)
                for recipient in chosen:
                    uow.recipients.pause(recipient, paused=False)
                    uow.audit.add(AuditKind.RESUMED, now, recipient)
                plan_nudges(uow, chosen, now)
            else:
                if not is_paused(uow):
                    raise Refused("nudges are not paused", mend="one patient's: resume REF")
                chosen = ()
                uow.meta.remove(_ALL)
                uow.audit.add(AuditKind.RESUMED, now)
            uow.commit()
        return len(chosen)

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


def _chosen(uow: UnitOfWork, who: str) -> Sequence[RecipientId]:
    if uow.recipients.get(RecipientId(who)) is not None:
        return (RecipientId(who),)
    patient = uow.patients.by_reference(who)
    if patient is None:
        raise Refused("no patient with this reference", mend="see: pli patient list")
    chosen = uow.patients.recipients_of(patient.id)
    if not chosen:
        raise Refused("nobody is told for this patient", mend="pli invite REF")
    return chosen
