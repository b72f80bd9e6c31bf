"""The one transition table: every state × every input, by the rules of :mod:`bot.domain.conversation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bot.domain.dialogue import enrolled, enrolment
from bot.domain.dialogue.parts import Row
from bot.domain.states import AWAITING_SECRET, INPUTS, Input, Pending, State, Transition
from bot.domain.vocabulary import IntentKind

_SECRETS = (IntentKind.CODE, IntentKind.CODE_TYPO, IntentKind.DIGITS, IntentKind.DIGITS_ODD)
_UNCLEAR = (IntentKind.OTHER, IntentKind.NUMBER, IntentKind.NOT_TEXT)


def _complete(state: State, row: Row) -> Mapping[Input, Transition]:
    """Name what is ignored (rule 1), and redact what is or may be secret (rule 3)."""
    redacted = set(_SECRETS) | (set(_UNCLEAR) if state in AWAITING_SECRET else set())
    nothing = Transition(state=state, pending=Pending.KEEP, ignored=True)
    done: Row = {}
    for each in INPUTS:
        entry = row.get(each, nothing)
        if isinstance(each, IntentKind) and entry is nothing:
            raise KeyError(f"{state}: {each} is not in the table")
        done[each] = replace(entry, redact=True) if each in redacted else entry
    return MappingProxyType(done)


_ROWS: Mapping[State, Row] = {**enrolment.ROWS, **enrolled.ROWS}

TABLE: Mapping[State, Mapping[Input, Transition]] = MappingProxyType(
    {state: _complete(state, _ROWS[state]) for state in State}
)


def step(state: State, given: Input) -> Transition:
    """The table's entry; total over all states and inputs."""
    return TABLE[state][given]
