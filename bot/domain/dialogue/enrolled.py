"""The rows of those who are enrolled: commands, the PIN before them, its change, leaving, lock-out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.dialogue import telegram
from bot.domain.dialogue.parts import Row, aside, asides, choosing, code_typed, do, leaving, redeeming, say
from bot.domain.states import OPEN_STATES, Action, Outcome, Pending, State, Tick, Transition
from bot.domain.templates import Template
from bot.domain.vocabulary import IntentKind

_COMMANDS = (
    IntentKind.SHOW,
    IntentKind.DATA,
    IntentKind.CONFIRM,
    IntentKind.CANCEL,
    IntentKind.KEEP,
    IntentKind.MOVE,
    *telegram.ASKED,
)
_ANSWERS = (IntentKind.YES, IntentKind.NO, IntentKind.NUMBER)


def _enrolled(state: State) -> Row:
    """What everyone enrolled may ask, whatever was asked before: a new command drops the old one."""
    commands: Row = {kind: say(State.ASK_PIN, Template.ASK_PIN, pending=Pending.TAKE) for kind in _COMMANDS}
    commands[IntentKind.MORE] = say(State.ASK_PIN, Template.ASK_PIN, pending=Pending.SHOW)
    if state in OPEN_STATES:
        commands = {
            IntentKind.SHOW: do(State.UNLOCKED, Action.LIST, pending=Pending.TAKE),
            IntentKind.MORE: do(State.UNLOCKED, Action.LIST_MORE, pending=Pending.SHOW),
            IntentKind.DATA: do(State.UNLOCKED, Action.SHOW_DATA, pending=Pending.TAKE),
            IntentKind.CONFIRM: do(State.UNLOCKED, Action.ACT, pending=Pending.TAKE),
            IntentKind.CANCEL: do(State.UNLOCKED, Action.FIND, pending=Pending.TAKE),
            IntentKind.KEEP: do(State.UNLOCKED, Action.ACT, pending=Pending.TAKE),
            IntentKind.MOVE: do(State.UNLOCKED, Action.ACT, pending=Pending.TAKE),
            **{kind: do(State.UNLOCKED, Action.TELEGRAM, pending=Pending.TAKE) for kind in telegram.ASKED},
        }
    return {
        **dict.fromkeys(_ANSWERS, aside(state, Template.NO_QUESTION)),
        **asides(state),
        **commands,
        **code_typed(State.READY),
        IntentKind.CHANGE_PIN: say(State.CHANGE_PIN_OLD, Template.CHANGE_PIN_OLD),
        IntentKind.LEAVE: say(State.CONFIRM_LEAVE, Template.ASK_LEAVE),
        Tick.TIME_UP: do(State.READY, Action.NOTHING),
    }


def _checked(state: State) -> Row:
    """What comes of a PIN that was not right."""
    return {
        Outcome.PIN_WRONG: say(state, Template.PIN_WRONG, pending=Pending.KEEP),
        Outcome.PIN_WRONG_WAIT: say(state, Template.PIN_WRONG_WAIT, pending=Pending.KEEP),
        Outcome.PIN_WRONG_TRIES: say(state, Template.PIN_WRONG_TRIES, pending=Pending.KEEP),
        Outcome.PIN_WAIT: say(state, Template.PIN_WAIT, pending=Pending.KEEP),
        Outcome.PIN_DESTROYED: say(State.LOCKED, Template.LOCKED_NOW),
        Outcome.PIN_STALE: say(State.READY, Template.TROUBLE),
    }


def _ready() -> Row:
    """A PIN out of the blue means "show": it is what people type after a nudge."""
    return {
        **_enrolled(State.READY),
        **redeeming(State.READY),
        IntentKind.DIGITS: do(State.ASK_PIN, Action.CHECK_PIN, pending=Pending.SHOW),
        IntentKind.DIGITS_ODD: say(State.ASK_PIN, Template.PIN_LENGTH, pending=Pending.SHOW),
    }


def _ask_pin() -> Row:
    state = State.ASK_PIN
    return {
        **_enrolled(state),
        **_checked(state),
        IntentKind.DIGITS: do(state, Action.CHECK_PIN, pending=Pending.KEEP),
        IntentKind.DIGITS_ODD: say(state, Template.PIN_LENGTH, pending=Pending.KEEP),
        IntentKind.NUMBER: say(state, Template.PIN_LENGTH, pending=Pending.KEEP),
        IntentKind.YES: aside(state),
        IntentKind.NO: say(State.READY, Template.NOTHING_DONE),
        Outcome.PIN_RIGHT: do(State.UNLOCKED, Action.RESUME, pending=Pending.KEEP),
    }


def _open(state: State) -> Row:
    """What the open states share: the window is open, commands need no PIN."""
    return {
        **_enrolled(state),
        IntentKind.DIGITS: aside(state, Template.PIN_NOT_NEEDED),
        IntentKind.DIGITS_ODD: aside(state, Template.PIN_NOT_NEEDED),
        IntentKind.NUMBER: say(state, Template.NUMBER_ALONE),
    }


def _unlocked() -> Row:
    """Where every command starts, and where its outcome comes back."""
    state = State.UNLOCKED
    return {
        **_open(state),
        # After a nudge a bare PIN means "show", also while the window of an earlier one is open: it opens afresh.
        IntentKind.DIGITS: do(State.ASK_PIN, Action.CHECK_PIN, pending=Pending.SHOW),
        Outcome.LISTED: say(state, Template.LIST),
        Outcome.LISTED_NOTHING: say(state, Template.LIST_EMPTY),
        Outcome.NO_MORE: say(state, Template.NO_MORE),
        Outcome.DATA_SHOWN: say(State.READ_DATA, Template.DATA),
        Outcome.DATA_END: say(state, Template.DATA_END),
        Outcome.STALE: say(State.ASK_PIN, Template.ASK_PIN_CHANGED, pending=Pending.KEEP),
        Outcome.WHICH: say(State.ASK_NUMBER, Template.WHICH, pending=Pending.KEEP),
        Outcome.NO_SUCH_NUMBER: say(State.ASK_NUMBER, Template.NO_SUCH_NUMBER, pending=Pending.KEEP),
        Outcome.GONE: say(state, Template.GONE),
        Outcome.FOUND: Transition(
            state=State.ASK_YES, action=Action.SAY, pending=Pending.KEEP, question=True
        ),
        Outcome.WISH_NEEDED: say(State.MOVE_WISH, Template.ASK_WISH, pending=Pending.KEEP),
        Outcome.CONFIRMED: say(state, Template.CONFIRMED),
        Outcome.CANCEL_PASSED_ON: say(state, Template.CANCEL_PASSED_ON),
        Outcome.KEPT: say(state, Template.KEPT),
        Outcome.MOVE_PASSED_ON: say(state, Template.MOVE_PASSED_ON),
        **{outcome: say(state, template) for outcome, template in telegram.SAID.items()},
    }


def _ask_number() -> Row:
    return {
        **_open(State.ASK_NUMBER),
        IntentKind.NUMBER: do(State.UNLOCKED, Action.RESUME, pending=Pending.NUMBER),
        IntentKind.NO: say(State.UNLOCKED, Template.NOTHING_DONE),
    }


def _ask_yes() -> Row:
    state = State.ASK_YES
    return {
        **_open(state),
        IntentKind.YES: do(State.UNLOCKED, Action.ACT_AGREED, pending=Pending.KEEP),
        IntentKind.NO: say(State.UNLOCKED, Template.NOTHING_DONE),
        IntentKind.NUMBER: aside(state),
    }


def _move_wish() -> Row:
    """Whatever is no command is the wish. Digits are not: they may be the PIN."""
    state = State.MOVE_WISH
    wish = do(State.UNLOCKED, Action.RESUME, pending=Pending.WISH)
    kinds = (IntentKind.OTHER, IntentKind.CODE_TYPO, IntentKind.MOVE, IntentKind.HELLO, IntentKind.THANKS)
    return {
        **_open(state),
        **dict.fromkeys(kinds, wish),
        **{kind: aside(state) for kind in (IntentKind.DIGITS, IntentKind.DIGITS_ODD, IntentKind.NUMBER)},
        IntentKind.YES: aside(state),
        IntentKind.NO: say(State.UNLOCKED, Template.NOTHING_DONE),
    }


def _read_data() -> Row:
    """A page of everything held was shown: "more" means its next one."""
    return {
        **_open(State.READ_DATA),
        IntentKind.DIGITS: do(State.ASK_PIN, Action.CHECK_PIN, pending=Pending.SHOW),
        IntentKind.MORE: do(State.UNLOCKED, Action.MORE_DATA),
    }


def _changing_pin(state: State) -> Row:
    unchanged = say(State.READY, Template.PIN_UNCHANGED)
    return {
        **_enrolled(state),
        IntentKind.NO: unchanged,
        IntentKind.CANCEL: unchanged,
        IntentKind.KEEP: unchanged,
        IntentKind.YES: aside(state),
    }


def _change_pin_old() -> Row:
    state = State.CHANGE_PIN_OLD
    return {
        **_changing_pin(state),
        **_checked(state),
        IntentKind.DIGITS: do(state, Action.CHECK_OLD_PIN),
        IntentKind.DIGITS_ODD: say(state, Template.PIN_LENGTH),
        IntentKind.NUMBER: say(state, Template.PIN_LENGTH),
        Outcome.PIN_RIGHT: say(State.CHANGE_PIN_NEW, Template.CHANGE_PIN_NEW),
    }


def _change_pin_new() -> Row:
    return {**_changing_pin(State.CHANGE_PIN_NEW), **choosing(State.CHANGE_PIN_NEW, State.CHANGE_PIN_REPEAT)}


def _change_pin_repeat() -> Row:
    state = State.CHANGE_PIN_REPEAT
    differs = say(State.CHANGE_PIN_NEW, Template.PIN_DIFFERS)
    return {
        **_changing_pin(state),
        **_checked(State.CHANGE_PIN_OLD),
        IntentKind.DIGITS: do(state, Action.CHANGE_PIN),
        IntentKind.DIGITS_ODD: differs,
        IntentKind.NUMBER: differs,
        Outcome.PIN_DIFFERS: differs,
        Outcome.PIN_SET: say(State.READY, Template.PIN_CHANGED),
    }


def _confirm_leave() -> Row:
    state = State.CONFIRM_LEAVE
    return {**_enrolled(state), **leaving(state, State.READY, Template.STAYED)}


def _without_key(state: State) -> Row:
    """After ten wrong PINs: nothing can be read, the settings still hold."""
    return {
        **{kind: aside(state) for kind in IntentKind},
        **asides(state),
        **{kind: aside(state) for kind in (IntentKind.HELP, IntentKind.HELLO, IntentKind.FORGOT_PIN)},
        **code_typed(State.LOCKED),
        IntentKind.LEAVE: say(State.CONFIRM_LEAVE_LOCKED, Template.ASK_LEAVE),
    }


def _locked() -> Row:
    return {**_without_key(State.LOCKED), **redeeming(State.LOCKED)}


def _confirm_leave_locked() -> Row:
    state = State.CONFIRM_LEAVE_LOCKED
    return {**_without_key(state), **leaving(state, State.LOCKED, Template.LOCKED)}


ROWS: Mapping[State, Row] = {
    State.READY: _ready(),
    State.ASK_PIN: _ask_pin(),
    State.UNLOCKED: _unlocked(),
    State.ASK_NUMBER: _ask_number(),
    State.ASK_YES: _ask_yes(),
    State.MOVE_WISH: _move_wish(),
    State.READ_DATA: _read_data(),
    State.CHANGE_PIN_OLD: _change_pin_old(),
    State.CHANGE_PIN_NEW: _change_pin_new(),
    State.CHANGE_PIN_REPEAT: _change_pin_repeat(),
    State.CONFIRM_LEAVE: _confirm_leave(),
    State.LOCKED: _locked(),
    State.CONFIRM_LEAVE_LOCKED: _confirm_leave_locked(),
}
