"""How much of what there is: counts and moments for the status screen and the metrics. No id and no name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One look at the database.

    ``outbox`` counts rows by (kind, state) as long as they are kept; ``waiting`` are due now and have not left;
    ``slots`` are the next ones with how many nudges each has; ``releases`` are all that the audit log shows;
    ``database_bytes`` is without SQLite's log; ``chats`` are bound on Telegram;
    ``sent`` counts nudges that left and are kept, by channel; one that left on both counts on each.
    """

    outbox: Mapping[tuple[str, str], int]
    waiting: int
    oldest_waiting: datetime | None
    slots: tuple[tuple[datetime, int], ...]
    recipients: Mapping[str, int]
    problems: Mapping[str, int]
    open_answers: int
    releases: int
    last_import: datetime | None
    last_import_count: int
    last_backup: datetime | None
    database_bytes: int
    chats: int = 0
    sent: Mapping[str, int] = field(default_factory=dict)

    def sum_outbox(self, kind: str, state: str) -> int:
        return self.outbox.get((kind, state), 0)
