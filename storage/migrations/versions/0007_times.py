"""Up to when a reminder helps, which lead time a nudge is for, and what recipients asked for of the times of theirs.

What was known so far of an appointment's time is its day: a reminder helps until that day begins. The next import of
the agenda says it more exactly.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
_LONG_AGO = "1970-01-01T00:00:00.000000Z"


def upgrade() -> None:
    op.add_column("recipient", sa.Column("wishes_enc", sa.LargeBinary(), nullable=True))
    op.add_column("reminder", sa.Column("lead", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "appointment", sa.Column("tell_until", sa.String(27), nullable=False, server_default=_LONG_AGO)
    )
    table = sa.table("appointment", sa.column("past_after"), sa.column("tell_until"))
    db = op.get_bind()
    for (past_after,) in db.execute(sa.select(table.c.past_after).distinct()).all():
        # 23 hours before the midnight that ends a day lie in its first hours, in any zone and whatever clocks do.
        day = datetime.strptime(past_after, _FORM) - timedelta(hours=23)  # noqa: DTZ007 - its Z says UTC
        rows = sa.update(table).where(table.c.past_after == past_after)
        db.execute(rows.values(tell_until=day.strftime(_FORM)))
