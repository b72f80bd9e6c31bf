"""Every state × every input. Rules are those numbered in ``bot.domain.conversation``."""

from __future__ import annotations

import pytest

from bot.domain.conversation import (
    LIMITS,
    OPEN_STATES,
    OUTCOMES,
    Action,
    Held,
    Limit,
    Outcome,
    State,
    Tick,
    holds,
    rest_of,
)
from bot.domain.dialogue.table import TABLE, step
from bot.domain.dialogue.telegram import ASKED
from bot.domain.dialogue.times import TIMES
from bot.domain.messages import OpenSentence
from bot.domain.states import AWAITING_SECRET, ENROLLING, INPUTS, Pending, Transition
from bot.domain.templates import Template, is_release
from bot.domain.vocabulary import IntentKind

ENDS = {Action.SAY, Action.SAY_OPEN, Action.NOTHING}
SECRETS = {IntentKind.CODE, IntentKind.CODE_TYPO, IntentKind.DIGITS, IntentKind.DIGITS_ODD}
RESTS = {s for s in State if rest_of(s) is s}
OUTSIDE = {State.UNKNOWN_DEVICE, State.STRANGER, State.LEFT}
TOLD_UNASKED = {  # what came from Telegram (:mod:`bot.services.hear_telegram`)
    Template.TELEGRAM_LINKED,
    Template.TELEGRAM_REFUSED,
    Template.TELEGRAM_STOPPED,
    Template.TELEGRAM_BLOCKED,
    Template.TELEGRAM_SECRET,
}
QUESTIONS = {Template.ASK_CONFIRM, Template.ASK_CANCEL, Template.ASK_KEEP, Template.ASK_MOVE}

ENTRIES = [(s, i, step(s, i)) for s in State for i in INPUTS]


def leads_to(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        for entry in TABLE[todo.pop()].values():
            if entry.state not in seen:
                seen.add(entry.state)
                todo.append(entry.state)
    return seen


def test_rule_1_the_table_is_total() -> None:
    assert len(set(INPUTS)) == len(INPUTS), "two of one word would be one key"
    assert set(TABLE) == set(State)
    for state in State:
        assert set(TABLE[state]) == set(INPUTS)
    assert len(ENTRIES) == len(State) * (len(IntentKind) + len(Outcome) + len(Tick))


def test_rule_1_everything_typed_is_answered() -> None:
    for state, given, entry in ENTRIES:
        if isinstance(given, IntentKind):
            assert not entry.ignored, (state, given)
            assert entry.action is not Action.NOTHING, (state, given)


def test_what_is_ignored_changes_nothing() -> None:
    ignored = [(s, e) for s, _, e in ENTRIES if e.ignored]
    assert ignored
    for state, entry in ignored:
        assert (entry.state, entry.action, entry.templates) == (state, Action.NOTHING, ())


def test_an_entry_says_something_exactly_where_it_ends_so() -> None:
    for state, given, entry in ENTRIES:
        speaks = bool(entry.templates) or entry.question
        assert speaks is (entry.action is Action.SAY), (state, given)
        assert (entry.sentence is not None) is (entry.action is Action.SAY_OPEN), (state, given)


def resolved(entry: Transition) -> list[Transition]:
    """The entry, or what it may become when the waiting command goes on."""
    if entry.action is not Action.RESUME:
        return [entry]
    commands = (
        IntentKind.SHOW,
        IntentKind.DATA,
        IntentKind.CONFIRM,
        IntentKind.CANCEL,
        IntentKind.KEEP,
        IntentKind.MOVE,
        *ASKED,
    )
    return [step(entry.state, kind) for kind in commands]


def test_every_outcome_of_every_action_is_answered_once() -> None:
    possible = set()
    for state, given, entry in ENTRIES:
        for then in resolved(entry):
            if then.action in ENDS:
                continue
            for outcome in OUTCOMES[then.action]:
                possible.add((then.state, outcome))
                after = step(then.state, outcome)
                assert not after.ignored, (state, given, then.action, outcome)
                assert after.action in {Action.SAY, Action.SAY_OPEN, Action.RESUME}, (state, given, outcome)
    named = {(s, i) for s, i, e in ENTRIES if isinstance(i, Outcome) and not e.ignored}
    assert named == possible


def test_every_state_is_reached_and_none_is_a_dead_end() -> None:
    reached = set[State]().union(*(leads_to(rest) for rest in RESTS))
    assert reached == set(State)
    assert leads_to(State.STRANGER) == set(State) - {State.UNKNOWN_DEVICE}
    for state in State:
        assert State.UNLOCKED in leads_to(state), state
        assert State.READY in leads_to(state), state


@pytest.mark.parametrize("state", State)
def test_help_is_answered_and_leads_nowhere_else(state: State) -> None:
    entry = step(state, IntentKind.HELP)
    assert entry.state is state
    assert entry.templates or entry.sentence


@pytest.mark.parametrize("state", State)
def test_show_leads_back(state: State) -> None:
    entry = step(state, IntentKind.SHOW)
    if state in OPEN_STATES:
        assert (entry.state, entry.action) == (State.UNLOCKED, Action.LIST)
    elif rest_of(state) is State.READY:
        assert (entry.state, entry.templates) == (State.ASK_PIN, (Template.ASK_PIN,))
    else:
        assert entry.action in {Action.SAY, Action.SAY_OPEN}


def test_rule_2_only_a_right_pin_opens() -> None:
    for state, given, entry in ENTRIES:
        if entry.state in OPEN_STATES and state not in OPEN_STATES:
            assert (state, given) == (State.ASK_PIN, Outcome.PIN_RIGHT)


def test_rule_2_nothing_is_released_or_done_outside_the_open_states() -> None:
    inside = {
        Action.LIST,
        Action.LIST_MORE,
        Action.SHOW_DATA,
        Action.MORE_DATA,
        Action.FIND,
        Action.ACT,
        Action.ACT_AGREED,
        Action.TELEGRAM,
    }
    for state, given, entry in ENTRIES:
        if entry.action in inside:
            assert state in OPEN_STATES, (state, given)
            assert entry.state is State.UNLOCKED
        if entry.question or any(is_release(t) for t in entry.templates):
            assert state is State.UNLOCKED, (state, given)
            assert isinstance(given, Outcome)


@pytest.mark.parametrize("state", State)
def test_my_data_is_shown_behind_a_pin_and_to_nobody_else(state: State) -> None:
    entry = step(state, IntentKind.DATA)
    if state in OPEN_STATES:
        assert (entry.state, entry.action, entry.pending) == (State.UNLOCKED, Action.SHOW_DATA, Pending.TAKE)
    elif rest_of(state) is State.READY:
        assert (entry.state, entry.templates) == (State.ASK_PIN, (Template.ASK_PIN,))
        assert entry.pending is Pending.TAKE
    else:
        assert entry.action in {Action.SAY, Action.SAY_OPEN}
        assert Template.DATA not in entry.templates


@pytest.mark.parametrize("state", State)
def test_telegram_is_linked_behind_a_pin_and_left_without_one(state: State) -> None:
    for kind in ASKED:
        entry = step(state, kind)
        if state in OPEN_STATES:
            assert (entry.state, entry.action, entry.pending) == (
                State.UNLOCKED,
                Action.TELEGRAM,
                Pending.TAKE,
            )
        elif rest_of(state) is State.READY:
            assert (entry.state, entry.templates) == (State.ASK_PIN, (Template.ASK_PIN,))
            assert entry.pending is Pending.TAKE
        else:
            assert entry.action in {Action.SAY, Action.SAY_OPEN}
    enrolled = rest_of(state) in {State.READY, State.LOCKED}
    assert (step(state, IntentKind.TELEGRAM_OFF).action is Action.TELEGRAM_OFF) is enrolled


def test_more_means_the_next_page_of_what_was_shown() -> None:
    shown = {s for s, i, e in ENTRIES if e.templates == (Template.DATA,)}
    assert shown == {State.UNLOCKED}
    assert step(State.UNLOCKED, Outcome.DATA_SHOWN).state is State.READ_DATA
    assert step(State.READ_DATA, IntentKind.MORE).action is Action.MORE_DATA
    assert {s for s in State if step(s, IntentKind.MORE).action is Action.MORE_DATA} == {State.READ_DATA}
    assert step(State.UNLOCKED, IntentKind.MORE).action is Action.LIST_MORE


def test_cancelling_always_asks_first() -> None:
    for state, given, entry in ENTRIES:
        if given is IntentKind.CANCEL:
            assert entry.action in {Action.FIND, Action.SAY, Action.SAY_OPEN}, state
        if entry.action is Action.ACT_AGREED:
            assert (state, given) == (State.ASK_YES, IntentKind.YES)
    assert Outcome.CANCEL_PASSED_ON not in OUTCOMES[Action.ACT] | OUTCOMES[Action.FIND]


def test_leaving_always_asks_first() -> None:
    asking = {State.CONFIRM_LEAVE, State.CONFIRM_LEAVE_EARLY, State.CONFIRM_LEAVE_LOCKED}
    for state, given, entry in ENTRIES:
        if entry.action is Action.LEAVE:
            assert state in asking
            assert given is IntentKind.YES
    for state in set(State) - OUTSIDE:
        assert step(state, IntentKind.LEAVE).state in asking, state


def test_rule_3_secrets_are_redacted_in_every_state() -> None:
    for state, given, entry in ENTRIES:
        if given in SECRETS:
            assert entry.redact, (state, given)


def test_rule_3_where_a_secret_is_awaited_what_is_unclear_is_redacted() -> None:
    for state in AWAITING_SECRET:
        for given in (IntentKind.OTHER, IntentKind.NUMBER, IntentKind.NOT_TEXT):
            assert step(state, given).redact, (state, given)
    takes_digits = {
        s
        for s, i, e in ENTRIES
        if i is IntentKind.DIGITS
        and e.action not in ENDS
        and s not in {State.READY, State.UNLOCKED, State.READ_DATA}
    }
    takes_code = {s for s, i, e in ENTRIES if i is Outcome.CODE_RIGHT and not e.ignored}
    rests_after = {State.READY, State.LOCKED, State.LEFT}
    assert takes_digits | takes_code - rests_after <= AWAITING_SECRET


def test_right_and_wrong_pins_are_redacted_alike() -> None:
    """P6: the redaction is decided by what was typed, before it is compared."""
    for _, given, entry in ENTRIES:
        if isinstance(given, Outcome | Tick):
            assert not entry.redact


def test_rule_4_an_unknown_device_reads_one_sentence() -> None:
    for given in INPUTS:
        entry = step(State.UNKNOWN_DEVICE, given)
        if given is IntentKind.CODE:
            assert entry.action is Action.REDEEM_CODE
        elif isinstance(given, IntentKind):
            assert entry.sentence is OpenSentence.UNKNOWN_DEVICE
    for outcome in OUTCOMES[Action.REDEEM_CODE]:
        entry = step(State.UNKNOWN_DEVICE, outcome)
        right = {Outcome.CODE_RIGHT, Outcome.CODE_RIGHT_CONSENTED, Outcome.CODE_RELINKED}
        assert (outcome in right) is (entry.sentence is None)
        assert entry.sentence in {None, OpenSentence.UNKNOWN_DEVICE}


def test_those_outside_read_constant_sentences_only() -> None:
    for state in OUTSIDE:
        for kind in IntentKind:
            assert step(state, kind).action in {Action.SAY_OPEN, Action.REDEEM_CODE}


def test_rule_5_odd_lengths_cost_no_try() -> None:
    compared = {Action.CHECK_PIN, Action.CHECK_OLD_PIN, Action.CHANGE_PIN, Action.SET_PIN, Action.JUDGE_PIN}
    for state in State:
        for given in (IntentKind.DIGITS_ODD, IntentKind.NUMBER, IntentKind.OTHER, IntentKind.CODE_TYPO):
            assert all(e.action not in compared for e in resolved(step(state, given))), (state, given)
    for state in (State.ASK_PIN, State.CHANGE_PIN_OLD, State.READY):
        assert Template.PIN_LENGTH in step(state, IntentKind.DIGITS_ODD).templates


def test_a_pin_is_checked_where_it_is_asked_and_when_nothing_was_asked() -> None:
    checks = {
        s
        for s, i, e in ENTRIES
        if i is IntentKind.DIGITS and e.action in {Action.CHECK_PIN, Action.CHECK_OLD_PIN}
    }
    assert checks == {
        State.READY,
        State.ASK_PIN,
        State.UNLOCKED,
        State.READ_DATA,
        State.CHANGE_PIN_OLD,
    }


def test_rule_6_what_is_held_is_what_the_next_actions_need() -> None:
    for state in State:
        acts = {e.action for e in TABLE[state].values()}
        held = holds(state)
        assert (Held.CODE in held) is (state in ENROLLING)
        assert (Action.SET_PIN in acts) <= (Held.CODE in held and Held.NEW_PIN in held)
        assert (Action.CHANGE_PIN in acts) <= (Held.OLD_PIN in held and Held.NEW_PIN in held)
        assert (Held.LIST in held) is (state in OPEN_STATES)
        if held:
            assert state in LIMITS, state


def test_time_ends_every_state_that_is_limited() -> None:
    for state in State:
        entry = step(state, Tick.TIME_UP)
        assert entry.action is Action.NOTHING
        assert entry.state is rest_of(state)
        assert (state in LIMITS) is (rest_of(state) is not state)


def test_every_template_and_sentence_is_used() -> None:
    used = {t for _, _, e in ENTRIES for t in e.templates}
    assert used | QUESTIONS == set(Template) - TOLD_UNASKED - {Template.HELP_TELEGRAM}
    assert not used & TOLD_UNASKED
    sentences = {e.sentence for _, _, e in ENTRIES if e.sentence}
    assert set(OpenSentence) - sentences == {
        OpenSentence.UNENCRYPTED,
        OpenSentence.UNREADABLE,
        OpenSentence.RESET,
    }


def test_failure_26_free_text_is_never_acted_on() -> None:
    """Someone typed symptoms to a machine: nothing but an answer comes of it, in any state but a wish for a move."""
    for state in set(State) - {State.MOVE_WISH}:
        entry = step(state, IntentKind.OTHER)
        assert entry.action in {Action.SAY, Action.SAY_OPEN}, state
        assert entry.state is state
        if state not in OUTSIDE:
            assert entry.templates[0] is Template.OTHER, state


def test_failure_11_confirming_does_not_stop_the_reminders() -> None:
    for state, given, entry in ENTRIES:
        if entry.action is Action.PAUSE:
            assert given is IntentKind.STOP, state


def test_how_long_each_state_lasts() -> None:
    assert {s for s, limit in LIMITS.items() if limit is Limit.CODE} == set(ENROLLING)
    assert {s for s, limit in LIMITS.items() if limit is Limit.WINDOW} == set(OPEN_STATES)
    assert {s for s, limit in LIMITS.items() if limit is Limit.QUESTION} == {
        State.ASK_PIN,
        State.CHANGE_PIN_OLD,
        State.CHANGE_PIN_NEW,
        State.CHANGE_PIN_REPEAT,
        State.CONFIRM_LEAVE,
        State.CONFIRM_LEAVE_EARLY,
        State.CONFIRM_LEAVE_LOCKED,
    }


def test_rule_3_what_holds_no_secret_stays() -> None:
    """Taking back everything would say nothing about what was secret."""
    for state in set(State) - AWAITING_SECRET:
        for kind in set(IntentKind) - SECRETS:
            assert not step(state, kind).redact


def test_what_is_ignored_keeps_the_command_that_waits() -> None:
    assert {entry.pending for _, _, entry in ENTRIES if entry.ignored} == {Pending.KEEP}


@pytest.mark.parametrize(
    "given",
    [
        *(IntentKind.LANGUAGE, IntentKind.STOP, IntentKind.START, *TIMES, IntentKind.TELEGRAM_OFF),
        Outcome.TROUBLE,
    ],
)
def test_an_aside_keeps_the_command_that_waits(given: IntentKind | Outcome) -> None:
    for state in OPEN_STATES | {State.ASK_PIN, State.READY}:
        assert step(state, given).pending is Pending.KEEP


def test_what_comes_at_the_wrong_moment_of_the_enrolment_is_named() -> None:
    for given in (IntentKind.CODE, IntentKind.CODE_TYPO):
        assert step(State.CHOOSE_PIN, given).templates == (Template.CODE_KNOWN, Template.CHOOSE_PIN)
    for given in (IntentKind.DIGITS, IntentKind.DIGITS_ODD):
        assert step(State.CONSENT, given).templates == (Template.PIN_TOO_SOON, Template.CONSENT_ASK)


@pytest.mark.parametrize(
    ("state", "given", "pending"),
    [
        *(
            (State.UNLOCKED, kind, Pending.TAKE)
            for kind in (IntentKind.SHOW, IntentKind.KEEP, IntentKind.CANCEL)
        ),
        (State.UNLOCKED, IntentKind.MORE, Pending.SHOW),
        (State.UNLOCKED, IntentKind.DIGITS, Pending.SHOW),
        (State.READY, IntentKind.DIGITS_ODD, Pending.SHOW),
        (State.ASK_YES, IntentKind.YES, Pending.KEEP),
        *(
            (State.ASK_PIN, outcome, Pending.KEEP)
            for outcome in (
                Outcome.PIN_WRONG,
                Outcome.PIN_WRONG_WAIT,
                Outcome.PIN_WRONG_TRIES,
                Outcome.PIN_WAIT,
            )
        ),
    ],
)
def test_what_becomes_of_the_command_that_waits(
    state: State, given: IntentKind | Outcome, pending: Pending
) -> None:
    assert step(state, given).pending is pending


def test_an_entry_drops_and_hides_nothing_unless_said() -> None:
    made = Transition(state=State.READY)
    assert (made.action, made.templates, made.sentence) == (Action.NOTHING, (), None)
    assert (made.pending, made.redact, made.ignored, made.question) == (Pending.DROP, False, False, False)


def test_what_may_come_of_finding_and_of_acting() -> None:
    missed = {
        Outcome.LISTED,
        Outcome.LISTED_NOTHING,
        Outcome.WHICH,
        Outcome.NO_SUCH_NUMBER,
        Outcome.GONE,
        Outcome.STALE,
        Outcome.TROUBLE,
    }
    done = {Outcome.CONFIRMED, Outcome.KEPT, Outcome.MOVE_PASSED_ON, Outcome.WISH_NEEDED}
    assert OUTCOMES[Action.FIND] == missed | {Outcome.FOUND}
    assert OUTCOMES[Action.ACT] == missed | done | {Outcome.FOUND}
    assert OUTCOMES[Action.ACT_AGREED] == missed | done | {Outcome.CANCEL_PASSED_ON}
