"""The conversation as a machine: what was typed, or what came of an action, leads to a state and an action.

The table itself is in :mod:`bot.domain.dialogue.table`. The service does what :class:`Step` says, and
feeds what came of it (:class:`Outcome`) back, until a step says something (or nothing). One message gets one
answer at most.

1. The table is total: every state has a transition for every input; inputs out of place are ignored by name.
2. Nothing is released, and no command acts on an appointment, outside the open states (UNLOCKED, ASK_NUMBER,
   ASK_YES, MOVE_WISH, READ_DATA), which a right PIN alone reaches.
3. A message that is or may hold a secret is redacted in every state; where a secret is awaited, so is
   everything that was not understood.
4. A device that nobody vouched for reads one sentence, whatever it types; a sign-up code alone is acted on.
5. PIN digits of the wrong length never reach a check.
6. What a state no longer needs is dropped: the service forgets all that :func:`holds` does not name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from bot.domain.dialogue.table import step
from bot.domain.intents import Intent, as_wish
from bot.domain.messages import OpenSentence
from bot.domain.records import RecipientState
from bot.domain.states import ENROLLING, OPEN_STATES, OUTCOMES, Action, Outcome, Pending, State, Tick
from bot.domain.templates import Template
from bot.domain.values import Language
from bot.domain.vocabulary import IntentKind
from bot.errors import WrongUse

__all__ = [
    "LIMITS",
    "OPEN_STATES",
    "OUTCOMES",
    "Action",
    "Held",
    "Limit",
    "Outcome",
    "Session",
    "State",
    "Step",
    "Tick",
    "advance",
    "holds",
    "rest_from",
    "rest_of",
    "settle",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One conversation, in memory. ``pending`` is the command that waits (PIN, number, wish, yes)."""

    language: Language
    state: State = State.STRANGER
    pending: Intent | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What to do now. ``redact``: the message that was fed is to be redacted at once."""

    session: Session
    action: Action
    templates: tuple[Template, ...] = ()
    sentence: OpenSentence | None = None
    redact: bool = False


class Held(Enum):
    """What the service keeps in memory between two messages."""

    CODE = "the redeemed code, to open the key when the PIN is set"
    NEW_PIN = "the PIN chosen, until it is repeated"
    OLD_PIN = "the PIN that was right, until the new one is set"
    LIST = "the appointments released in this window, and the pages of everything held"


class Limit(Enum):
    """How long a state lasts."""

    CODE = "ten minutes since the code was typed"
    WINDOW = "the window since the PIN was right"
    QUESTION = "ten minutes since the last answer"


LIMITS: Mapping[State, Limit] = {
    **dict.fromkeys(ENROLLING, Limit.CODE),
    **dict.fromkeys(OPEN_STATES, Limit.WINDOW),
    **dict.fromkeys(
        (
            State.ASK_PIN,
            State.CHANGE_PIN_OLD,
            State.CHANGE_PIN_NEW,
            State.CHANGE_PIN_REPEAT,
            State.CONFIRM_LEAVE,
            State.CONFIRM_LEAVE_EARLY,
            State.CONFIRM_LEAVE_LOCKED,
        ),
        Limit.QUESTION,
    ),
}
_RESTS = {
    **dict.fromkeys((*ENROLLING, State.CONFIRM_LEAVE_EARLY), State.CODE_AGAIN),
    State.CONFIRM_LEAVE_LOCKED: State.LOCKED,
    **{s: s for s in (State.UNKNOWN_DEVICE, State.STRANGER, State.CODE_AGAIN, State.LOCKED, State.LEFT)},
}
_QUESTIONS = {
    IntentKind.CONFIRM: Template.ASK_CONFIRM,
    IntentKind.CANCEL: Template.ASK_CANCEL,
    IntentKind.KEEP: Template.ASK_KEEP,
    IntentKind.MOVE: Template.ASK_MOVE,
}


def rest_of(state: State) -> State:
    """The rest to which a state belongs: where it goes back to when its time is over."""
    return _RESTS.get(state, State.READY)


def rest_from(recipient: RecipientState | None, *, pinned: bool, known_device: bool) -> State:
    """The rest that storage tells. ``recipient`` is None for an account that redeemed no code yet."""
    if recipient is RecipientState.LEFT:
        return State.LEFT
    if recipient is None or not pinned:
        return State.STRANGER
    if not known_device:
        return State.UNKNOWN_DEVICE
    return {
        RecipientState.INVITED: State.CODE_AGAIN,
        RecipientState.ENROLLED: State.READY,
        RecipientState.LOCKED: State.LOCKED,
    }[recipient]


def settle(session: Session, rest: State) -> Session:
    """The session if it fits what storage says now; else a new one at that rest."""
    if rest_of(session.state) is rest:
        return session
    return Session(language=session.language, state=rest)


def holds(state: State) -> frozenset[Held]:
    """What the service may keep in memory in this state (rule 6)."""
    held = set()
    if state in ENROLLING:
        held.add(Held.CODE)
    if state in {State.REPEAT_PIN, State.CHANGE_PIN_REPEAT}:
        held.add(Held.NEW_PIN)
    if state in {State.CHANGE_PIN_NEW, State.CHANGE_PIN_REPEAT}:
        held.add(Held.OLD_PIN)
    if state in OPEN_STATES:
        held.add(Held.LIST)
    return frozenset(held)


def advance(session: Session, event: Intent | Outcome | Tick) -> Step:
    """One step. A command that may go on now is fed again at once: RESUME never reaches the caller.

    Raises :class:`bot.errors.WrongUse` where no command waits: a session that no step made.
    """
    kind = event.kind if isinstance(event, Intent) else event
    transition = step(session.state, kind)
    pending = _pending(session.pending, event, transition.pending)
    redact = transition.redact or (isinstance(event, Intent) and event.may_hold_secret)
    after = replace(session, state=transition.state, pending=pending)
    if isinstance(event, Intent) and event.language is not None and transition.action is Action.SET_LANGUAGE:
        after = replace(after, language=event.language)
    if transition.action is Action.RESUME:
        if pending is None:
            raise WrongUse("no command waits")
        return replace(advance(after, pending), redact=redact)
    templates = transition.templates
    if transition.question and pending is not None:
        templates = (_QUESTIONS[pending.kind],)
    return Step(
        session=after,
        action=transition.action,
        templates=templates,
        sentence=transition.sentence,
        redact=redact,
    )


def _pending(waiting: Intent | None, event: Intent | Outcome | Tick, change: Pending) -> Intent | None:
    if change is Pending.KEEP:
        return waiting
    if change is Pending.SHOW:
        return Intent(kind=IntentKind.SHOW)
    if isinstance(event, Intent):
        if change is Pending.TAKE:
            return event
        if change is Pending.NUMBER and waiting is not None:
            return replace(waiting, number=event.number)
        if change is Pending.WISH and waiting is not None:
            return _with_wish(waiting, event)
    return None


def _with_wish(waiting: Intent, event: Intent) -> Intent:
    """The move that waits, with the words just typed; another "move" brings its own."""
    if event.kind is not IntentKind.MOVE:
        return replace(waiting, wish=as_wish(event.text))
    return event if event.number is not None else replace(waiting, wish=event.wish)
