"""What is held of a conversation between two messages, in memory only, and where the steps of one message ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.conversation import Held, Session, Step
from bot.domain.values import AppointmentId, RecipientId, Secret
from bot.services.release_details import Opened, Window


@dataclass(slots=True, repr=False)
class Memory:
    """What is held between two messages of one room; ``before`` is what the last list's numbers stood for."""

    session: Session
    code: Secret | None = None
    code_at: datetime | None = None
    enrolling: RecipientId | None = None
    new_pin: Secret | None = None
    old_pin: Secret | None = None
    old_pin_at: datetime | None = None
    window: Window | None = None
    before: tuple[tuple[AppointmentId, int], ...] = ()
    asked_at: datetime | None = None

    def keep_only(self, held: Collection[Held]) -> None:
        """Forget everything that is not named."""
        if Held.CODE not in held:
            self.code = self.code_at = None
        if Held.NEW_PIN not in held:
            self.new_pin = None
        if Held.OLD_PIN not in held:
            self.old_pin = self.old_pin_at = None
        if Held.LIST not in held and self.window is not None:
            self.before, self.window = self.window.numbers(), None


@dataclass(slots=True, repr=False)
class Told:
    """Where the steps ended, and what the answer says."""

    step: Step
    values: dict[str, int | str] = field(default_factory=dict)
    chosen: Opened | None = None
