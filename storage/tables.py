"""The tables. In clear: opaque ids, keyed digests, coarse slots, states. Everything that identifies is sealed.

Columns named ``*_enc`` hold AES-256-GCM-SIV under the practice's data key, bound to table, column and row;
columns named ``*_idx`` hold keyed blind indexes. Times are ISO 8601 UTC texts of one width, so that they sort.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from bot.errors import require_aware


class Moment(TypeDecorator[datetime]):
    """Aware UTC datetime as text ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return require_aware(value, "a stored time").astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002 - as above
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "id") -> Column[str]:
    return Column(name, String(64), primary_key=True)


def _ref(
    target: str, *, primary: bool = False, nullable: bool = False, lose: str = "CASCADE", index: bool = True
) -> Column[str]:
    name = target.split(".", maxsplit=1)[0]
    return Column(
        name,
        String(64),
        ForeignKey(target, ondelete=lose),
        primary_key=primary,
        nullable=nullable,
        index=index,
    )


recipient = Table(
    "recipient",
    metadata,
    _id(),
    Column("language", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("wrap", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("reminders_on", Boolean, nullable=False),
    Column("changes_on", Boolean, nullable=False),
    Column("consent_version", String(16), nullable=False),
    Column("consented_at", Moment),
    Column("pin_enc", LargeBinary),
    Column("vault_serial", BigInteger, nullable=False, server_default="0"),
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("nudged_at", Moment),
    Column("seen_at", Moment),
    Column("left_at", Moment),
    Column("wishes_enc", LargeBinary),
    Column("off_since", Moment),
)

patient = Table(
    "patient",
    metadata,
    _id(),
    Column("reference_idx", String(64), nullable=False, unique=True),
    Column("reference_enc", LargeBinary, nullable=False),
    Column("given_name_enc", LargeBinary, nullable=False),
)

patient_recipient = Table(
    "patient_recipient",
    metadata,
    _ref("patient.id", primary=True),
    _ref("recipient.id", primary=True),
)

invitation = Table(
    "invitation",
    metadata,
    _id(),
    _ref("recipient.id"),
    Column("kind", String(16), nullable=False),
    Column("expires", Moment, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("verifier", LargeBinary, nullable=False),
    Column("redeemed_by", String(64), nullable=False),
    Column("closed", Boolean, nullable=False),
)

room = Table(
    "room",
    metadata,
    _id(),
    Column("room_idx", String(64), nullable=False, unique=True),
    Column("room_enc", LargeBinary, nullable=False),
    Column("user_idx", String(64), nullable=False, unique=True),
    Column("user_enc", LargeBinary, nullable=False),
    Column("language", String(8), nullable=False),
    Column("left", Boolean, nullable=False),
    _ref("recipient.id", nullable=True, lose="SET NULL"),
)

appointment = Table(
    "appointment",
    metadata,
    _id(),
    _ref("patient.id"),
    Column("source_idx", String(64), nullable=False, unique=True),
    Column("pair_idx", String(64), nullable=False),
    Column("series_idx", String(64), nullable=False, index=True),
    Column("day_tag", String(64), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("when_digest", String(64), nullable=False),
    Column("version_enc", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("time_revision", Integer, nullable=False),
    Column("change", Integer, nullable=False),
    Column("past_after", Moment, nullable=False, index=True),
    Column("tell_until", Moment, nullable=False, server_default="1970-01-01T00:00:00.000000Z"),
    Column("only", String(64)),
    Column("by_hand", Boolean, nullable=False),
)

envelope = Table(
    "envelope",
    metadata,
    _ref("appointment.id", primary=True),
    _ref("recipient.id", primary=True),
    Column("key_id", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("told", Integer, nullable=False),
)

reminder = Table(
    "reminder",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _ref("appointment.id"),
    _ref("recipient.id"),
    Column("kind", String(16), nullable=False),
    Column("slot", Moment, nullable=False, index=True),
    Column("useful_until", Moment, nullable=False),
    Column("lead", Integer, nullable=False, server_default="0"),
)

answer = Table(
    "answer",
    metadata,
    _id(),
    _ref("appointment.id"),
    # No reference: what a patient answered stays open for the practice although the recipient is gone.
    Column("recipient", String(64), nullable=False, index=True),
    Column("time_revision", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("told", String(16), nullable=False, server_default=""),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("txn", String(64), nullable=False, unique=True),
    Column("due", Moment, nullable=False),
    Column("room", String(64), nullable=False),
    _ref("recipient.id", nullable=True),
    Column("template", String(64), nullable=False),
    Column("params", String(500), nullable=False),
    Column("slot", Moment),
    Column("useful_until", Moment),
    Column("event", String(255)),
    Column("redact_after", Integer, nullable=False),
    Column("rotate", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_at", Moment),
    Column("claimed_by", String(64), nullable=False),
    Column("settled_at", Moment),
    Column("copy_of", Integer, index=True, unique=True),
    UniqueConstraint("recipient", "slot"),
    # In the order in which nudges are claimed: else each batch of a large slot would sort all that waits.
    Index("ix_outbox_waiting", "state", "kind", "due", "txn"),
    sqlite_autoincrement=True,
)

seen = Table(
    "seen",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
)

guess = Table(
    "guess",
    metadata,
    Column("sender", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", Moment, nullable=False),
)

problem = Table(
    "problem",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("recipient", String(64)),
    Column("told", Boolean, nullable=False, server_default=false()),
)

staff_member = Table(
    "staff_member",
    metadata,
    _id(),
    Column("user_idx", String(64), nullable=False, unique=True),
    Column("user_enc", LargeBinary, nullable=False),
    Column("role", String(16), nullable=False),
    Column("language", String(8), nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("pin_enc", LargeBinary),
    Column("other_enc", LargeBinary),
    Column("leaving", Boolean, nullable=False),
)

staff_room = Table(
    "staff_room",
    metadata,
    _id(),
    Column("room_enc", LargeBinary, nullable=False),
)

telegram_link = Table(
    "telegram_link",
    metadata,
    _id(),
    _ref("recipient.id"),
    Column("expires", Moment, nullable=False),
    Column("spent", Boolean, nullable=False),
)

telegram_chat = Table(
    "telegram_chat",
    metadata,
    _id(),
    _ref("recipient.id", index=False),
    Column("chat_idx", String(64), nullable=False, unique=True),
    Column("chat_enc", LargeBinary, nullable=False),
    Column("language", String(8), nullable=False),
    Column("nudge_on", String(200), nullable=False),
    Column("linked_at", Moment, nullable=False),
    UniqueConstraint("recipient"),
)

heard_order = Table(
    "heard_order",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("event", String(255), nullable=False),
    Column("at", Moment, nullable=False),
    Column("sent", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("count", Integer, nullable=False),
    # Numbers or an opaque id by name ("new=3 changed=1"); never a word of an agenda.
    Column("note", String(200), nullable=False, server_default=""),
    Column("mac", LargeBinary, nullable=False),
    Column("member", String(64), nullable=False, server_default=""),
    Column("act", String(24), nullable=False, server_default=""),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value_enc", LargeBinary, nullable=False),
)
