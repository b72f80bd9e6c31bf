"""Who is paused, when each was last nudged and last heard of, and which news the staff were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipient", sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("recipient", sa.Column("nudged_at", Moment()))
    op.add_column("recipient", sa.Column("seen_at", Moment()))
    op.add_column("answer", sa.Column("told", sa.String(16), nullable=False, server_default=""))
    op.add_column("problem", sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false()))
