"""The rows of those who are not enrolled: strangers, unknown devices, and the way from code to PIN. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.dialogue.parts import (
    Row,
    aside,
    asides,
    choosing,
    code_typed,
    do,
    leaving,
    redeeming,
    say,
    say_open,
)
from bot.domain.dialogue.times import TIMES
from bot.domain.messages import OpenSentence
from bot.domain.states import Action, Outcome, State, Tick
from bot.domain.templates import Template
from bot.domain.vocabulary import IntentKind

_CODE_GONE = say(State.CODE_AGAIN, Template.CODE_AGAIN)


def _outside(state: State, sentence: OpenSentence) -> Row:
    """Someone who is not enrolled, or not vouched for: one constant sentence for everything but a code."""
    everything: Row = {kind: say_open(state, sentence) for kind in IntentKind}
    return {**everything, **redeeming(state), Outcome.TROUBLE: say_open(state, OpenSentence.OUT_OF_ORDER)}


def _unknown_device() -> Row:
    """Rule 4: a wrong or mistyped code gets the same sentence as everything else."""
    state, sentence = State.UNKNOWN_DEVICE, OpenSentence.UNKNOWN_DEVICE
    inputs = (IntentKind.CODE_TYPO, Outcome.CODE_WRONG, Outcome.CODE_WAIT, Outcome.TROUBLE)
    return {**_outside(state, sentence), **{i: say_open(state, sentence) for i in inputs}}


def _enrolling(state: State) -> Row:
    """Between the code and the PIN: nothing but the next step, leaving, and help."""
    only_prompt: Row = {kind: aside(state) for kind in IntentKind}
    known = asides(state)
    of_nudges = (IntentKind.STOP, IntentKind.START, Outcome.PAUSED, Outcome.STARTED)
    telegram = (IntentKind.TELEGRAM_OFF, Outcome.TELEGRAM_UNLINKED, Outcome.TELEGRAM_NONE)
    for given in (*of_nudges, IntentKind.TIMES_ASK, *TIMES, Outcome.TIMES_SET, *telegram):
        del known[given]
    return {
        **only_prompt,
        **known,
        IntentKind.HELP: aside(state),
        IntentKind.HELLO: aside(state),
        IntentKind.THANKS: aside(state),
        IntentKind.LANGUAGE: do(state, Action.SET_LANGUAGE),
        Outcome.LANGUAGE_SET: aside(state),
        IntentKind.FORGOT_PIN: aside(state),
        IntentKind.CODE: aside(state, Template.CODE_KNOWN),
        IntentKind.CODE_TYPO: aside(state, Template.CODE_KNOWN),
        IntentKind.LEAVE: say(State.CONFIRM_LEAVE_EARLY, Template.ASK_LEAVE),
        Tick.TIME_UP: do(State.CODE_AGAIN, Action.NOTHING),
    }


def _code_again() -> Row:
    state = State.CODE_AGAIN
    row = _enrolling(state)
    del row[Tick.TIME_UP]
    return {**row, **redeeming(state)}


def _consent() -> Row:
    state = State.CONSENT
    return {
        **_enrolling(state),
        IntentKind.YES: do(state, Action.RECORD_CONSENT),
        Outcome.CODE_GONE: _CODE_GONE,
        Outcome.CONSENTED: say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        IntentKind.NO: say(state, Template.CONSENT_REFUSED),
        IntentKind.STOP: say(state, Template.CONSENT_REFUSED),
        IntentKind.DIGITS: aside(state, Template.PIN_TOO_SOON),
        IntentKind.DIGITS_ODD: aside(state, Template.PIN_TOO_SOON),
        IntentKind.HELP: say(state, Template.CONSENT),
        Outcome.LANGUAGE_SET: say(state, Template.CONSENT),
    }


def _repeat_pin() -> Row:
    state = State.REPEAT_PIN
    return {
        **_enrolling(state),
        IntentKind.DIGITS: do(state, Action.SET_PIN),
        IntentKind.DIGITS_ODD: say(State.CHOOSE_PIN, Template.PIN_DIFFERS),
        IntentKind.NUMBER: say(State.CHOOSE_PIN, Template.PIN_DIFFERS),
        IntentKind.NO: say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        IntentKind.CANCEL: say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        IntentKind.CHANGE_PIN: say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        Outcome.CODE_GONE: _CODE_GONE,
        Outcome.PIN_DIFFERS: say(State.CHOOSE_PIN, Template.PIN_DIFFERS),
        Outcome.PIN_SET: say(State.READY, Template.READY),
    }


def _confirm_leave_early() -> Row:
    state, back = State.CONFIRM_LEAVE_EARLY, State.CODE_AGAIN
    return {
        **_enrolling(state),
        **leaving(state, back, Template.CODE_AGAIN),
        **code_typed(back),
        IntentKind.SHOW: say(back, Template.CODE_AGAIN),
    }


ROWS: Mapping[State, Row] = {
    State.UNKNOWN_DEVICE: _unknown_device(),
    State.STRANGER: _outside(State.STRANGER, OpenSentence.HELLO),
    State.LEFT: _outside(State.LEFT, OpenSentence.HELLO),
    State.CODE_AGAIN: _code_again(),
    State.CONSENT: _consent(),
    State.CHOOSE_PIN: {**_enrolling(State.CHOOSE_PIN), **choosing(State.CHOOSE_PIN, State.REPEAT_PIN)},
    State.REPEAT_PIN: _repeat_pin(),
    State.CONFIRM_LEAVE_EARLY: _confirm_leave_early(),
}
