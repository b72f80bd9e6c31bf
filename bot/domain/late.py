"""What was typed long ago and comes only now. Pure.

1. Older than :data:`MEANT_FOR` by the homeserver's stamp, a PIN, an answer or a command that acts on something is not
   obeyed: whoever typed it has gone on meanwhile, or somebody kept it back. The question of the state is asked again.
2. The same goes for everything while appointments are open: a wish for another date has no form of its own.
3. Greetings, questions, free text and codes are answered as ever, and stopping reminders is never too late.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bot.domain.conversation import OPEN_STATES, State
from bot.domain.intents import Intent
from bot.domain.vocabulary import IntentKind

MEANT_FOR: Final = timedelta(minutes=30)
_ACTS: Final = frozenset(
    {
        IntentKind.DIGITS,
        IntentKind.DIGITS_ODD,
        IntentKind.NUMBER,
        IntentKind.YES,
        IntentKind.NO,
        IntentKind.CONFIRM,
        IntentKind.CANCEL,
        IntentKind.KEEP,
        IntentKind.MOVE,
        IntentKind.CHANGE_PIN,
        IntentKind.LEAVE,
    }
)


def is_too_late(intent: Intent, state: State, age: timedelta) -> bool:
    """Whether a message of that ``age`` is to be asked about instead of obeyed."""
    return age > MEANT_FOR and (intent.kind in _ACTS or state in OPEN_STATES)
