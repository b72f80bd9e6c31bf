"""Note what one recipient asks for of the times of their nudges, and plan them anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.domain.choices import Wishes
from bot.domain.records import AuditKind, Recipient
from bot.domain.slots import NudgeRules
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.pause_nudges import meant_by
from bot.services.plan_nudges import plan_nudges


def choose_times(
    uow: UnitOfWork, recipient: Recipient, wishes: Wishes, now: datetime, rules: NudgeRules
) -> None:
    """The caller commits."""
    uow.recipients.save(replace(recipient, wishes=wishes))
    uow.audit.add(AuditKind.TIMES_SET, now, recipient.id)
    plan_nudges(uow, [recipient.id], now, rules)


class ChooseTimes:
    """For the practice, on behalf of whoever asked at the desk."""

    def __init__(self, uow: UnitOfWorkFactory, rules: NudgeRules) -> None:
        self._uow, self._rules = uow, rules

    def __call__(self, who: str, change: Callable[[Wishes], Wishes], now: datetime) -> int:
        """``who``: a patient's reference (all who are told) or a recipient; how many. Raises :class:`Refused`."""
        with self._uow() as uow:
            known = uow.recipients.many(meant_by(uow, who))
            for recipient in known.values():
                choose_times(uow, recipient, change(recipient.wishes), now, self._rules)
            uow.commit()
        return len(known)
