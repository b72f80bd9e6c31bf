"""The audit log names the member of the staff who acted, and the command."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("member", sa.String(64), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("act", sa.String(24), nullable=False, server_default=""))
