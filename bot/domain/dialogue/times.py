"""What a patient may choose of the times of nudges, by what was typed. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.domain.choices import Confirmed, Level, Wishes
from bot.domain.vocabulary import IntentKind

TIMES: Final = (
    IntentKind.TIMES_USUAL,
    IntentKind.TIMES_PRIVATE,
    IntentKind.TIMES_CONSTANT,
    IntentKind.LAST_KEPT,
    IntentKind.LAST_DECLINED,
)
_LEVELS: Final = {
    IntentKind.TIMES_USUAL: None,
    IntentKind.TIMES_PRIVATE: Level.PRIVATE,
    IntentKind.TIMES_CONSTANT: Level.CONSTANT,
}


def wish(before: Wishes, kind: IntentKind) -> Wishes:
    """``before`` with what was asked for; ``kind`` is one of :data:`TIMES`."""
    if kind in _LEVELS:
        return replace(before, level=_LEVELS[kind])
    return replace(before, confirmed=Confirmed.NONE if kind is IntentKind.LAST_DECLINED else None)
