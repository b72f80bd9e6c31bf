"""The bot's words in one language, for one practice: the service's :class:`bot.domain.templates.Words`.

1. A text takes exactly the values that :func:`bot.domain.templates.values_of` names: one that is missing or
   not named is refused. None of them comes from what a patient typed.
2. The nudge takes no value at all; a constant sentence takes the practice's telephone and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.domain.appointment import Detail
from bot.domain.held_data import HeldData
from bot.domain.messages import OpenSentence
from bot.domain.pin import MIN_DIGITS
from bot.domain.staff import StaffSentence
from bot.domain.telegram import TelegramSentence
from bot.domain.templates import CONSENT_VERSION, LISTS, Listed, Template, asked_of, values_of
from bot.domain.values import Language
from bot.errors import WrongUse
from config import held_rendering, rendering
from config.catalogue import load

NUDGE = "nudge"
TELEGRAM_NUDGE, TELEGRAM_BUTTON = "telegram.nudge", "telegram.button"
MAX_TEXT_BYTES = 2800
_NAME_BYTES = 160
_PHONE_BYTES = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class PracticeFacts:
    """What the texts say of the practice. ``phone`` may be empty."""

    name: str
    phone: str
    zone: ZoneInfo
    min_digits: int = MIN_DIGITS


class Wording:
    """Texts of one language. Holds nothing of a patient."""

    def __init__(self, language: Language, practice: PracticeFacts) -> None:
        self._catalogue = load(language)
        self._practice = practice
        phone = rendering.plain(practice.phone, _PHONE_BYTES)
        fill = self._catalogue.fill
        self._of_the_practice = {
            "call": fill("part.call_with_phone", phone=self._isolate(phone)) if phone else fill("part.call"),
            "practice": self._isolate(rendering.plain(practice.name, _NAME_BYTES)),
            "version": CONSENT_VERSION,
            "minimum": str(practice.min_digits),
        }

    def text(self, *templates: Template, **values: int | str) -> str:
        """The texts, joined by blank lines. ``wait`` in seconds, ``tries`` and ``count`` as numbers,
        ``appointment`` as :meth:`one` renders it. Raises :class:`bot.errors.WrongUse` (rule 1).
        """
        if LISTS & set(templates):
            raise WrongUse("a list is rendered by list()")
        asked = frozenset[str]().union(*(asked_of(t) for t in templates))
        if asked != values.keys():
            raise WrongUse("a text was given other values than it takes")
        worded = {name: self._worded(name, value) for name, value in values.items()} | self._of_the_practice
        return "\n\n".join(
            self._catalogue.fill(t, **{name: worded[name] for name in values_of(t)}) for t in templates
        )

    def open_text(self, sentence: OpenSentence) -> str:
        """Rule 2."""
        return self._catalogue.fill(sentence, call=self._of_the_practice["call"])

    def staff_text(self, sentence: StaffSentence) -> str:
        """Rule 2, without the telephone."""
        return self._catalogue.fill(sentence)

    def nudge(self) -> str:
        """Rule 2."""
        return self._catalogue.fill(NUDGE)

    def telegram_text(self, sentence: TelegramSentence) -> str:
        """No value at all: nothing there is the practice's."""
        return self._catalogue.fill(sentence)

    def telegram_nudge(self) -> str:
        """Rule 2."""
        return self._catalogue.fill(TELEGRAM_NUDGE)

    def telegram_button(self) -> str:
        """Rule 2."""
        return self._catalogue.fill(TELEGRAM_BUTTON)

    def list(
        self,
        listed: Sequence[Listed],
        *,
        several_patients: bool,
        until: datetime,
        more: bool,
        max_bytes: int = MAX_TEXT_BYTES,
    ) -> str:
        """A page of at most five, or that there is nothing; ``until`` (aware) is when the message goes."""
        return rendering.page(
            listed,
            self._practice.zone,
            self._catalogue,
            several_patients=several_patients,
            until=until,
            more=more,
            max_bytes=max_bytes,
        )

    def data(self, held: HeldData) -> Sequence[str]:
        """Everything held, in pages; see :mod:`config.held_rendering`."""
        return held_rendering.pages(held, self._practice.zone, self._catalogue, max_bytes=MAX_TEXT_BYTES)

    def data_page(self, pages: Sequence[str], number: int, *, until: datetime) -> str:
        """One of them, counted from 0; ``until`` (aware) is when the message goes."""
        return held_rendering.framed(pages, number, self._practice.zone, self._catalogue, until=until)

    def one(self, detail: Detail, *, several_patients: bool) -> str:
        """The value of ``appointment``."""
        return rendering.one(detail, self._practice.zone, self._catalogue, several_patients=several_patients)

    def _isolate(self, value: str) -> str:
        return rendering.isolate(value, self._catalogue)

    def _worded(self, name: str, value: int | str) -> str:
        if name == "wait":
            return rendering.duration(float(value), self._catalogue)
        if name == "tries":
            return self._catalogue.fill_counted("part.tries", int(value))
        return str(value)
