"""Everything that is held of one recipient, as one value, to be told to this person alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.choices import Wishes
from bot.domain.records import AnswerKind, AnswerState, AuditKind
from bot.domain.telegram import TelegramChat
from bot.domain.templates import Listed
from bot.domain.values import Language, UserId


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class HeldPatient:
    """For whom the recipient is told: the practice's reference, the given name where one is kept."""

    reference: str
    given_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldAnswer:
    """What was answered; the words of a wish are sealed for the practice, and not held here."""

    kind: AnswerKind
    state: AnswerState
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """One row of the log; ``count`` is how many appointments were shown, or nothing."""

    at: datetime
    kind: AuditKind
    count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class HeldData:
    """``fingerprint`` is that of the identity which the recipient's phone showed when the code was redeemed.

    ``waiting`` are the times of notices that are planned; ``unsent`` counts other messages that have not left yet;
    ``wishes``: what was asked for of the times of notices; ``log`` is newest first; ``telegram`` is the chat of
    Telegram that is linked, if there is one.
    """

    account: UserId
    fingerprint: str
    language: Language
    consent_version: str
    consented_at: datetime | None
    reminders_on: bool
    patients: Sequence[HeldPatient]
    appointments: Sequence[Listed]
    answers: Sequence[HeldAnswer]
    waiting: Sequence[datetime]
    unsent: int
    log: Sequence[Logged]
    wishes: Wishes = field(default_factory=Wishes)
    telegram: TelegramChat | None = None

    def __repr__(self) -> str:
        return "HeldData(…)"
