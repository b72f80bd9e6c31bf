"""What a patient may choose of the times of nudges, by what was typed. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.domain.choices import Confirmed, Level, Wishes
from bot.domain.intents import Intent
from bot.domain.vocabulary import IntentKind

TIMES: Final = (
    IntentKind.TIMES_USUAL,
    IntentKind.TIMES_PRIVATE,
    IntentKind.TIMES_CONSTANT,
    IntentKind.DAYS,
    IntentKind.DAYS_USUAL,
    IntentKind.LAST_KEPT,
    IntentKind.LAST_DECLINED,
)
_LEVELS: Final = {
    IntentKind.TIMES_USUAL: None,
    IntentKind.TIMES_PRIVATE: Level.PRIVATE,
    IntentKind.TIMES_CONSTANT: Level.CONSTANT,
}


def wish(before: Wishes, intent: Intent) -> Wishes:
    """``before`` with what was asked for; its kind is one of :data:`TIMES`."""
    kind = intent.kind
    if kind in _LEVELS:
        return replace(before, level=_LEVELS[kind])
    if kind in (IntentKind.DAYS, IntentKind.DAYS_USUAL):
        return replace(before, days_before=intent.days or None)
    return replace(before, confirmed=Confirmed.NONE if kind is IntentKind.LAST_DECLINED else None)
