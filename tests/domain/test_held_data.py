"""What is held of somebody does not show in a repr."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.domain.held_data import HeldData, HeldPatient, Logged
from bot.domain.records import AuditKind
from bot.domain.values import Language, UserId

AT = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PATIENT = HeldPatient(reference="P-1001", given_name="Hélène")


def test_no_detail_shows() -> None:
    held = HeldData(
        account=UserId("@dupont:server"),
        fingerprint="ABCD",
        language=Language.FR,
        consent_version="2026-1",
        consented_at=AT,
        reminders_on=True,
        patients=(PATIENT,),
        appointments=(),
        answers=(),
        waiting=(AT,),
        unsent=0,
        log=(),
    )
    assert repr(held) == "HeldData(…)"
    assert not any(word in repr(PATIENT) for word in ("P-1001", "Hélène"))


def test_a_row_of_the_log_shows_no_appointment_unless_it_says_so() -> None:
    assert Logged(at=AT, kind=AuditKind.LOCKED).count == 0
