"""Names, secrets and small values; what is at rest before anything is known; reprs that show nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.appointment import Status
from bot.domain.messages import Attachment, Incoming, PrivateText
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    AuditEntry,
    AuditKind,
    Invitation,
    InvitationKind,
    OutboxKind,
    OutboxRow,
    OutboxState,
    Patient,
    Problem,
    ProblemKind,
    Recipient,
    RecipientState,
    Room,
    Signs,
    StoredAnswer,
    StoredAppointment,
    StoredEnvelope,
    Told,
)
from bot.domain.values import (
    AppointmentId,
    DateRange,
    EventId,
    KeyId,
    Language,
    PatientId,
    RecipientId,
    RoomId,
    Secret,
    SecretBytes,
    TransactionId,
    UserId,
    new_id,
)
from bot.errors import WrongUse

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
WHO, WHAT = RecipientId("r-1"), AppointmentId("a-1")


def test_an_id_is_sixteen_signs_of_five_bits_each() -> None:
    made = [new_id("r") for _ in range(500)]
    assert len(set(made)) == 500
    assert all(one.startswith("r-") and len(one) == 18 for one in made)
    assert set("".join(one[2:] for one in made)) == set("abcdefghijkmnpqrstuvwxyz23456789")
    for place in range(16):
        assert len({one[2 + place] for one in made}) == 32


@pytest.mark.parametrize("secret", [Secret("482915"), SecretBytes(b"482915")])
def test_a_secret_shows_nothing_and_equals_nothing(secret: Secret | SecretBytes) -> None:
    shown = {Secret: "Secret(…)", SecretBytes: "SecretBytes(6 bytes)"}[type(secret)]
    assert {repr(secret), str(secret), f"{secret}"} == {shown}
    assert secret.__eq__(secret) is NotImplemented
    assert secret != type(secret)(secret.reveal())  # type: ignore[arg-type]  # each of its own kind
    with pytest.raises(TypeError):
        hash(secret)


def test_secret_bytes_have_a_length() -> None:
    assert len(SecretBytes(b"123")) == 3
    assert SecretBytes(b"123").reveal() == b"123"


@pytest.mark.parametrize(("first", "last"), [("2026-09-01", "2026-09-01"), ("2026-09-01", "2026-10-01")])
def test_a_range_of_days(first: str, last: str) -> None:
    made = DateRange(first=first, last=last)
    assert (made.first, made.last) == (first, last)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-09-02", "2026-09-01"),
        ("2026-9-1", "2026-09-02"),
        ("2026-09-01", "2026-9-2"),
        ("02026-09-01", "2026-09-02"),
        ("2026-09-01 ", "2026-09-02"),
        ("", "2026-09-02"),
        ("aaaa-bb-cc", "aaaa-bb-cd"),
    ],
)
def test_a_range_of_days_that_is_none(first: str, last: str) -> None:
    with pytest.raises(WrongUse):
        DateRange(first=first, last=last)


def test_a_private_text_shows_nothing() -> None:
    assert repr(PrivateText(text="Dr Noël")) == "PrivateText(…)"


def test_a_file_shows_nothing() -> None:
    file = Attachment(
        name="Dupont.csv", media_type="text/csv", size=1, url="mxc://x/y", key="K", iv="I", sha256="S"
    )
    assert repr(file) == "Attachment(…)"


def test_a_message_says_nothing_of_itself() -> None:
    """No device, no key, no text: whatever is left out counts as unknown."""
    made = Incoming(room=RoomId("!r:x"), user=UserId("@a:b"), event=EventId("$e"), at=NOW)
    assert made.text.reveal() == ""
    assert (made.device, made.replay_key, made.oddity, made.attachment) == (None, None, None, None)


def test_a_recipient_begins_with_reminders_and_without_consent() -> None:
    made = Recipient(
        id=WHO,
        language=Language.FR,
        state=RecipientState.INVITED,
        key_id=KeyId("k"),
        public_key=b"p",
        signature=b"s",
        salt=b"t",
        wrap=b"w",
        generation=0,
    )
    assert (made.reminders_on, made.changes_on) == (True, True)
    assert (made.consent_version, made.consented_at, made.pin, made.left_at) == ("", None, None, None)


def test_a_recipient_is_not_paused_and_not_heard_of_unless_said() -> None:
    made = Signs()
    assert made.paused is False
    assert (made.nudged_at, made.seen_at) == (None, None)


def test_an_invitation_begins_open_and_unredeemed() -> None:
    made = Invitation(id="c", recipient=WHO, kind=InvitationKind.ENROL, expires=NOW)
    assert (made.salt, made.verifier, made.redeemed_by, made.closed) == (b"", b"", "", False)


def test_a_room_begins_without_anybody_known_in_it() -> None:
    made = Room(id="o", room=RoomId("!r:x"), user=UserId("@a:b"), language=Language.FR)
    assert (made.recipient, made.left) == (None, False)


def test_an_appointment_is_everybodys_and_the_agendas_unless_said() -> None:
    made = StoredAppointment(
        id=WHAT,
        patient=PatientId("p-1"),
        source_index="s",
        pair_index="p",
        day_tag="d",
        digest="g",
        when_digest="w",
        sequence=0,
        modified=None,
        status=Status.BOOKED,
        revision=0,
        time_revision=0,
        change=1,
        past_after=NOW,
        tell_until=NOW,
    )
    assert (made.only, made.by_hand, made.series_index) == (None, False, "")


def test_nothing_sealed_or_named_shows_in_a_repr() -> None:
    envelope = StoredEnvelope(appointment=WHAT, recipient=WHO, key_id=KeyId("k"), revision=0, blob=b"SEALED")
    answer = StoredAnswer(
        id="w-1",
        appointment=WHAT,
        recipient=WHO,
        time_revision=0,
        kind=AnswerKind.MOVE,
        state=AnswerState.OPEN,
        at=NOW,
        blob=b"SEALED",
    )
    patient = Patient(id=PatientId("p-1"), reference="P-1001", given_name="Odette")
    for shown in map(repr, (envelope, answer, patient)):
        assert not any(word in shown for word in ("SEALED", "P-1001", "Odette"))
    assert (envelope.told, envelope.blob, answer.blob) == (0, b"SEALED", b"SEALED")
    assert answer.told is Told.NOTHING
    assert Patient(id=PatientId("p-1"), reference="P-1001").given_name == ""


def test_what_leaves_begins_unclaimed_and_stays_until_said() -> None:
    made = OutboxRow(id=1, kind=OutboxKind.REPLY, state=OutboxState.QUEUED, txn=TransactionId("t"), due=NOW)
    assert (made.room, made.recipient, made.template, made.params) == ("", None, "", {})
    assert (made.slot, made.useful_until, made.event) == (None, None, None)
    assert (made.redact_after, made.rotate, made.attempts) == (0, False, 0)
    assert (made.claimed_at, made.claimed_by) == (None, "")
    problem = Problem(at=NOW, kind=ProblemKind.LEFT)
    assert (problem.recipient, problem.id) == (None, 0)
    assert problem.told is False


def test_a_row_of_the_audit_log_names_nobody_unless_said() -> None:
    made = AuditEntry(number=1, at=NOW, kind=AuditKind.STARTED)
    assert (made.recipient, made.member) == (None, None)
    assert (made.count, made.note, made.act) == (0, "", "")
