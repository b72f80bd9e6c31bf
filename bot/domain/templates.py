"""Names of all that the bot may say (msgids of the catalogues) and the values that each may hold. Pure.

1. A text takes exactly the values named here; the catalogues are checked against this list.
2. ``appointment`` is the only value that tells something of an agenda, and ``link`` binds whoever has it. A text that
   takes one of them, and the list, are releases: never in the outbox as text, redacted when their time is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from bot.domain.appointment import Detail
from bot.domain.messages import OpenSentence
from bot.domain.staff import StaffSentence
from bot.domain.telegram import TelegramSentence

if TYPE_CHECKING:  # it is made of the lists that stand here
    from bot.domain.held_data import HeldData

CONSENT_VERSION = "2026-1"


class Template(StrEnum):
    """Private replies."""

    CONSENT = "reply.consent"
    CONSENT_ASK = "reply.consent_ask"
    CONSENT_REFUSED = "reply.consent_refused"
    CODE_AGAIN = "reply.code_again"
    CODE_KNOWN = "reply.code_known"
    RELINKED = "reply.relinked"
    CHOOSE_PIN = "reply.choose_pin"
    PIN_TOO_SOON = "reply.pin_too_soon"
    PIN_LENGTH_CHOSEN = "reply.pin_length_chosen"
    PIN_EASY = "reply.pin_easy"
    REPEAT_PIN = "reply.repeat_pin"
    PIN_DIFFERS = "reply.pin_differs"
    READY = "reply.ready"
    ASK_PIN = "reply.ask_pin"
    ASK_PIN_CHANGED = "reply.ask_pin_changed"
    PIN_LENGTH = "reply.pin_length"
    PIN_WRONG = "reply.pin_wrong"
    PIN_WRONG_WAIT = "reply.pin_wrong_wait"
    PIN_WRONG_TRIES = "reply.pin_wrong_tries"
    PIN_WAIT = "reply.pin_wait"
    PIN_NOT_NEEDED = "reply.pin_not_needed"
    LOCKED_NOW = "reply.locked_now"
    LOCKED = "reply.locked"
    FORGOT_PIN = "reply.forgot_pin"
    LIST = "reply.list"
    LIST_EMPTY = "reply.list_empty"
    NO_MORE = "reply.no_more"
    DATA = "reply.data"
    DATA_END = "reply.data_end"
    WHICH = "reply.which"
    NO_SUCH_NUMBER = "reply.no_such_number"
    NUMBER_ALONE = "reply.number_alone"
    GONE = "reply.gone"
    ASK_CONFIRM = "reply.ask_confirm"
    ASK_CANCEL = "reply.ask_cancel"
    ASK_KEEP = "reply.ask_keep"
    ASK_MOVE = "reply.ask_move"
    ASK_WISH = "reply.ask_wish"
    CONFIRMED = "reply.confirmed"
    CANCEL_PASSED_ON = "reply.cancel_passed_on"
    KEPT = "reply.kept"
    MOVE_PASSED_ON = "reply.move_passed_on"
    YES_OR_NO = "reply.yes_or_no"
    WISH_AGAIN = "reply.wish_again"
    NOTHING_DONE = "reply.nothing_done"
    NO_QUESTION = "reply.no_question"
    CHANGE_PIN_OLD = "reply.change_pin_old"
    CHANGE_PIN_NEW = "reply.change_pin_new"
    PIN_CHANGED = "reply.pin_changed"
    PIN_UNCHANGED = "reply.pin_unchanged"
    LANGUAGE_ASK = "reply.language_ask"
    LANGUAGE_SET = "reply.language_set"
    TIMES_ASK = "reply.times_ask"
    TIMES_SET = "reply.times_set"
    TELEGRAM_LINK = "reply.telegram_link"
    TELEGRAM_BOTH = "reply.telegram_both"
    TELEGRAM_ONLY = "reply.telegram_only"
    TELEGRAM_HERE = "reply.telegram_here"
    TELEGRAM_NONE = "reply.telegram_none"
    TELEGRAM_UNLINKED = "reply.telegram_unlinked"
    TELEGRAM_LINKED = "reply.telegram_linked"
    TELEGRAM_REFUSED = "reply.telegram_refused"
    TELEGRAM_STOPPED = "reply.telegram_stopped"
    TELEGRAM_BLOCKED = "reply.telegram_blocked"
    TELEGRAM_SECRET = "reply.telegram_secret"  # noqa: S105 - the name of a text
    STOPPED = "reply.stopped"
    STARTED = "reply.started"
    ASK_LEAVE = "reply.ask_leave"
    STAYED = "reply.stayed"
    LEFT = "reply.left"
    HELP = "reply.help"
    HELP_TELEGRAM = "reply.help_telegram"
    THANKS = "reply.thanks"
    NOT_TEXT = "reply.not_text"
    OTHER = "reply.other"
    TROUBLE = "reply.trouble"


_NAMED: dict[Template, frozenset[str]] = {
    Template.CONSENT: frozenset({"call", "practice", "version"}),
    Template.CONSENT_REFUSED: frozenset({"call"}),
    Template.CODE_AGAIN: frozenset({"call"}),
    Template.CHOOSE_PIN: frozenset({"minimum"}),
    Template.PIN_LENGTH_CHOSEN: frozenset({"minimum"}),
    Template.CHANGE_PIN_NEW: frozenset({"minimum"}),
    Template.READY: frozenset({"call"}),
    Template.PIN_WRONG_WAIT: frozenset({"wait"}),
    Template.PIN_WRONG_TRIES: frozenset({"wait", "tries", "call"}),
    Template.PIN_WAIT: frozenset({"wait"}),
    Template.LOCKED_NOW: frozenset({"call"}),
    Template.LOCKED: frozenset({"call"}),
    Template.FORGOT_PIN: frozenset({"call"}),
    Template.DATA: frozenset({"page", "pages"}),
    Template.WHICH: frozenset({"count"}),
    Template.GONE: frozenset({"call"}),
    Template.ASK_CONFIRM: frozenset({"appointment"}),
    Template.ASK_CANCEL: frozenset({"appointment"}),
    Template.ASK_KEEP: frozenset({"appointment"}),
    Template.ASK_MOVE: frozenset({"appointment"}),
    Template.ASK_WISH: frozenset({"appointment"}),
    Template.CONFIRMED: frozenset({"appointment"}),
    Template.CANCEL_PASSED_ON: frozenset({"appointment", "call"}),
    Template.KEPT: frozenset({"appointment"}),
    Template.MOVE_PASSED_ON: frozenset({"appointment", "call"}),
    Template.TELEGRAM_LINK: frozenset({"link"}),
    Template.TELEGRAM_REFUSED: frozenset({"call"}),
    Template.TELEGRAM_SECRET: frozenset({"call"}),
    Template.LEFT: frozenset({"call"}),
    Template.HELP: frozenset({"call"}),
    Template.NOT_TEXT: frozenset({"call"}),
    Template.OTHER: frozenset({"call"}),
    Template.TROUBLE: frozenset({"call"}),
}

# Filled in by the wording itself from what the practice is; the others come from the caller.
OF_THE_PRACTICE = frozenset({"call", "practice", "version", "minimum"})
# Rendered from what a window holds, and never by :meth:`Words.text`.
_RELEASED = frozenset({"appointment", "link"})
LISTS = frozenset({Template.LIST, Template.LIST_EMPTY, Template.DATA})


def values_of(template: Template) -> frozenset[str]:
    """All values that the text holds."""
    return _NAMED.get(template, frozenset())


def asked_of(template: Template) -> frozenset[str]:
    """What the caller must give: ``wait`` (seconds), ``tries``, ``count``, ``appointment`` (rendered), ``link``."""
    return values_of(template) - OF_THE_PRACTICE


def is_release(template: Template) -> bool:
    """Rule 2."""
    return template in LISTS or not values_of(template).isdisjoint(_RELEASED)


class Mark(StrEnum):
    """What a list says about an appointment beside its details."""

    CONFIRMED = "mark.confirmed"
    CANCEL_PASSED_ON = "mark.cancel_passed_on"
    MOVE_PASSED_ON = "mark.move_passed_on"
    CANCELLED = "mark.cancelled"
    CHANGED = "mark.changed"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Listed:
    """One line of a list. ``number`` is the one that commands mean; it counts on from page to page."""

    number: int
    detail: Detail
    mark: Mark | None = None

    def __repr__(self) -> str:
        return "Listed(…)"


class Words(Protocol):
    """The bot's words in one language, for one practice (``config.wording.Wording``)."""

    def text(self, *templates: Template, **values: int | str) -> str:
        """The texts, joined by blank lines. Raises :class:`bot.errors.WrongUse` for other values."""

    def open_text(self, sentence: OpenSentence) -> str:
        """A constant sentence for any device."""

    def staff_text(self, sentence: StaffSentence) -> str:
        """A constant sentence in the staff room."""

    def nudge(self) -> str:
        """The constant nudge."""

    def telegram_text(self, sentence: TelegramSentence) -> str:
        """A constant sentence in Telegram."""

    def telegram_nudge(self) -> str:
        """The constant nudge there."""

    def telegram_button(self) -> str:
        """What its one button says."""

    def list(self, listed: Sequence[Listed], *, several_patients: bool, until: datetime, more: bool) -> str:
        """A page of at most five, or that there is nothing."""

    def data(self, held: HeldData) -> Sequence[str]:
        """Everything held, in pages; each fits one message together with its foot."""

    def data_page(self, pages: Sequence[str], number: int, *, until: datetime) -> str:
        """One of them, counted from 0, with its foot."""

    def one(self, detail: Detail, *, several_patients: bool) -> str:
        """The value of ``appointment``: one appointment in one line."""
