"""What came too late. Rules of :mod:`bot.domain.late`."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.conversation import OPEN_STATES, State
from bot.domain.intents import Intent
from bot.domain.late import MEANT_FOR, is_too_late
from bot.domain.vocabulary import IntentKind as K

ACTS = {
    K.DIGITS,
    K.DIGITS_ODD,
    K.NUMBER,
    K.YES,
    K.NO,
    K.CONFIRM,
    K.CANCEL,
    K.KEEP,
    K.MOVE,
    K.CHANGE_PIN,
    K.LEAVE,
}
LATE = timedelta(minutes=30, seconds=1)


def test_rules_1_and_3_what_acts_is_not_obeyed_and_the_rest_is_answered() -> None:
    assert {kind for kind in K if is_too_late(Intent(kind=kind), State.READY, LATE)} == ACTS


def test_rule_2_while_appointments_are_open_nothing_old_is_obeyed() -> None:
    for state in State:
        late = {kind for kind in K if is_too_late(Intent(kind=kind), state, LATE)}
        assert late == (set(K) if state in OPEN_STATES else ACTS)


def test_rule_1_half_an_hour_is_in_time() -> None:
    assert timedelta(minutes=30) == MEANT_FOR
    for state in State:
        assert not is_too_late(Intent(kind=K.DIGITS), state, MEANT_FOR)
