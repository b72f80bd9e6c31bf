"""Collect everything that is held of one recipient, for this person to read ("my data").

1. Appointments come from a window that a right PIN opened, and from nowhere else.
2. Nothing of anybody else: another recipient of the same patient is not named, nor what that one answered.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.held_data import HeldAnswer, HeldData, HeldPatient, Logged
from bot.domain.records import AuditEntry, AuditKind, Recipient, Room
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.read_audit import with_older
from bot.services.release_details import Window


class CollectData:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def __call__(self, recipient: Recipient, room: Room, window: Window, now: datetime) -> HeldData:
        with self._uow() as uow:
            patients = [
                HeldPatient(reference=patient.reference, given_name=patient.given_name)
                for i in uow.patients.patients_of(recipient.id)
                if (patient := uow.patients.get(i)) is not None
            ]
            return HeldData(
                account=room.user,
                fingerprint=_fingerprint(recipient),
                language=recipient.language,
                consent_version=recipient.consent_version,
                consented_at=recipient.consented_at,
                reminders_on=recipient.reminders_on,
                patients=patients,
                appointments=[item.listed() for item in window.items],
                answers=[
                    HeldAnswer(kind=a.kind, state=a.state, at=a.at) for a in uow.answers.by(recipient.id)
                ],
                waiting=sorted({r.slot for r in uow.reminders.after(recipient.id, now) if r.slot > now}),
                unsent=uow.outbox.unsent(recipient.id, now),
                log=list(_log(uow, recipient)),
                wishes=recipient.wishes,
                telegram=uow.telegram.by_recipient(recipient.id),
            )


def _fingerprint(recipient: Recipient) -> str:
    return (recipient.pin.master_key or recipient.pin.ed25519 or "") if recipient.pin else ""


def _log(uow: UnitOfWork, recipient: Recipient) -> list[Logged]:
    entries = uow.audit.listing(recipients=with_older(uow, [recipient.id]))
    return [known for entry in reversed(entries) if (known := _logged(entry)) is not None]


def _logged(entry: AuditEntry) -> Logged | None:
    try:
        return Logged(at=entry.at, kind=AuditKind(entry.kind), count=entry.count)
    except ValueError:
        return None  # written by a newer version of the program
