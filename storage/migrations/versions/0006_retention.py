"""Numbers beside an audit row, the checkpoint of those that were purged, and when a recipient left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("note", sa.String(200), nullable=False, server_default=""))
    op.create_table(
        "audit_checkpoint",
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("one", name="pk_audit_checkpoint"),
    )
    op.add_column("recipient", sa.Column("left_at", sa.String(27), nullable=True))
