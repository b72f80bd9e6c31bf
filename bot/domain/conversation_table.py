"""The one transition table: every state × every input. The rules are those of the conversation module."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot.domain.messages import OpenSentence
from bot.domain.states import (
    AWAITING_SECRET,
    INPUTS,
    OPEN_STATES,
    Action,
    Input,
    Outcome,
    Pending,
    State,
    Tick,
    Transition,
)
from bot.domain.templates import Template
from bot.domain.vocabulary import IntentKind

Row = dict[Input, Transition]

_COMMANDS = (IntentKind.SHOW, IntentKind.CONFIRM, IntentKind.CANCEL, IntentKind.KEEP, IntentKind.MOVE)
_SECRETS = (IntentKind.CODE, IntentKind.CODE_TYPO, IntentKind.DIGITS, IntentKind.DIGITS_ODD)
_UNCLEAR = (IntentKind.OTHER, IntentKind.NUMBER, IntentKind.NOT_TEXT)

# What the bot is waiting for, said again behind an answer to something else.
_PROMPTS: Mapping[State, tuple[Template, ...]] = {
    State.CODE_AGAIN: (Template.CODE_AGAIN,),
    State.CONSENT: (Template.CONSENT_ASK,),
    State.CHOOSE_PIN: (Template.CHOOSE_PIN,),
    State.REPEAT_PIN: (Template.REPEAT_PIN,),
    State.ASK_PIN: (Template.ASK_PIN,),
    State.ASK_YES: (Template.YES_OR_NO,),
    State.MOVE_WISH: (Template.WISH_AGAIN,),
    State.CHANGE_PIN_OLD: (Template.CHANGE_PIN_OLD,),
    State.CHANGE_PIN_NEW: (Template.CHANGE_PIN_NEW,),
    State.CHANGE_PIN_REPEAT: (Template.REPEAT_PIN,),
    State.CONFIRM_LEAVE: (Template.ASK_LEAVE,),
    State.CONFIRM_LEAVE_EARLY: (Template.ASK_LEAVE,),
    State.CONFIRM_LEAVE_LOCKED: (Template.ASK_LEAVE,),
    State.LOCKED: (Template.LOCKED,),
}


def _say(state: State, *templates: Template, pending: Pending = Pending.DROP) -> Transition:
    return Transition(state=state, action=Action.SAY, templates=templates, pending=pending)


def _open(state: State, sentence: OpenSentence) -> Transition:
    return Transition(state=state, action=Action.SAY_OPEN, sentence=sentence)


def _do(state: State, action: Action, *, pending: Pending = Pending.DROP) -> Transition:
    return Transition(state=state, action=action, pending=pending)


def _aside(state: State, *templates: Template) -> Transition:
    """Answer, stay, and say again what is awaited."""
    return _say(state, *templates, *_PROMPTS.get(state, ()), pending=Pending.KEEP)


def _redeeming(state: State) -> Row:
    """A code typed in ``state``, and what came of it."""
    return {
        IntentKind.CODE: _do(state, Action.REDEEM_CODE),
        IntentKind.CODE_TYPO: _open(state, OpenSentence.CODE_TYPO),
        Outcome.CODE_RIGHT: _say(State.CONSENT, Template.CONSENT),
        Outcome.CODE_RIGHT_CONSENTED: _say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        Outcome.CODE_RELINKED: _say(State.READY, Template.RELINKED),
        Outcome.CODE_WRONG: _open(state, OpenSentence.CODE_WRONG),
        Outcome.CODE_WAIT: _open(state, OpenSentence.CODE_WAIT),
    }


def _outside(state: State, sentence: OpenSentence) -> Row:
    """Someone who is not enrolled, or not vouched for: one constant sentence for everything but a code."""
    everything: Row = {kind: _open(state, sentence) for kind in IntentKind}
    return {**everything, **_redeeming(state), Outcome.TROUBLE: _open(state, OpenSentence.OUT_OF_ORDER)}


def _unknown_device() -> Row:
    """Rule 4: a wrong or mistyped code gets the same sentence as everything else."""
    state, sentence = State.UNKNOWN_DEVICE, OpenSentence.UNKNOWN_DEVICE
    inputs = (IntentKind.CODE_TYPO, Outcome.CODE_WRONG, Outcome.CODE_WAIT, Outcome.TROUBLE)
    return {**_outside(state, sentence), **{i: _open(state, sentence) for i in inputs}}


def _asides(state: State) -> Row:
    """What may be said at any time by someone who is known, without losing the thread."""
    return {
        IntentKind.FORGOT_PIN: _aside(state, Template.FORGOT_PIN),
        IntentKind.LANGUAGE_ASK: _aside(state, Template.LANGUAGE_ASK),
        IntentKind.LANGUAGE: _do(state, Action.SET_LANGUAGE, pending=Pending.KEEP),
        Outcome.LANGUAGE_SET: _aside(state, Template.LANGUAGE_SET),
        IntentKind.STOP: _do(state, Action.PAUSE, pending=Pending.KEEP),
        Outcome.PAUSED: _aside(state, Template.STOPPED),
        IntentKind.START: _do(state, Action.START, pending=Pending.KEEP),
        Outcome.STARTED: _aside(state, Template.STARTED),
        IntentKind.HELP: _aside(state, Template.HELP),
        IntentKind.HELLO: _aside(state, Template.HELP),
        IntentKind.THANKS: _aside(state, Template.THANKS),
        IntentKind.NOT_TEXT: _aside(state, Template.NOT_TEXT),
        IntentKind.OTHER: _aside(state, Template.OTHER),
        Outcome.TROUBLE: _say(state, Template.TROUBLE, pending=Pending.KEEP),
    }


def _enrolling(state: State) -> Row:
    """Between the code and the PIN: nothing but the next step, leaving, and help."""
    only_prompt: Row = {kind: _aside(state) for kind in IntentKind}
    asides = _asides(state)
    del asides[IntentKind.STOP], asides[IntentKind.START], asides[Outcome.PAUSED], asides[Outcome.STARTED]
    return {
        **only_prompt,
        **asides,
        IntentKind.HELP: _aside(state),
        IntentKind.HELLO: _aside(state),
        IntentKind.THANKS: _aside(state),
        IntentKind.LANGUAGE: _do(state, Action.SET_LANGUAGE),
        Outcome.LANGUAGE_SET: _aside(state),
        IntentKind.FORGOT_PIN: _aside(state),
        IntentKind.CODE: _aside(state, Template.CODE_KNOWN),
        IntentKind.CODE_TYPO: _aside(state, Template.CODE_KNOWN),
        IntentKind.LEAVE: _say(State.CONFIRM_LEAVE_EARLY, Template.ASK_LEAVE),
        Outcome.CODE_GONE: _say(State.CODE_AGAIN, Template.CODE_AGAIN),
        Tick.TIME_UP: _do(State.CODE_AGAIN, Action.NOTHING),
    }


def _code_again() -> Row:
    state = State.CODE_AGAIN
    row = _enrolling(state)
    del row[Outcome.CODE_GONE], row[Tick.TIME_UP]
    return {**row, **_redeeming(state)}


def _consent() -> Row:
    state = State.CONSENT
    return {
        **_enrolling(state),
        IntentKind.YES: _do(state, Action.RECORD_CONSENT),
        Outcome.CONSENTED: _say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        IntentKind.NO: _say(state, Template.CONSENT_REFUSED),
        IntentKind.STOP: _say(state, Template.CONSENT_REFUSED),
        IntentKind.DIGITS: _aside(state, Template.PIN_TOO_SOON),
        IntentKind.DIGITS_ODD: _aside(state, Template.PIN_TOO_SOON),
        IntentKind.HELP: _say(state, Template.CONSENT),
        Outcome.LANGUAGE_SET: _say(state, Template.CONSENT),
    }


def _choosing(state: State, then: State) -> Row:
    """Choose a PIN: for the first time, or a new one."""
    return {
        IntentKind.DIGITS: _do(state, Action.JUDGE_PIN),
        IntentKind.DIGITS_ODD: _say(state, Template.PIN_LENGTH_CHOSEN),
        IntentKind.NUMBER: _say(state, Template.PIN_LENGTH_CHOSEN),
        Outcome.PIN_CHOSEN: _say(then, Template.REPEAT_PIN),
        Outcome.PIN_LENGTH: _say(state, Template.PIN_LENGTH_CHOSEN),
        Outcome.PIN_EASY: _say(state, Template.PIN_EASY),
    }


def _repeat_pin() -> Row:
    state = State.REPEAT_PIN
    return {
        **_enrolling(state),
        IntentKind.DIGITS: _do(state, Action.SET_PIN),
        IntentKind.DIGITS_ODD: _say(State.CHOOSE_PIN, Template.PIN_DIFFERS),
        IntentKind.NUMBER: _say(State.CHOOSE_PIN, Template.PIN_DIFFERS),
        IntentKind.NO: _say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        IntentKind.CANCEL: _say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        IntentKind.CHANGE_PIN: _say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        Outcome.PIN_DIFFERS: _say(State.CHOOSE_PIN, Template.PIN_DIFFERS),
        Outcome.PIN_SET: _say(State.READY, Template.READY),
    }


def _enrolled(state: State) -> Row:
    """What everyone enrolled may ask, whatever was asked before: a new command drops the old one."""
    commands: Row = {kind: _say(State.ASK_PIN, Template.ASK_PIN, pending=Pending.TAKE) for kind in _COMMANDS}
    commands[IntentKind.MORE] = _say(State.ASK_PIN, Template.ASK_PIN, pending=Pending.SHOW)
    if state in OPEN_STATES:
        commands = {
            IntentKind.SHOW: _do(State.UNLOCKED, Action.LIST, pending=Pending.TAKE),
            IntentKind.MORE: _do(State.UNLOCKED, Action.LIST_MORE, pending=Pending.SHOW),
            IntentKind.CONFIRM: _do(State.UNLOCKED, Action.ACT, pending=Pending.TAKE),
            IntentKind.CANCEL: _do(State.UNLOCKED, Action.FIND, pending=Pending.TAKE),
            IntentKind.KEEP: _do(State.UNLOCKED, Action.ACT, pending=Pending.TAKE),
            IntentKind.MOVE: _do(State.UNLOCKED, Action.ACT, pending=Pending.TAKE),
        }
    return {
        **{
            kind: _aside(state, Template.NO_QUESTION)
            for kind in (IntentKind.YES, IntentKind.NO, IntentKind.NUMBER)
        },
        **_asides(state),
        **commands,
        **_redeeming(State.READY),
        IntentKind.CHANGE_PIN: _say(State.CHANGE_PIN_OLD, Template.CHANGE_PIN_OLD),
        IntentKind.LEAVE: _say(State.CONFIRM_LEAVE, Template.ASK_LEAVE),
        Tick.TIME_UP: _do(State.READY, Action.NOTHING),
    }


def _checked(state: State) -> Row:
    """What comes of a PIN that was not right."""
    return {
        Outcome.PIN_WRONG: _say(state, Template.PIN_WRONG, pending=Pending.KEEP),
        Outcome.PIN_WRONG_WAIT: _say(state, Template.PIN_WRONG_WAIT, pending=Pending.KEEP),
        Outcome.PIN_WRONG_TRIES: _say(state, Template.PIN_WRONG_TRIES, pending=Pending.KEEP),
        Outcome.PIN_WAIT: _say(state, Template.PIN_WAIT, pending=Pending.KEEP),
        Outcome.PIN_DESTROYED: _say(State.LOCKED, Template.LOCKED_NOW),
        Outcome.PIN_STALE: _say(State.READY, Template.TROUBLE),
    }


def _ready() -> Row:
    """A PIN out of the blue means "show": it is what people type after a nudge."""
    return {
        **_enrolled(State.READY),
        IntentKind.DIGITS: _do(State.ASK_PIN, Action.CHECK_PIN, pending=Pending.SHOW),
        IntentKind.DIGITS_ODD: _say(State.ASK_PIN, Template.PIN_LENGTH, pending=Pending.SHOW),
        Tick.TIME_UP: _do(State.READY, Action.NOTHING),
    }


def _ask_pin() -> Row:
    state = State.ASK_PIN
    return {
        **_enrolled(state),
        **_checked(state),
        IntentKind.DIGITS: _do(state, Action.CHECK_PIN, pending=Pending.KEEP),
        IntentKind.DIGITS_ODD: _say(state, Template.PIN_LENGTH, pending=Pending.KEEP),
        IntentKind.NUMBER: _say(state, Template.PIN_LENGTH, pending=Pending.KEEP),
        IntentKind.YES: _aside(state),
        IntentKind.NO: _say(State.READY, Template.NOTHING_DONE),
        Outcome.PIN_RIGHT: _do(State.UNLOCKED, Action.RESUME, pending=Pending.KEEP),
    }


def _unlocked(state: State) -> Row:
    """The open states. An outcome comes back in UNLOCKED, where every command starts."""
    row: Row = {
        **_enrolled(state),
        IntentKind.DIGITS: _aside(state, Template.PIN_NOT_NEEDED),
        IntentKind.DIGITS_ODD: _aside(state, Template.PIN_NOT_NEEDED),
        IntentKind.NUMBER: _say(state, Template.NUMBER_ALONE),
        IntentKind.CODE: _do(State.READY, Action.REDEEM_CODE),
    }
    if state is State.UNLOCKED:
        unlocked = State.UNLOCKED
        row |= {
            Outcome.LISTED: _say(unlocked, Template.LIST),
            Outcome.LISTED_NOTHING: _say(unlocked, Template.LIST_EMPTY),
            Outcome.NO_MORE: _say(unlocked, Template.NO_MORE),
            Outcome.STALE: _say(State.ASK_PIN, Template.ASK_PIN_CHANGED, pending=Pending.KEEP),
            Outcome.WHICH: _say(State.ASK_NUMBER, Template.WHICH, pending=Pending.KEEP),
            Outcome.NO_SUCH_NUMBER: _say(State.ASK_NUMBER, Template.NO_SUCH_NUMBER, pending=Pending.KEEP),
            Outcome.GONE: _say(unlocked, Template.GONE),
            Outcome.FOUND: Transition(
                state=State.ASK_YES, action=Action.SAY, pending=Pending.KEEP, question=True
            ),
            Outcome.WISH_NEEDED: _say(State.MOVE_WISH, Template.ASK_WISH, pending=Pending.KEEP),
            Outcome.CONFIRMED: _say(unlocked, Template.CONFIRMED),
            Outcome.CANCEL_PASSED_ON: _say(unlocked, Template.CANCEL_PASSED_ON),
            Outcome.KEPT: _say(unlocked, Template.KEPT),
            Outcome.MOVE_PASSED_ON: _say(unlocked, Template.MOVE_PASSED_ON),
        }
    return row


def _ask_number() -> Row:
    return {
        **_unlocked(State.ASK_NUMBER),
        IntentKind.NUMBER: _do(State.UNLOCKED, Action.RESUME, pending=Pending.NUMBER),
        IntentKind.NO: _say(State.UNLOCKED, Template.NOTHING_DONE),
    }


def _ask_yes() -> Row:
    state = State.ASK_YES
    return {
        **_unlocked(state),
        IntentKind.YES: _do(State.UNLOCKED, Action.ACT_AGREED, pending=Pending.KEEP),
        IntentKind.NO: _say(State.UNLOCKED, Template.NOTHING_DONE),
        IntentKind.NUMBER: _aside(state),
    }


def _move_wish() -> Row:
    """Whatever is no command is the wish. Digits are not: they may be the PIN."""
    state = State.MOVE_WISH
    wish = _do(State.UNLOCKED, Action.RESUME, pending=Pending.WISH)
    kinds = (IntentKind.OTHER, IntentKind.CODE_TYPO, IntentKind.MOVE, IntentKind.HELLO, IntentKind.THANKS)
    return {
        **_unlocked(state),
        **dict.fromkeys(kinds, wish),
        **{kind: _aside(state) for kind in (IntentKind.DIGITS, IntentKind.DIGITS_ODD, IntentKind.NUMBER)},
        IntentKind.YES: _aside(state),
        IntentKind.NO: _say(State.UNLOCKED, Template.NOTHING_DONE),
    }


def _changing_pin(state: State) -> Row:
    unchanged = _say(State.READY, Template.PIN_UNCHANGED)
    return {
        **_enrolled(state),
        IntentKind.NO: unchanged,
        IntentKind.CANCEL: unchanged,
        IntentKind.KEEP: unchanged,
        IntentKind.YES: _aside(state),
    }


def _change_pin_old() -> Row:
    state = State.CHANGE_PIN_OLD
    return {
        **_changing_pin(state),
        **_checked(state),
        IntentKind.DIGITS: _do(state, Action.CHECK_OLD_PIN),
        IntentKind.DIGITS_ODD: _say(state, Template.PIN_LENGTH),
        IntentKind.NUMBER: _say(state, Template.PIN_LENGTH),
        Outcome.PIN_RIGHT: _say(State.CHANGE_PIN_NEW, Template.CHANGE_PIN_NEW),
    }


def _change_pin_new() -> Row:
    return {**_changing_pin(State.CHANGE_PIN_NEW), **_choosing(State.CHANGE_PIN_NEW, State.CHANGE_PIN_REPEAT)}


def _change_pin_repeat() -> Row:
    state = State.CHANGE_PIN_REPEAT
    differs = _say(State.CHANGE_PIN_NEW, Template.PIN_DIFFERS)
    return {
        **_changing_pin(state),
        **_checked(State.CHANGE_PIN_OLD),
        IntentKind.DIGITS: _do(state, Action.CHANGE_PIN),
        IntentKind.DIGITS_ODD: differs,
        IntentKind.NUMBER: differs,
        Outcome.PIN_DIFFERS: differs,
        Outcome.PIN_SET: _say(State.READY, Template.PIN_CHANGED),
    }


def _leaving(state: State, back: State, stayed: Template) -> Row:
    """The question before leaving; everything but "yes" stays."""
    return {
        IntentKind.YES: _do(state, Action.LEAVE),
        **{kind: _say(back, stayed) for kind in (IntentKind.NO, IntentKind.CANCEL, IntentKind.KEEP)},
        **{kind: _aside(state) for kind in (IntentKind.DIGITS, IntentKind.DIGITS_ODD, IntentKind.NUMBER)},
        Outcome.LEFT: _say(State.LEFT, Template.LEFT),
        Tick.TIME_UP: _do(back, Action.NOTHING),
    }


def _confirm_leave_early() -> Row:
    state, back = State.CONFIRM_LEAVE_EARLY, State.CODE_AGAIN
    row = _enrolling(state)
    del row[Outcome.CODE_GONE]
    show = _say(back, Template.CODE_AGAIN)
    return {**row, **_leaving(state, back, Template.CODE_AGAIN), IntentKind.SHOW: show} | _redeeming(back)


def _locked() -> Row:
    state = State.LOCKED
    return {
        **{kind: _aside(state) for kind in IntentKind},
        **_asides(state),
        **{kind: _aside(state) for kind in (IntentKind.HELP, IntentKind.HELLO, IntentKind.FORGOT_PIN)},
        **_redeeming(state),
        IntentKind.LEAVE: _say(State.CONFIRM_LEAVE_LOCKED, Template.ASK_LEAVE),
    }


def _confirm_leave_locked() -> Row:
    state, back = State.CONFIRM_LEAVE_LOCKED, State.LOCKED
    return {**_locked(), **_asides(state), **_leaving(state, back, Template.LOCKED)}


def _complete(state: State, row: Row) -> Mapping[Input, Transition]:
    """Name what is ignored (rule 1), and redact what is or may be secret (rule 3)."""
    redacted = set(_SECRETS) | (set(_UNCLEAR) if state in AWAITING_SECRET else set())
    nothing = Transition(state=state, pending=Pending.KEEP, ignored=True)
    done: Row = {}
    for each in INPUTS:
        entry = row.get(each, nothing)
        if isinstance(each, IntentKind) and entry is nothing:
            raise KeyError(f"{state}: {each} is not in the table")
        done[each] = _redacted(entry) if each in redacted else entry
    return MappingProxyType(done)


def _redacted(entry: Transition) -> Transition:
    return Transition(
        state=entry.state,
        action=entry.action,
        templates=entry.templates,
        sentence=entry.sentence,
        pending=entry.pending,
        redact=True,
    )


_ROWS: Mapping[State, Row] = {
    State.UNKNOWN_DEVICE: _unknown_device(),
    State.STRANGER: _outside(State.STRANGER, OpenSentence.HELLO),
    State.LEFT: _outside(State.LEFT, OpenSentence.HELLO),
    State.CODE_AGAIN: _code_again(),
    State.CONSENT: _consent(),
    State.CHOOSE_PIN: {**_enrolling(State.CHOOSE_PIN), **_choosing(State.CHOOSE_PIN, State.REPEAT_PIN)},
    State.REPEAT_PIN: _repeat_pin(),
    State.READY: _ready(),
    State.ASK_PIN: _ask_pin(),
    State.UNLOCKED: _unlocked(State.UNLOCKED),
    State.ASK_NUMBER: _ask_number(),
    State.ASK_YES: _ask_yes(),
    State.MOVE_WISH: _move_wish(),
    State.CHANGE_PIN_OLD: _change_pin_old(),
    State.CHANGE_PIN_NEW: _change_pin_new(),
    State.CHANGE_PIN_REPEAT: _change_pin_repeat(),
    State.CONFIRM_LEAVE: {
        **_enrolled(State.CONFIRM_LEAVE),
        **_leaving(State.CONFIRM_LEAVE, State.READY, Template.STAYED),
    },
    State.CONFIRM_LEAVE_EARLY: _confirm_leave_early(),
    State.LOCKED: _locked(),
    State.CONFIRM_LEAVE_LOCKED: _confirm_leave_locked(),
}

TABLE: Mapping[State, Mapping[Input, Transition]] = MappingProxyType(
    {state: _complete(state, _ROWS[state]) for state in State}
)


def step(state: State, given: Input) -> Transition:
    """The table's entry; total over all states and inputs."""
    return TABLE[state][given]
