"""Since when nothing is pushed to a recipient, because their channel refuses it for good."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipient", sa.Column("off_since", sa.String(27), nullable=True))
