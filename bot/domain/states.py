"""The names of which the conversation's table is made: states, inputs, actions, one entry. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from bot.domain.vocabulary import IntentKind


class State(StrEnum):
    """Where a conversation stands. The first six are rests: storage alone tells them."""

    UNKNOWN_DEVICE = "unknown_device"
    STRANGER = "stranger"
    CODE_AGAIN = "code_again"
    READY = "ready"
    LOCKED = "locked"
    LEFT = "left"
    CONSENT = "consent"
    CHOOSE_PIN = "choose_pin"
    REPEAT_PIN = "repeat_pin"
    ASK_PIN = "ask_pin"
    UNLOCKED = "unlocked"
    ASK_NUMBER = "ask_number"
    ASK_YES = "ask_yes"
    MOVE_WISH = "move_wish"
    READ_DATA = "read_data"
    CHANGE_PIN_OLD = "change_pin_old"
    CHANGE_PIN_NEW = "change_pin_new"
    CHANGE_PIN_REPEAT = "change_pin_repeat"
    CONFIRM_LEAVE = "confirm_leave"
    CONFIRM_LEAVE_EARLY = "confirm_leave_early"
    CONFIRM_LEAVE_LOCKED = "confirm_leave_locked"


class Outcome(StrEnum):
    """What came of an action."""

    CODE_RIGHT = "code_right"
    CODE_RIGHT_CONSENTED = "code_right_consented"
    CODE_RELINKED = "code_relinked"
    CODE_WRONG = "code_wrong"
    CODE_WAIT = "code_wait"
    CODE_GONE = "code_gone"
    CONSENTED = "consented"
    PIN_CHOSEN = "pin_chosen"
    PIN_LENGTH = "pin_length"
    PIN_EASY = "pin_easy"
    PIN_DIFFERS = "pin_differs"
    PIN_SET = "pin_set"
    PIN_RIGHT = "pin_right"
    PIN_WRONG = "pin_wrong"
    PIN_WRONG_WAIT = "pin_wrong_wait"
    PIN_WRONG_TRIES = "pin_wrong_tries"
    PIN_WAIT = "pin_wait"
    PIN_DESTROYED = "pin_destroyed"
    PIN_STALE = "pin_stale"
    LISTED = "listed"
    LISTED_NOTHING = "listed_nothing"
    NO_MORE = "no_more"
    DATA_SHOWN = "data_shown"
    DATA_END = "data_end"
    STALE = "stale"
    WHICH = "which"
    NO_SUCH_NUMBER = "no_such_number"
    GONE = "gone"
    FOUND = "found"
    WISH_NEEDED = "wish_needed"
    CONFIRMED = "confirmed"
    CANCEL_PASSED_ON = "cancel_passed_on"
    KEPT = "kept"
    MOVE_PASSED_ON = "move_passed_on"
    LANGUAGE_SET = "language_set"
    TIMES_SET = "times_set"
    TELEGRAM_LINK = "telegram_link"
    TELEGRAM_ON_BOTH = "telegram_on_both"
    TELEGRAM_ON_IT_ALONE = "telegram_on_it_alone"
    TELEGRAM_ON_HERE = "telegram_on_here"
    TELEGRAM_NONE = "telegram_none"
    TELEGRAM_UNLINKED = "telegram_unlinked"
    PAUSED = "paused"
    STARTED = "started"
    LEFT = "left"
    TROUBLE = "trouble"


class Tick(StrEnum):
    """Time alone: the time that ``conversation.LIMITS`` names for the state is over."""

    TIME_UP = "time_up"


Input = IntentKind | Outcome | Tick
INPUTS: tuple[Input, ...] = (*IntentKind, *Outcome, *Tick)


class Action(StrEnum):
    """What the service does next. SAY, SAY_OPEN and NOTHING end a message; every other one has an outcome."""

    NOTHING = "nothing"
    SAY = "say"
    SAY_OPEN = "say_open"
    REDEEM_CODE = "redeem_code"
    RECORD_CONSENT = "record_consent"
    JUDGE_PIN = "judge_pin"
    SET_PIN = "set_pin"
    CHANGE_PIN = "change_pin"
    CHECK_PIN = "check_pin"
    CHECK_OLD_PIN = "check_old_pin"
    LIST = "list"
    LIST_MORE = "list_more"
    SHOW_DATA = "show_data"
    MORE_DATA = "more_data"
    FIND = "find"
    ACT = "act"
    ACT_AGREED = "act_agreed"
    SET_LANGUAGE = "set_language"
    SET_TIMES = "set_times"
    TELEGRAM = "telegram"
    TELEGRAM_OFF = "telegram_off"
    PAUSE = "pause"
    START = "start"
    LEAVE = "leave"
    RESUME = "resume"


_NOT_RIGHT = frozenset(
    {
        Outcome.PIN_WRONG,
        Outcome.PIN_WRONG_WAIT,
        Outcome.PIN_WRONG_TRIES,
        Outcome.PIN_WAIT,
        Outcome.PIN_DESTROYED,
        Outcome.PIN_STALE,
        Outcome.TROUBLE,
    }
)
_NOT_FOUND = frozenset(
    {
        Outcome.LISTED,
        Outcome.LISTED_NOTHING,
        Outcome.WHICH,
        Outcome.NO_SUCH_NUMBER,
        Outcome.GONE,
        Outcome.STALE,
        Outcome.TROUBLE,
    }
)
_DONE = frozenset({Outcome.CONFIRMED, Outcome.KEPT, Outcome.MOVE_PASSED_ON, Outcome.WISH_NEEDED})

# All that may come of each action; the table answers every one of them in the state where the action left it.
OUTCOMES: Mapping[Action, frozenset[Outcome]] = {
    Action.REDEEM_CODE: frozenset(
        {
            Outcome.CODE_RIGHT,
            Outcome.CODE_RIGHT_CONSENTED,
            Outcome.CODE_RELINKED,
            Outcome.CODE_WRONG,
            Outcome.CODE_WAIT,
            Outcome.TROUBLE,
        }
    ),
    Action.RECORD_CONSENT: frozenset({Outcome.CONSENTED, Outcome.CODE_GONE, Outcome.TROUBLE}),
    Action.JUDGE_PIN: frozenset({Outcome.PIN_CHOSEN, Outcome.PIN_LENGTH, Outcome.PIN_EASY}),
    Action.SET_PIN: frozenset({Outcome.PIN_SET, Outcome.PIN_DIFFERS, Outcome.CODE_GONE, Outcome.TROUBLE}),
    Action.CHANGE_PIN: _NOT_RIGHT | {Outcome.PIN_SET, Outcome.PIN_DIFFERS},
    Action.CHECK_PIN: _NOT_RIGHT | {Outcome.PIN_RIGHT},
    Action.CHECK_OLD_PIN: _NOT_RIGHT | {Outcome.PIN_RIGHT},
    Action.LIST: frozenset({Outcome.LISTED, Outcome.LISTED_NOTHING, Outcome.STALE, Outcome.TROUBLE}),
    Action.LIST_MORE: frozenset(
        {Outcome.LISTED, Outcome.LISTED_NOTHING, Outcome.NO_MORE, Outcome.STALE, Outcome.TROUBLE}
    ),
    Action.SHOW_DATA: frozenset({Outcome.DATA_SHOWN, Outcome.STALE, Outcome.TROUBLE}),
    Action.MORE_DATA: frozenset({Outcome.DATA_SHOWN, Outcome.DATA_END, Outcome.TROUBLE}),
    Action.FIND: _NOT_FOUND | {Outcome.FOUND},
    Action.ACT: _NOT_FOUND | _DONE | {Outcome.FOUND},
    Action.ACT_AGREED: _NOT_FOUND | _DONE | {Outcome.CANCEL_PASSED_ON},
    Action.SET_LANGUAGE: frozenset({Outcome.LANGUAGE_SET, Outcome.TROUBLE}),
    Action.SET_TIMES: frozenset({Outcome.TIMES_SET, Outcome.TROUBLE}),
    Action.TELEGRAM: frozenset(
        {
            Outcome.TELEGRAM_LINK,
            Outcome.TELEGRAM_ON_BOTH,
            Outcome.TELEGRAM_ON_IT_ALONE,
            Outcome.TELEGRAM_ON_HERE,
            Outcome.TELEGRAM_NONE,
            Outcome.TROUBLE,
        }
    ),
    Action.TELEGRAM_OFF: frozenset({Outcome.TELEGRAM_UNLINKED, Outcome.TELEGRAM_NONE, Outcome.TROUBLE}),
    Action.PAUSE: frozenset({Outcome.PAUSED, Outcome.TROUBLE}),
    Action.START: frozenset({Outcome.STARTED, Outcome.TROUBLE}),
    Action.LEAVE: frozenset({Outcome.LEFT, Outcome.TROUBLE}),
}


class Pending(StrEnum):
    """What becomes of the command that waits."""

    DROP = "drop"
    KEEP = "keep"
    TAKE = "take"
    SHOW = "show"
    NUMBER = "number"
    WISH = "wish"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """One entry of the table. ``ignored``: the input cannot come here; if it does, nothing happens.

    ``question``: the text is the question that belongs to the waiting command.
    """

    state: State
    action: Action = Action.NOTHING
    templates: tuple[Template, ...] = ()
    sentence: OpenSentence | None = None
    pending: Pending = Pending.DROP
    redact: bool = False
    ignored: bool = False
    question: bool = False


OPEN_STATES = frozenset({State.UNLOCKED, State.ASK_NUMBER, State.ASK_YES, State.MOVE_WISH, State.READ_DATA})
ENROLLING = frozenset({State.CONSENT, State.CHOOSE_PIN, State.REPEAT_PIN})
AWAITING_SECRET = ENROLLING | {
    State.UNKNOWN_DEVICE,
    State.STRANGER,
    State.CODE_AGAIN,
    State.ASK_PIN,
    State.CHANGE_PIN_OLD,
    State.CHANGE_PIN_NEW,
    State.CHANGE_PIN_REPEAT,
}
