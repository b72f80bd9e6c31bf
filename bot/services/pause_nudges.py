"""Hold all nudges back, and let them go again. What became too late meanwhile is reported when it is claimed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bot.domain.records import AuditKind
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory

PAUSED: Final = "paused"  # the named value: since when, ISO 8601 in UTC; empty where nothing is held back


def paused_since(uow: UnitOfWork) -> str:
    """ISO 8601 in UTC; empty where nudges leave."""
    return uow.meta.get(PAUSED) or ""


def is_paused(uow: UnitOfWork) -> bool:
    return bool(paused_since(uow))


class PauseNudges:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def pause(self, now: datetime) -> bool:
        """Whether that changed anything."""
        return self._set(now.isoformat(timespec="seconds"), AuditKind.PAUSED, now)

    def resume(self, now: datetime) -> bool:
        """Whether that changed anything."""
        return self._set("", AuditKind.RESUMED, now)

    def _set(self, value: str, kind: AuditKind, now: datetime) -> bool:
        with self._uow() as uow:
            if is_paused(uow) == bool(value):
                return False
            uow.meta.set(PAUSED, value)
            uow.audit.add(kind, now)
            uow.commit()
        return True
