"""Telegram in the dialogue: what is asked of it, and what the help says where the practice has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bot.domain.intents import Intent
from bot.domain.states import Outcome
from bot.domain.telegram import NudgeOn
from bot.domain.templates import Template
from bot.domain.vocabulary import IntentKind

# What takes an open window: a link, or another place for nudges.
ASKED: Final = (
    IntentKind.TELEGRAM,
    IntentKind.TELEGRAM_BOTH,
    IntentKind.TELEGRAM_ONLY,
    IntentKind.TELEGRAM_HERE,
)
CHOSEN: Final[Mapping[IntentKind, NudgeOn]] = {
    IntentKind.TELEGRAM_BOTH: NudgeOn.BOTH,
    IntentKind.TELEGRAM_ONLY: NudgeOn.TELEGRAM,
    IntentKind.TELEGRAM_HERE: NudgeOn.MATRIX,
}
SET: Final[Mapping[NudgeOn, Outcome]] = {
    NudgeOn.BOTH: Outcome.TELEGRAM_ON_BOTH,
    NudgeOn.TELEGRAM: Outcome.TELEGRAM_ON_IT_ALONE,
    NudgeOn.MATRIX: Outcome.TELEGRAM_ON_HERE,
}
SAID: Final[Mapping[Outcome, Template]] = {
    Outcome.TELEGRAM_LINK: Template.TELEGRAM_LINK,
    Outcome.TELEGRAM_ON_BOTH: Template.TELEGRAM_BOTH,
    Outcome.TELEGRAM_ON_IT_ALONE: Template.TELEGRAM_ONLY,
    Outcome.TELEGRAM_ON_HERE: Template.TELEGRAM_HERE,
}


def without(intent: Intent) -> Intent:
    """What a practice without Telegram understands: its words are not among those that it knows."""
    ours = intent.kind in ASKED or intent.kind is IntentKind.TELEGRAM_OFF
    return replace(intent, kind=IntentKind.OTHER) if ours else intent


def with_help(templates: Sequence[Template]) -> tuple[Template, ...]:
    """``templates``, with the line on Telegram behind the help."""
    return tuple(
        each for t in templates for each in ((t, Template.HELP_TELEGRAM) if t is Template.HELP else (t,))
    )
