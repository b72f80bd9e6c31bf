"""Since when nothing is pushed to a recipient, and an index in the order in which nudges are claimed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipient", sa.Column("off_since", sa.String(27), nullable=True))
    op.drop_index("ix_outbox_waiting", table_name="outbox")
    op.create_index("ix_outbox_waiting", "outbox", ["state", "kind", "due", "txn"])
