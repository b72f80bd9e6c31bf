"""Until when a decoy may leave. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.domain.planning import Person
from bot.domain.slots import NudgeRules, next_slot
from bot.domain.timing import timing


def decoy_until(slot: datetime, rules: NudgeRules, person: Person) -> datetime:
    """As long as until the next slot."""
    return next_slot(slot, rules, timing(rules, "", person.wishes).usual)
