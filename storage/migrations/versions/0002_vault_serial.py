"""The vault's serial, noted in each recipient's row: an old vault put back is seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recipient", sa.Column("vault_serial", sa.BigInteger(), nullable=False, server_default="0"))
