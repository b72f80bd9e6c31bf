"""The catalogues: complete, alike, plain, and true to what the bot understands."""

from __future__ import annotations

import hashlib
import re
import string
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import Confirmed, Level
from bot.domain.conversation import State
from bot.domain.dialogue.table import TABLE
from bot.domain.dialogue.telegram import with_help
from bot.domain.intents import understand
from bot.domain.messages import OpenSentence
from bot.domain.records import AnswerKind
from bot.domain.staff import StaffSentence
from bot.domain.telegram import NudgeOn, TelegramSentence
from bot.domain.telling import telling
from bot.domain.templates import CONSENT_VERSION, LISTS, Mark, Template, asked_of, is_release, values_of
from bot.domain.values import Language, Secret
from bot.domain.vocabulary import IntentKind as K
from bot.errors import WrongUse
from config.catalogue import FOLDER, load
from config.wording import MAX_TEXT_BYTES, NUDGE, TELEGRAM_BUTTON, TELEGRAM_NUDGE, PracticeFacts, Wording

PRACTICE = PracticeFacts(name="Cabinet du Port", phone="01 23 45 67 89", zone=ZoneInfo("Europe/Paris"))
_OF_A_PERSON = (
    *(
        "data_shown",
        "pin_wrong",
        "locked",
        "pin_changed",
        "enrolled",
        "consented",
        "invited",
        "relink_invited",
    ),
    *("revoked", "redeemed", "relinked", "answered", "answer_done", "reminders_stopped", "reminders_started"),
    *("telegram_offered", "telegram_linked", "telegram_unlinked", "telegram_refused", "telegram_set"),
    *("language_set", "times_set", "left", "removed", "reset", "paused", "resumed"),
)
_WITHOUT_VALUES = (
    *(
        "held.reminders_on",
        "held.reminders_off",
        "held.secret",
        "held.more",
        "held.answer_open",
        "held.answer_over",
    ),
    *(f"held.{no}{name}" for no in ("", "no_") for name in ("appointments", "answers", "waiting", "log")),
    *(f"held.answer_{kind}" for kind in AnswerKind),
    *(f"log.{kind}" for kind in _OF_A_PERSON),
)
HELD: dict[str, set[str]] = {
    **{name: set() for name in _WITHOUT_VALUES},
    "held.account": {"account"},
    **{f"held.level_{level}": set() for level in Level},
    **{f"held.wish_confirmed_{confirmed}": set() for confirmed in Confirmed},
    "held.wish_level": {"level"},
    "held.wish_days": {"days"},
    "held.wish_slots": {"hours"},
    "held.wish_quiet": {"begins", "ends"},
    "held.wish_cap": {"count"},
    "held.telegram": {"when", "language"},
    "held.telegram_on": {"level", "where"},
    **{f"held.on_{on}": set() for on in NudgeOn},
    "held.fingerprint": {"fingerprint"},
    "held.patient": {"reference"},
    "held.patient_named": {"name", "reference"},
    "held.language": {"language"},
    "held.consent": {"when", "version"},
    "held.answer": {"when", "what", "state"},
    "held.unsent": {"count"},
    "held.logged": {"when", "what"},
    "log.released_one": {"number"},
    "log.released_other": {"number"},
}
PARTS = {
    "part.call_with_phone": {"phone"},
    "part.call": set(),
    "part.day_and_time": {"day", "time"},
    "part.all_day": {"day"},
    "part.in_zone": {"when", "zone"},
    "part.in_season": {"when", "season"},
    "part.patient": {"name"},
    "part.practitioner": {"name"},
    "part.place": {"name"},
    "part.note": {"note"},
    "part.one_patient": {"name"},
    "part.one_practitioner": {"name"},
    "part.more": set(),
    "part.answer_one": set(),
    "part.answer_first": set(),
    "part.answer_several": {"number"},
    "part.until": {"time"},
    "part.tries_one": {"number"},
    "part.tries_other": {"number"},
}
EXPECTED: dict[str, set[str]] = {
    **{name: set() for name in (NUDGE, TELEGRAM_NUDGE, TELEGRAM_BUTTON)},
    **{s.value: set() for s in TelegramSentence},
    **{t.value: set(values_of(t)) for t in Template},
    **{m.value: set() for m in Mark},
    **{s.value: {"call"} for s in OpenSentence},
    **{s.value: set() for s in StaffSentence},
    **PARTS,
    **HELD,
}
LONGEST: dict[str, int | str] = {
    "wait": 43_200,
    "tries": 5,
    "count": 40,
    "appointment": "x" * 500,
    "link": f"https://t.me/{'x' * 32}?start={'x' * 64}",  # the longest that Telegram has
}
QUOTED = re.compile(r"«\u00a0([^»]*)\u00a0»|“([^”]*)”")


def wording(language: Language, practice: PracticeFacts = PRACTICE) -> Wording:
    return Wording(language, practice)


def told(language: Language, *templates: Template) -> str:
    asked = frozenset[str]().union(*(asked_of(t) for t in templates))
    return wording(language).text(*templates, **{name: LONGEST[name] for name in asked})


def every_text(language: Language) -> list[str]:
    return list(load(language).texts.values())


@pytest.mark.parametrize("language", Language)
def test_no_text_is_missing_or_unused_and_values_agree(language: Language) -> None:
    texts = load(language).texts
    assert set(texts) == set(EXPECTED)
    for identifier, text in texts.items():
        named = {name for _, name, spec, conversion in string.Formatter().parse(text) if name is not None}
        assert named == EXPECTED[identifier], identifier
        assert text == text.strip(), identifier


def test_the_parts_are_all_used_by_the_code() -> None:
    source = "".join((FOLDER.parent / f).read_text() for f in ("rendering.py", "wording.py"))
    for part in PARTS:
        assert f'"{part.removesuffix("_one").removesuffix("_other")}' in source, part


@pytest.mark.parametrize("language", Language)
def test_what_a_text_tells_to_reply_is_understood(language: Language) -> None:
    """Every word in quotation marks means something to the bot, in the table's state or not."""
    wishes = {"plutôt un jeudi matin", "rather a Thursday morning"}
    found = {next(g for g in m.groups() if g) for text in every_text(language) for m in QUOTED.finditer(text)}
    assert len(found) > 15
    for word in found - wishes:
        assert understand(Secret(word.replace("{number}", "2"))).kind is not K.OTHER, word


@pytest.mark.parametrize(
    ("template", "kinds"),
    [
        (Template.STOPPED, {K.START}),
        (Template.STARTED, {K.STOP}),
        (Template.CANCEL_PASSED_ON, {K.KEEP}),
        (Template.CONFIRMED, {K.CANCEL}),
        (Template.NUMBER_ALONE, {K.CONFIRM, K.CANCEL, K.MOVE}),
        (Template.CONSENT, {K.YES, K.NO, K.STOP, K.LEAVE}),
        (Template.ASK_CANCEL, {K.YES, K.NO}),
        (Template.ASK_LEAVE, {K.YES, K.NO}),
        (Template.PIN_WRONG, {K.FORGOT_PIN}),
        (Template.LANGUAGE_ASK, {K.LANGUAGE}),
        (
            Template.TIMES_ASK,
            {
                K.TIMES_PRIVATE,
                K.TIMES_CONSTANT,
                K.TIMES_USUAL,
                K.DAYS,
                K.DAYS_USUAL,
                K.LAST_DECLINED,
                K.LAST_KEPT,
            },
        ),
        (Template.TIMES_SET, {K.TIMES_ASK}),
        (Template.HELP_TELEGRAM, {K.TELEGRAM}),
        (Template.TELEGRAM_BOTH, {K.TELEGRAM_ONLY, K.TELEGRAM_HERE, K.TELEGRAM_OFF}),
        (Template.TELEGRAM_ONLY, {K.TELEGRAM_BOTH, K.TELEGRAM_HERE, K.TELEGRAM_OFF}),
        (Template.TELEGRAM_HERE, {K.TELEGRAM_BOTH, K.TELEGRAM_ONLY, K.TELEGRAM_OFF}),
        (Template.TELEGRAM_NONE, {K.TELEGRAM}),
        (Template.TELEGRAM_UNLINKED, {K.TELEGRAM}),
        (Template.TELEGRAM_LINKED, {K.TELEGRAM, K.TELEGRAM_OFF}),
        (Template.TELEGRAM_REFUSED, {K.TELEGRAM, K.TELEGRAM_OFF}),
        (Template.TELEGRAM_STOPPED, {K.TELEGRAM}),
        (Template.TELEGRAM_BLOCKED, {K.TELEGRAM}),
        (Template.TELEGRAM_SECRET, {K.CHANGE_PIN}),
        (Template.READY, {K.SHOW, K.HELP}),
        (
            Template.HELP,
            {
                K.SHOW,
                K.CONFIRM,
                K.CANCEL,
                K.KEEP,
                K.MOVE,
                K.STOP,
                K.START,
                K.CHANGE_PIN,
                K.LANGUAGE_ASK,
                K.TIMES_ASK,
                K.DATA,
                K.LEAVE,
            },
        ),
    ],
)
@pytest.mark.parametrize("language", Language)
def test_a_text_names_the_words_that_fit(language: Language, template: Template, kinds: set[K]) -> None:
    text = load(language).texts[template]
    assert {understand(Secret(m[1] or m[2])).kind for m in QUOTED.finditer(text)} == kinds


BANNED = {
    Language.FR: (
        "PIN matrix token session device bot serveur chiffré chiffrement cryptage bout en bout clé homeserver "
        "authentification identifiant login mot de passe mdp notification cliquer cliquez lien url app web sms email "
        "erreur système données tu ton ta tes toi"
    ),
    Language.EN: (
        "matrix token session device bot server encrypted encryption end-to-end key homeserver authentication "
        "identifier login password notification click link url web sms email error system data invalid"
    ),
}


@pytest.mark.parametrize("language", Language)
def test_plain_words_only(language: Language) -> None:
    """For a person of 80: no technical terms, formal address."""
    banned = set(BANNED[language].lower().split()) - {"en", "bout", "mot", "de", "passe"}
    for identifier, text in load(language).texts.items():
        said = re.sub(r"«\u00a0mes données\u00a0»|“my data”", "", text)  # the right is known by that name
        words = set(re.findall(r"[\w-]+", re.sub(r"\{\w+\}", "", said).lower()))
        assert not words & banned, identifier


@pytest.mark.parametrize("language", Language)
def test_sentences_are_short(language: Language) -> None:
    for identifier, text in load(language).texts.items():
        if identifier == Template.CONSENT:
            continue
        for sentence in re.split(r"[.!?:;]\s", text):
            assert len(sentence.split()) <= 26, (identifier, sentence)


def test_french_typography() -> None:
    for identifier, whole in load(Language.FR).texts.items():
        text = (
            whole.rsplit("\n", 1)[0] if identifier == OpenSentence.HELLO else whole
        )  # its last line is English
        assert "'" not in text, identifier
        assert not re.search(r"[^\u00a0\d][:;!?»]|«[^\u00a0]| [:;!?»]", text), identifier


def test_english_typography() -> None:
    for identifier, text in load(Language.EN).texts.items():
        assert "'" not in text, identifier
        assert '"' not in text, identifier


@pytest.mark.parametrize("language", Language)
def test_the_nudge_names_nothing(language: Language) -> None:
    """P2: constant for a language, whatever the practice is called and whoever is told."""
    other = PracticeFacts(name="Oncologie", phone="", zone=ZoneInfo("Asia/Tokyo"), min_digits=8)
    nudge = wording(language).nudge()
    assert nudge == wording(language, other).nudge()
    for word in (
        "cabinet",
        "rendez",
        "appointment",
        "practice",
        "docteur",
        "doctor",
        "santé",
        "health",
        "médec",
    ):
        assert word not in nudge.lower()
    assert understand(Secret(next(m[1] or m[2] for m in QUOTED.finditer(nudge)))).kind is K.SHOW


@pytest.mark.parametrize("language", Language)
def test_constant_sentences_name_the_telephone_and_not_the_practice(language: Language) -> None:
    for sentence in OpenSentence:
        text = wording(language).open_text(sentence)
        assert PRACTICE.phone in text
        assert PRACTICE.name not in text
        without = wording(language, PracticeFacts(name="X", phone="", zone=PRACTICE.zone)).open_text(sentence)
        assert "{" not in without
        assert "  " not in without


@pytest.mark.parametrize("language", Language)
def test_failure_14_the_answer_to_stop_says_that_changes_are_still_told(language: Language) -> None:
    text = told(language, Template.STOPPED)
    assert ("tout de même averti" if language is Language.FR else "still be told") in text


@pytest.mark.parametrize("language", Language)
def test_failure_11_the_answer_to_stop_says_how_to_start_again(language: Language) -> None:
    words = [m[1] or m[2] for m in QUOTED.finditer(told(language, Template.STOPPED))]
    assert [understand(Secret(w)).kind for w in words] == [K.START]


@pytest.mark.parametrize("language", Language)
def test_failure_25_a_cancellation_is_passed_on_never_done(language: Language) -> None:
    told_so = ("transmise au cabinet", "passed on to the practice")
    for template in (Template.CANCEL_PASSED_ON, Template.CONFIRMED, Template.MOVE_PASSED_ON):
        assert any(w in told(language, template) for w in (*told_so, "transmis au cabinet")), template
    everything = " ".join(told(language, t) for t in Template if t not in LISTS).lower()
    for claim in ("est annulé", "a été annulé", "is cancelled", "has been cancelled", "was cancelled"):
        assert claim not in everything.replace("si un rendez-vous est annulé", "")
    assert any(w in load(language).texts[Mark.CANCEL_PASSED_ON] for w in told_so)


@pytest.mark.parametrize("language", Language)
def test_failure_26_free_text_is_answered_with_whom_to_call(language: Language) -> None:
    """In every state: nobody reads here, the practice's telephone, 15 and 112."""
    nobody = "Personne ne lit" if language is Language.FR else "Nobody reads"
    for state in set(State) - {State.MOVE_WISH}:
        entry = TABLE[state][K.OTHER]
        text = (
            wording(language).open_text(entry.sentence)
            if entry.sentence
            else told(language, *entry.templates)
        )
        assert nobody in text, state
        assert PRACTICE.phone in text, state
        assert re.search(r"\b15\b.*\b112\b", text), state
    assert re.search(r"\b15\b.*\b112\b", told(language, Template.MOVE_PASSED_ON))


@pytest.mark.parametrize("language", Language)
def test_every_answer_of_the_table_fits_one_message(language: Language) -> None:
    long = PracticeFacts(name="N" * 400, phone="+" * 200, zone=PRACTICE.zone, min_digits=12)
    words = wording(language, long)
    for row in TABLE.values():
        for entry in row.values():
            if entry.templates and not LISTS & set(entry.templates):
                asked = frozenset[str]().union(*(asked_of(t) for t in entry.templates))
                text = words.text(*entry.templates, **{name: LONGEST[name] for name in asked})
                assert len(text.encode()) <= MAX_TEXT_BYTES
    assert max(len(words.open_text(s).encode()) for s in OpenSentence) <= MAX_TEXT_BYTES


def test_values_are_allow_listed() -> None:
    words = wording(Language.FR)
    with pytest.raises(WrongUse):
        words.text(Template.PIN_WAIT)
    with pytest.raises(WrongUse):
        words.text(Template.PIN_WRONG, wait=60)
    with pytest.raises(WrongUse):
        words.text(Template.LIST)
    assert "{phone}" in words.text(Template.CONFIRMED, appointment="{phone} {0}")


@pytest.mark.parametrize(
    ("seconds", "french", "english"),
    [
        (0, "1 minute", "1 minute"),
        (60, "1 minute", "1 minute"),
        (61, "2 minutes", "2 minutes"),
        (300, "5 minutes", "5 minutes"),
        (900, "15 minutes", "15 minutes"),
        (3600, "1 heure", "1 hour"),
        (3601, "61 minutes", "61 minutes"),
        (5401, "2 heures", "2 hours"),
        (14_400, "4 heures", "4 hours"),
        (43_200, "12 heures", "12 hours"),
    ],
)
def test_waits_are_told_in_words_and_never_too_short(seconds: int, french: str, english: str) -> None:
    for language, expected in ((Language.FR, french), (Language.EN, english)):
        assert expected in wording(language).text(Template.PIN_WAIT, wait=seconds).replace("\u00a0", " ")


def test_tries_are_counted_in_words() -> None:
    texts = [wording(Language.FR).text(Template.PIN_WRONG_TRIES, wait=300, tries=n) for n in (1, 5)]
    assert "1 essai." in texts[0]
    assert "5 essais." in texts[1]


def test_the_minimum_of_the_practice_is_told() -> None:
    eight = PracticeFacts(name="X", phone="", zone=PRACTICE.zone, min_digits=8)
    assert "8 chiffres" in wording(Language.FR, eight).text(Template.CHOOSE_PIN)


CONSENTED_TO = {
    "2026-1": {
        Language.FR: "f7e5272f344e06f9",
        Language.EN: "6273803f60099634",
    }
}


@pytest.mark.parametrize("language", Language)
def test_another_consent_text_needs_another_version(language: Language) -> None:
    text = load(language).texts[Template.CONSENT]
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == CONSENTED_TO[CONSENT_VERSION][language]
    assert CONSENT_VERSION in told(language, Template.CONSENT)


def test_releases_are_exactly_the_texts_with_details() -> None:
    for template in Template:
        assert is_release(template) is (
            template in LISTS
            or any(value in load(Language.FR).texts[template] for value in ("{appointment}", "{link}"))
        )


@pytest.mark.parametrize("language", Language)
def test_nothing_that_goes_to_telegram_tells_what_it_is_for(language: Language) -> None:
    """P2: constants of a language, without a word about health, whatever the practice is called."""
    other = PracticeFacts(name="Oncologie", phone="", zone=ZoneInfo("Asia/Tokyo"), min_digits=8)
    texts = [t for name, t in load(language).texts.items() if name.startswith("telegram.")]
    assert len(texts) == len(TelegramSentence) + 2
    assert [telling(text) for text in texts] == [()] * len(texts)
    for words in (wording(language), wording(language, other)):
        said = [words.telegram_text(s) for s in TelegramSentence]
        assert {*said, words.telegram_nudge(), words.telegram_button()} == set(texts)
    assert telling(wording(language).text(Template.NOTHING_DONE)), "and the list finds what is told elsewhere"


@pytest.mark.parametrize("language", Language)
def test_the_help_with_telegram_fits_one_message(language: Language) -> None:
    long = PracticeFacts(name="N" * 400, phone="+" * 200, zone=PRACTICE.zone, min_digits=12)
    for row in TABLE.values():
        if Template.HELP in row[K.HELP].templates:
            text = wording(language, long).text(*with_help(row[K.HELP].templates))
            assert len(text.encode()) <= MAX_TEXT_BYTES
