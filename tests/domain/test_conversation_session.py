"""Whole conversations through the pure machine, with scripted outcomes. Rules are ``bot.domain.conversation``'s."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.codes import new_code
from bot.domain.conversation import (
    LIMITS,
    OPEN_STATES,
    OUTCOMES,
    Action,
    Outcome,
    Session,
    State,
    Step,
    Tick,
    advance,
    rest_from,
    rest_of,
    settle,
)
from bot.domain.conversation_picture import Format, draw
from bot.domain.dialogue.table import TABLE
from bot.domain.intents import Intent, not_text, understand
from bot.domain.messages import OpenSentence
from bot.domain.records import RecipientState
from bot.domain.templates import Template
from bot.domain.values import Language, Secret
from bot.domain.vocabulary import IntentKind
from bot.errors import WrongUse

ENDS = {Action.SAY, Action.SAY_OPEN, Action.NOTHING}
PIN = "482 915"


def typed(text: str) -> Intent:
    return understand(Secret(text))


class Talk:
    """Feeds what is typed, and outcomes in the order given, until the machine has answered."""

    def __init__(self, state: State, language: Language = Language.FR) -> None:
        self.session = Session(language=language, state=state)
        self.done: list[Action] = []
        self.redacted: list[str] = []

    def say(self, text: str, *outcomes: Outcome) -> Step:
        step = advance(self.session, typed(text))
        if step.redact:
            self.redacted.append(text)
        for outcome in outcomes:
            assert step.action not in ENDS, "answered too early"
            self.done.append(step.action)
            step = advance(step.session, outcome)
        assert step.action in ENDS
        self.session = step.session
        return step


def test_a_new_patient_types_five_messages_at_most() -> None:
    code = new_code().display.reveal()
    talk = Talk(State.STRANGER)
    assert talk.say("bonjour").sentence is OpenSentence.HELLO
    assert talk.say(code, Outcome.CODE_RIGHT).templates == (Template.CONSENT,)
    assert talk.say("oui", Outcome.CONSENTED).templates == (Template.CHOOSE_PIN,)
    assert talk.say(PIN, Outcome.PIN_CHOSEN).templates == (Template.REPEAT_PIN,)
    assert talk.say(PIN, Outcome.PIN_SET).templates == (Template.READY,)
    assert talk.session.state is State.READY
    assert talk.redacted == [code, PIN, PIN]
    assert talk.done == [Action.REDEEM_CODE, Action.RECORD_CONSENT, Action.JUDGE_PIN, Action.SET_PIN]


def test_show_asks_the_pin_then_lists() -> None:
    talk = Talk(State.READY)
    assert talk.say("voir").templates == (Template.ASK_PIN,)
    assert talk.say(PIN, Outcome.PIN_RIGHT, Outcome.LISTED).templates == (Template.LIST,)
    assert talk.done == [Action.CHECK_PIN, Action.LIST]
    assert talk.say("plus", Outcome.NO_MORE).templates == (Template.NO_MORE,)


def test_a_bare_pin_means_show() -> None:
    talk = Talk(State.READY)
    assert talk.say(PIN, Outcome.PIN_RIGHT, Outcome.LISTED_NOTHING).templates == (Template.LIST_EMPTY,)


def test_a_wrong_pin_keeps_the_command() -> None:
    talk = Talk(State.READY)
    talk.say("confirmer 2")
    assert talk.say("111 222", Outcome.PIN_WRONG).templates == (Template.PIN_WRONG,)
    assert talk.say("12345").templates == (Template.PIN_LENGTH,)
    assert talk.say("12").templates == (Template.PIN_LENGTH,)
    assert talk.say(PIN, Outcome.PIN_WAIT).templates == (Template.PIN_WAIT,)
    assert talk.say("aide").templates == (Template.HELP, Template.ASK_PIN)
    step = advance(advance(talk.session, typed(PIN)).session, Outcome.PIN_RIGHT)
    assert step.action is Action.ACT
    assert step.session.pending is not None
    assert (step.session.pending.kind, step.session.pending.number) == (IntentKind.CONFIRM, 2)
    assert talk.redacted == ["111 222", "12345", "12", PIN]


def test_ten_wrong_pins_end_in_locked_and_a_new_code_begins_again() -> None:
    talk = Talk(State.ASK_PIN)
    assert talk.say(PIN, Outcome.PIN_DESTROYED).templates == (Template.LOCKED_NOW,)
    assert talk.say("voir").templates == (Template.LOCKED,)
    assert talk.say(PIN).templates == (Template.LOCKED,)
    code = new_code().display.reveal()
    assert talk.say(code, Outcome.CODE_RIGHT_CONSENTED).templates == (Template.CHOOSE_PIN,)


def test_cancel_repeats_the_appointment_and_asks() -> None:
    talk = Talk(State.UNLOCKED)
    assert talk.say("annuler le 2", Outcome.FOUND).templates == (Template.ASK_CANCEL,)
    assert talk.say("peut-être").templates == (Template.OTHER, Template.YES_OR_NO)
    step = talk.say("oui", Outcome.CANCEL_PASSED_ON)
    assert step.templates == (Template.CANCEL_PASSED_ON,)
    assert talk.done == [Action.FIND, Action.ACT_AGREED]
    assert talk.say("garder", Outcome.KEPT).templates == (Template.KEPT,)


def test_cancel_is_dropped_by_no_and_by_another_command() -> None:
    talk = Talk(State.UNLOCKED)
    talk.say("annuler", Outcome.FOUND)
    assert talk.say("non").templates == (Template.NOTHING_DONE,)
    assert talk.session.pending is None
    talk.say("annuler", Outcome.FOUND)
    talk.say("voir", Outcome.LISTED)
    assert talk.say("oui").templates == (Template.NO_QUESTION,)


def test_a_number_is_asked_where_there_are_several() -> None:
    talk = Talk(State.UNLOCKED)
    assert talk.say("confirmer", Outcome.WHICH).templates == (Template.WHICH,)
    assert talk.say("le 9", Outcome.NO_SUCH_NUMBER).templates == (Template.NO_SUCH_NUMBER,)
    assert talk.say("2", Outcome.CONFIRMED).templates == (Template.CONFIRMED,)
    assert talk.session.pending is None


def test_a_wish_is_asked_and_taken_as_typed() -> None:
    talk = Talk(State.UNLOCKED)
    talk.say("déplacer 2", Outcome.WISH_NEEDED)
    assert talk.say(PIN).templates == (Template.WISH_AGAIN,)
    assert talk.redacted == [PIN]
    step = advance(talk.session, typed("Plutôt un jeudi, après 14 h"))
    assert step.action is Action.ACT
    waiting = step.session.pending
    assert waiting is not None
    assert waiting.number == 2
    assert waiting.wish is not None
    assert waiting.wish.reveal() == "Plutôt un jeudi, après 14 h"


def test_a_wish_that_repeats_the_verb_keeps_the_number() -> None:
    talk = Talk(State.UNLOCKED)
    talk.say("déplacer 2", Outcome.WISH_NEEDED)
    waiting = advance(talk.session, typed("reporter à jeudi")).session.pending
    assert waiting is not None
    assert waiting.number == 2
    assert waiting.wish is not None
    assert waiting.wish.reveal() == "à jeudi"


def test_after_the_window_the_command_goes_on_behind_the_pin() -> None:
    talk = Talk(State.UNLOCKED)
    talk.session = advance(talk.session, Tick.TIME_UP).session
    assert talk.session.state is State.READY
    assert talk.say("annuler 2").templates == (Template.ASK_PIN,)
    assert talk.say(PIN, Outcome.PIN_RIGHT, Outcome.FOUND).templates == (Template.ASK_CANCEL,)


def test_a_moved_revision_asks_the_pin_and_then_the_question() -> None:
    talk = Talk(State.UNLOCKED)
    assert talk.say("confirmer 1", Outcome.STALE).templates == (Template.ASK_PIN_CHANGED,)
    assert talk.say(PIN, Outcome.PIN_RIGHT, Outcome.FOUND).templates == (Template.ASK_CONFIRM,)
    assert talk.say("ok", Outcome.CONFIRMED).templates == (Template.CONFIRMED,)


def test_a_pin_at_the_wrong_moment_is_redacted_and_answered() -> None:
    for state in State:
        step = advance(Session(language=Language.FR, state=state), typed(PIN))
        assert step.redact, state
        assert step.action is not Action.NOTHING, state


def test_changing_the_pin_needs_the_old_one() -> None:
    talk = Talk(State.READY)
    talk.say("code")
    talk.say(PIN, Outcome.PIN_RIGHT)
    talk.say("739 164", Outcome.PIN_CHOSEN)
    assert talk.say("739 165", Outcome.PIN_DIFFERS).templates == (Template.PIN_DIFFERS,)
    talk.say("739 164", Outcome.PIN_CHOSEN)
    assert talk.say("739 164", Outcome.PIN_SET).templates == (Template.PIN_CHANGED,)
    assert talk.done[0] is Action.CHECK_OLD_PIN
    assert len(talk.redacted) == 5
    talk.say("pin")
    assert talk.say("annuler").templates == (Template.PIN_UNCHANGED,)


def test_the_language_changes_with_the_answer() -> None:
    talk = Talk(State.READY)
    step = talk.say("english", Outcome.LANGUAGE_SET)
    assert step.session.language is Language.EN
    assert step.templates == (Template.LANGUAGE_SET,)


def test_the_times_are_chosen_without_losing_the_thread() -> None:
    talk = Talk(State.READY)
    talk.say("voir")
    assert talk.say("discrétion").templates == (Template.TIMES_ASK, Template.ASK_PIN)
    step = talk.say("discrétion forte", Outcome.TIMES_SET)
    assert step.templates == (Template.TIMES_SET, Template.ASK_PIN)
    assert Action.SET_TIMES in talk.done


def test_leaving_asks_once_more() -> None:
    talk = Talk(State.UNLOCKED)
    assert talk.say("quitter").templates == (Template.ASK_LEAVE,)
    assert talk.say("non").templates == (Template.STAYED,)
    talk.say("leave")
    assert talk.say("yes", Outcome.LEFT).templates == (Template.LEFT,)
    assert talk.say("voir").sentence is OpenSentence.HELLO


def test_failure_11_the_answer_to_stop_keeps_the_thread() -> None:
    talk = Talk(State.READY)
    talk.say("voir")
    assert talk.say("stop", Outcome.PAUSED).templates == (Template.STOPPED, Template.ASK_PIN)
    assert talk.say(PIN, Outcome.PIN_RIGHT, Outcome.LISTED).templates == (Template.LIST,)
    assert talk.say("reprendre", Outcome.STARTED).templates == (Template.STARTED,)


def test_what_has_no_words_is_answered() -> None:
    for state in State:
        step = advance(Session(language=Language.FR, state=state), not_text())
        assert step.action in {Action.SAY, Action.SAY_OPEN}
        assert step.session.state is state


@pytest.mark.parametrize("state", State)
def test_a_session_settles_to_what_storage_says(state: State) -> None:
    session = Session(language=Language.EN, state=state, pending=typed("voir"))
    assert settle(session, rest_of(state)) is session
    other = State.LEFT if rest_of(state) is not State.LEFT else State.READY
    assert settle(session, other) == Session(language=Language.EN, state=other)


@pytest.mark.parametrize(
    ("recipient", "pinned", "known", "expected"),
    [
        (None, False, True, State.STRANGER),
        (None, True, True, State.STRANGER),
        (RecipientState.INVITED, False, True, State.STRANGER),
        (RecipientState.INVITED, True, True, State.CODE_AGAIN),
        (RecipientState.INVITED, True, False, State.UNKNOWN_DEVICE),
        (RecipientState.ENROLLED, True, True, State.READY),
        (RecipientState.ENROLLED, True, False, State.UNKNOWN_DEVICE),
        (RecipientState.LOCKED, True, True, State.LOCKED),
        (RecipientState.LOCKED, True, False, State.UNKNOWN_DEVICE),
        (RecipientState.LEFT, True, True, State.LEFT),
        (RecipientState.LEFT, False, False, State.LEFT),
    ],
)
def test_the_rest_that_storage_tells(
    recipient: RecipientState | None, pinned: bool, known: bool, expected: State
) -> None:
    assert rest_from(recipient, pinned=pinned, known_device=known) is expected


def test_a_session_that_no_step_made_is_refused() -> None:
    with pytest.raises(WrongUse):
        advance(Session(language=Language.FR, state=State.ASK_PIN), Outcome.PIN_RIGHT)


MESSAGES = (
    "voir",
    "plus",
    "confirmer",
    "confirmer 2",
    "annuler",
    "annuler 3",
    "garder 1",
    "déplacer",
    "déplacer 2 plutôt jeudi",
    "code",
    "oublié",
    "anglais",
    "langue",
    "stop",
    "reprendre",
    "quitter",
    "aide",
    "oui",
    "non",
    "merci",
    "bonjour",
    "2",
    "1234",
    PIN,
    "j'ai mal au ventre",
    new_code().display.reveal(),
    "7ABC-DEFG-HJKM-NPQR-STV2",
)


@st.composite
def journeys(draw: st.DrawFn) -> tuple[State, Sequence[tuple[Intent, int, bool]]]:
    rests = st.sampled_from([s for s in State if rest_of(s) is s])
    events = st.tuples(
        st.sampled_from(MESSAGES).map(typed), st.integers(min_value=0, max_value=10_000), st.booleans()
    )
    return draw(rests), draw(st.lists(events, max_size=25))


@given(journeys())
def test_any_journey_is_answered_and_opens_by_a_right_pin_alone(
    journey: tuple[State, Sequence[tuple[Intent, int, bool]]],
) -> None:
    """Rules 1, 2, 3 on random walks over what may really come of every action."""
    rest, events = journey
    session, opened = Session(language=Language.FR, state=rest), False
    for intent, choice, over in events:
        if over and session.state in LIMITS:
            session = advance(session, Tick.TIME_UP).session
            opened = opened and session.state in OPEN_STATES
        step = advance(session, intent)
        if intent.may_hold_secret:
            assert step.redact
        for _ in range(6):
            if step.action in ENDS:
                break
            possible = sorted(OUTCOMES[step.action])
            outcome = possible[choice % len(possible)]
            if outcome is Outcome.PIN_RIGHT and step.action is Action.CHECK_PIN:
                opened = True
            step = advance(step.session, outcome)
        assert step.action in {Action.SAY, Action.SAY_OPEN}
        assert step.templates or step.sentence
        session = step.session
        if session.state in OPEN_STATES:
            assert opened
        else:
            opened = False
        if session.state in {State.ASK_PIN, State.ASK_NUMBER, State.ASK_YES, State.MOVE_WISH}:
            assert session.pending is not None


@pytest.mark.parametrize("fmt", ["mermaid", "dot"])
def test_the_picture_shows_every_state_and_every_way(fmt: Format) -> None:
    text = draw(fmt)
    ways = {(s, e.state) for s, row in TABLE.items() for e in row.values() if not e.ignored}
    for one, other in ways:
        arrow = f"s_{one} --> s_{other} :" if fmt == "mermaid" else f"    {one} -> {other} ["
        assert text.count(arrow) == 1
    assert text.count("-->" if fmt == "mermaid" else "->") == len(ways) + (fmt == "mermaid")


def test_a_session_begins_as_a_strangers_and_a_step_says_nothing_of_itself() -> None:
    session = Session(language=Language.FR)
    assert (session.state, session.pending) == (State.STRANGER, None)
    made = Step(session=session, action=Action.NOTHING)
    assert (made.templates, made.sentence, made.redact) == ((), None, False)


def test_rule_3_a_secret_in_a_wish_is_taken_back_though_the_wish_goes_on() -> None:
    waiting = Session(language=Language.FR, state=State.MOVE_WISH, pending=typed("déplacer 1"))
    for text, secret in (("plutôt jeudi", False), ("plutôt le 48 29 15", True)):
        said = typed(text)
        assert said.kind is IntentKind.OTHER
        after = advance(waiting, said)
        assert after.redact is secret
        assert after.session.pending is not None
        assert after.session.pending.wish is not None
        assert after.session.pending.wish.reveal() == text


def test_the_number_that_was_asked_for_is_the_one_that_counts() -> None:
    waiting = Session(language=Language.FR, state=State.ASK_NUMBER, pending=typed("annuler"))
    pending = advance(waiting, typed("2")).session.pending
    assert pending is not None
    assert (pending.kind, pending.number) == (IntentKind.CANCEL, 2)


def test_another_move_brings_its_own_number() -> None:
    waiting = Session(language=Language.FR, state=State.MOVE_WISH, pending=typed("déplacer 1"))
    pending = advance(waiting, typed("déplacer 2 plutôt jeudi")).session.pending
    assert pending is not None
    assert pending.number == 2


def test_a_device_that_is_not_known_changes_no_language() -> None:
    session = Session(language=Language.FR, state=State.UNKNOWN_DEVICE)
    said = typed("english")
    assert said.language is Language.EN
    assert advance(session, said).session.language is Language.FR


def test_the_picture_is_drawn_in_the_languages_of_its_programs() -> None:
    """Written for two programs that are not at hand here: so every sort of line is compared as a whole."""
    mermaid, dot = draw("mermaid"), draw("dot")
    assert mermaid.startswith(
        'stateDiagram-v2\n    state "unknown_device" as s_unknown_device\n    state "stranger" as s_stranger\n'
    )
    assert "\n    [*] --> s_stranger\n    s_unknown_device --> s_unknown_device : " in mermaid
    assert (
        "\n    s_confirm_leave_locked --> s_locked : cancel, keep, no<br/>code! / redeem_code, code_typo!, time_up\n"
        in mermaid
    )
    assert mermaid.endswith("\n    s_confirm_leave_locked --> s_left : left\n")
    assert dot.startswith(
        "digraph conversation {\n    rankdir=LR;\n"
        '    node [shape=box, style=rounded, fontname="sans"];\n    unknown_device;\n    stranger;\n'
    )
    assert (
        '\n    confirm_leave_locked -> locked [label="cancel, keep, no\\ncode! / redeem_code, code_typo!, time_up"];\n'
        in dot
    )
    assert dot.endswith('\n    confirm_leave_locked -> left [label="left"];\n}\n')
