"""Chats on Telegram, links to bind them, and nudges that go there too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "telegram_link",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("expires", sa.String(27), nullable=False),
        sa.Column("spent", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name="fk_telegram_link_recipient", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_telegram_link"),
    )
    op.create_index("ix_telegram_link_recipient", "telegram_link", ["recipient"])
    op.create_table(
        "telegram_chat",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("chat_idx", sa.String(64), nullable=False),
        sa.Column("chat_enc", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("nudge_on", sa.String(200), nullable=False),
        sa.Column("linked_at", sa.String(27), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient"], ["recipient.id"], name="fk_telegram_chat_recipient", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_telegram_chat"),
        sa.UniqueConstraint("recipient", name="uq_telegram_chat_recipient"),
        sa.UniqueConstraint("chat_idx", name="uq_telegram_chat_chat_idx"),
    )
    op.add_column("outbox", sa.Column("copy_of", sa.Integer(), nullable=True))
    op.create_index("ix_outbox_copy_of", "outbox", ["copy_of"], unique=True)
