"""Pieces of rows that several states share. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.dialogue.times import TIMES
from bot.domain.messages import OpenSentence
from bot.domain.states import Action, Input, Outcome, Pending, State, Tick, Transition
from bot.domain.templates import Template
from bot.domain.vocabulary import IntentKind

Row = dict[Input, Transition]

# What the bot is waiting for, said again behind an answer to something else.
PROMPTS: Mapping[State, tuple[Template, ...]] = {
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


def say(state: State, *templates: Template, pending: Pending = Pending.DROP) -> Transition:
    return Transition(state=state, action=Action.SAY, templates=templates, pending=pending)


def say_open(state: State, sentence: OpenSentence) -> Transition:
    return Transition(state=state, action=Action.SAY_OPEN, sentence=sentence)


def do(state: State, action: Action, *, pending: Pending = Pending.DROP) -> Transition:
    return Transition(state=state, action=action, pending=pending)


def aside(state: State, *templates: Template) -> Transition:
    """Answer, stay, and say again what is awaited."""
    return say(state, *templates, *PROMPTS.get(state, ()), pending=Pending.KEEP)


def code_typed(rest: State) -> Row:
    """A code, which goes on from ``rest`` whatever was asked before."""
    return {
        IntentKind.CODE: do(rest, Action.REDEEM_CODE),
        IntentKind.CODE_TYPO: say_open(rest, OpenSentence.CODE_TYPO),
    }


def redeeming(state: State) -> Row:
    """A code typed at a rest, and what came of it."""
    return {
        **code_typed(state),
        Outcome.CODE_RIGHT: say(State.CONSENT, Template.CONSENT),
        Outcome.CODE_RIGHT_CONSENTED: say(State.CHOOSE_PIN, Template.CHOOSE_PIN),
        Outcome.CODE_RELINKED: say(State.READY, Template.RELINKED),
        Outcome.CODE_WRONG: say_open(state, OpenSentence.CODE_WRONG),
        Outcome.CODE_WAIT: say_open(state, OpenSentence.CODE_WAIT),
    }


def asides(state: State) -> Row:
    """What may be said at any time by someone who is known, without losing the thread."""
    return {
        IntentKind.FORGOT_PIN: aside(state, Template.FORGOT_PIN),
        IntentKind.LANGUAGE_ASK: aside(state, Template.LANGUAGE_ASK),
        IntentKind.LANGUAGE: do(state, Action.SET_LANGUAGE, pending=Pending.KEEP),
        Outcome.LANGUAGE_SET: aside(state, Template.LANGUAGE_SET),
        IntentKind.TIMES_ASK: aside(state, Template.TIMES_ASK),
        **{kind: do(state, Action.SET_TIMES, pending=Pending.KEEP) for kind in TIMES},
        Outcome.TIMES_SET: aside(state, Template.TIMES_SET),
        IntentKind.TELEGRAM_OFF: do(state, Action.TELEGRAM_OFF, pending=Pending.KEEP),
        Outcome.TELEGRAM_UNLINKED: aside(state, Template.TELEGRAM_UNLINKED),
        Outcome.TELEGRAM_NONE: aside(state, Template.TELEGRAM_NONE),
        IntentKind.STOP: do(state, Action.PAUSE, pending=Pending.KEEP),
        Outcome.PAUSED: aside(state, Template.STOPPED),
        IntentKind.START: do(state, Action.START, pending=Pending.KEEP),
        Outcome.STARTED: aside(state, Template.STARTED),
        IntentKind.HELP: aside(state, Template.HELP),
        IntentKind.HELLO: aside(state, Template.HELP),
        IntentKind.THANKS: aside(state, Template.THANKS),
        IntentKind.NOT_TEXT: aside(state, Template.NOT_TEXT),
        IntentKind.OTHER: aside(state, Template.OTHER),
        Outcome.TROUBLE: say(state, Template.TROUBLE, pending=Pending.KEEP),
    }


def leaving(state: State, back: State, stayed: Template) -> Row:
    """The question before leaving; everything but "yes" stays."""
    return {
        IntentKind.YES: do(state, Action.LEAVE),
        **{kind: say(back, stayed) for kind in (IntentKind.NO, IntentKind.CANCEL, IntentKind.KEEP)},
        **{kind: aside(state) for kind in (IntentKind.DIGITS, IntentKind.DIGITS_ODD, IntentKind.NUMBER)},
        Outcome.LEFT: say(State.LEFT, Template.LEFT),
        Tick.TIME_UP: do(back, Action.NOTHING),
    }


def choosing(state: State, then: State) -> Row:
    """Choose a PIN: for the first time, or a new one."""
    return {
        IntentKind.DIGITS: do(state, Action.JUDGE_PIN),
        IntentKind.DIGITS_ODD: say(state, Template.PIN_LENGTH_CHOSEN),
        IntentKind.NUMBER: say(state, Template.PIN_LENGTH_CHOSEN),
        Outcome.PIN_CHOSEN: say(then, Template.REPEAT_PIN),
        Outcome.PIN_LENGTH: say(state, Template.PIN_LENGTH_CHOSEN),
        Outcome.PIN_EASY: say(state, Template.PIN_EASY),
    }
