"""First schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "guess",
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("sender", name=op.f("pk_guess")),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value_enc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
    op.create_table(
        "patient",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference_idx", sa.String(length=64), nullable=False),
        sa.Column("reference_enc", sa.LargeBinary(), nullable=False),
        sa.Column("given_name_enc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient")),
        sa.UniqueConstraint("reference_idx", name=op.f("uq_patient_reference_idx")),
    )
    op.create_table(
        "problem",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem")),
    )
    op.create_table(
        "recipient",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("wrap", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("reminders_on", sa.Boolean(), nullable=False),
        sa.Column("changes_on", sa.Boolean(), nullable=False),
        sa.Column("consent_version", sa.String(length=16), nullable=False),
        sa.Column("consented_at", Moment(), nullable=True),
        sa.Column("pin_enc", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipient")),
    )
    op.create_table(
        "seen",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_seen")),
    )
    op.create_index(op.f("ix_seen_at"), "seen", ["at"], unique=False)
    op.create_table(
        "appointment",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("source_idx", sa.String(length=64), nullable=False),
        sa.Column("pair_idx", sa.String(length=64), nullable=False),
        sa.Column("series_idx", sa.String(length=64), nullable=False),
        sa.Column("day_tag", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("when_digest", sa.String(length=64), nullable=False),
        sa.Column("version_enc", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("time_revision", sa.Integer(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("past_after", Moment(), nullable=False),
        sa.Column("only", sa.String(length=64), nullable=True),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient"], ["patient.id"], name=op.f("fk_appointment_patient"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
        sa.UniqueConstraint("source_idx", name=op.f("uq_appointment_source_idx")),
    )
    op.create_index(op.f("ix_appointment_day_tag"), "appointment", ["day_tag"], unique=False)
    op.create_index(op.f("ix_appointment_past_after"), "appointment", ["past_after"], unique=False)
    op.create_index(op.f("ix_appointment_patient"), "appointment", ["patient"], unique=False)
    op.create_index(op.f("ix_appointment_series_idx"), "appointment", ["series_idx"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("verifier", sa.LargeBinary(), nullable=False),
        sa.Column("redeemed_by", sa.String(length=64), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name=op.f("fk_invitation_recipient"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    op.create_index(op.f("ix_invitation_recipient"), "invitation", ["recipient"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("txn", sa.String(length=64), nullable=False),
        sa.Column("due", Moment(), nullable=False),
        sa.Column("room", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=True),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("params", sa.String(length=500), nullable=False),
        sa.Column("slot", Moment(), nullable=True),
        sa.Column("useful_until", Moment(), nullable=True),
        sa.Column("event", sa.String(length=255), nullable=True),
        sa.Column("redact_after", sa.Integer(), nullable=False),
        sa.Column("rotate", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_at", Moment(), nullable=True),
        sa.Column("claimed_by", sa.String(length=64), nullable=False),
        sa.Column("settled_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name=op.f("fk_outbox_recipient"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("recipient", "slot", name=op.f("uq_outbox_recipient_slot")),
        sa.UniqueConstraint("txn", name=op.f("uq_outbox_txn")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_recipient"), "outbox", ["recipient"], unique=False)
    op.create_index("ix_outbox_waiting", "outbox", ["state", "due"], unique=False)
    op.create_table(
        "patient_recipient",
        sa.Column("patient", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient"], ["patient.id"], name=op.f("fk_patient_recipient_patient"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name=op.f("fk_patient_recipient_recipient"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("patient", "recipient", name=op.f("pk_patient_recipient")),
    )
    op.create_index(op.f("ix_patient_recipient_patient"), "patient_recipient", ["patient"], unique=False)
    op.create_index(op.f("ix_patient_recipient_recipient"), "patient_recipient", ["recipient"], unique=False)
    op.create_table(
        "room",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("room_idx", sa.String(length=64), nullable=False),
        sa.Column("room_enc", sa.LargeBinary(), nullable=False),
        sa.Column("user_idx", sa.String(length=64), nullable=False),
        sa.Column("user_enc", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("left", sa.Boolean(), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name=op.f("fk_room_recipient"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room")),
        sa.UniqueConstraint("room_idx", name=op.f("uq_room_room_idx")),
        sa.UniqueConstraint("user_idx", name=op.f("uq_room_user_idx")),
    )
    op.create_index(op.f("ix_room_recipient"), "room", ["recipient"], unique=False)
    op.create_table(
        "answer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("appointment", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("time_revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment"], ["appointment.id"], name=op.f("fk_answer_appointment"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
    )
    op.create_index(op.f("ix_answer_appointment"), "answer", ["appointment"], unique=False)
    op.create_index(op.f("ix_answer_recipient"), "answer", ["recipient"], unique=False)
    op.create_index(op.f("ix_answer_state"), "answer", ["state"], unique=False)
    op.create_table(
        "envelope",
        sa.Column("appointment", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment"], ["appointment.id"], name=op.f("fk_envelope_appointment"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name=op.f("fk_envelope_recipient"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("appointment", "recipient", name=op.f("pk_envelope")),
    )
    op.create_index(op.f("ix_envelope_appointment"), "envelope", ["appointment"], unique=False)
    op.create_index(op.f("ix_envelope_recipient"), "envelope", ["recipient"], unique=False)
    op.create_table(
        "reminder",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("appointment", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("slot", Moment(), nullable=False),
        sa.Column("useful_until", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment"], ["appointment.id"], name=op.f("fk_reminder_appointment"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name=op.f("fk_reminder_recipient"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder")),
    )
    op.create_index(op.f("ix_reminder_appointment"), "reminder", ["appointment"], unique=False)
    op.create_index(op.f("ix_reminder_recipient"), "reminder", ["recipient"], unique=False)
    op.create_index(op.f("ix_reminder_slot"), "reminder", ["slot"], unique=False)
