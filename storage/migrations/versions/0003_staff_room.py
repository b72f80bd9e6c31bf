"""Members of the staff, their room, and orders that are not answered yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff_member",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_idx", sa.String(length=64), nullable=False),
        sa.Column("user_enc", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("pin_enc", sa.LargeBinary()),
        sa.Column("other_enc", sa.LargeBinary()),
        sa.Column("leaving", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_member")),
        sa.UniqueConstraint("user_idx", name=op.f("uq_staff_member_user_idx")),
    )
    op.create_table(
        "staff_room",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("room_enc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_room")),
    )
    op.create_table(
        "heard_order",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=255), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_heard_order")),
    )
