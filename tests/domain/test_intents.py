"""What patients type, and what it means. Rules are those numbered in ``bot.domain.intents``."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import vocabulary as words
from bot.domain.codes import ParsedCode, new_code
from bot.domain.intents import _PHRASES, MAX_WISH, Intent, as_wish, not_text, understand
from bot.domain.values import Language, Secret
from bot.domain.vocabulary import IntentKind as K


def read(text: str) -> Intent:
    return understand(Secret(text))


UNDERSTOOD = {
    K.SHOW: [
        "voir", "Voir", "VOIR !", "/voir", "!voir", "voir svp", "Voir, s’il vous plaît", "bonjour, voir merci", "show",
        "/show", "voir mes rendez-vous", "mes rendez-vous", "rdv", "je voudrais voir mes rendez-vous",
        "I would like to see my appointments", "c'est quand ?", "à quelle heure ?", "voir voir", "« voir »", "“show”",
    ],
    K.DATA: [
        *("mes données", "Mes donnees svp", "données", "voir mes données", "que savez-vous de moi ?", "mon journal"),
        *("my data", "show my data", "please show me my data", "what do you know about me?", "my log"),
    ],
    K.MORE: ["suite", "la suite", "plus", "more", "voir la suite", "show more"],
    K.CONFIRM: ["confirmer", "Je confirme", "je viendrai", "confirm", "I confirm my appointment", "CONFIRMÉ"],
    K.CANCEL: [
        "annuler", "Annulé", "j'annule", "anuler", "je ne peux pas venir", "I can’t come", "cancel my appointment",
        "annuler le rendez-vous du 3 mars à 14h30", "annuler 12/03", "annuler mardi", "cancel on Monday",
    ],
    K.KEEP: ["garder", "je garde", "keep it", "ne pas annuler", "n'annulez pas", "do not cancel"],
    K.MOVE: ["déplacer", "deplacer", "reporter", "move", "je voudrais déplacer mon rendez-vous"],
    K.CHANGE_PIN: ["code", "pin", "changer mon code secret", "PIN", "changer de code", "change my PIN", "code secret"],
    K.FORGOT_PIN: ["oublié", "j’ai oublié mon code", "code oublié", "I forgot my PIN", "forgot"],
    K.LANGUAGE_ASK: ["langue", "changer de langue", "language", "Langue ?"],
    K.STOP: ["stop", "STOP", "Stop.", "arrêter", "ARRETER", "arrête !", "arrêtez les messages", "unsubscribe"],
    K.TIMES_ASK: ["discrétion", "Discretion", "rythme"],
    K.TELEGRAM: ["telegram", "Télégram !", "télégramme", "je voudrais relier Telegram", "use Telegram please"],
    K.TELEGRAM_BOTH: ["telegram les deux", "Telegram both", "telegram et ici", "here and on telegram"],
    K.TELEGRAM_ONLY: ["telegram seul", "seulement sur Telegram", "telegram only", "only on telegram"],
    K.TELEGRAM_HERE: ["telegram ici", "telegram matrix", "matrix", "ici seulement", "telegram here"],
    K.TELEGRAM_OFF: [
        *("telegram off", "telegram non", "arrêter Telegram", "plus de telegram", "sans telegram", "stop telegram"),
        *("no telegram", "turn telegram off", "pas de telegram"),
    ],
    K.NUMBER: ["les deux", "deux"],
    K.TIMES_PRIVATE: ["discrétion forte", "high discretion", "more discretion please"],
    K.TIMES_CONSTANT: ["Discrétion totale", "full discretion"],
    K.DAYS: ["discrétion 7 1", "Discretion 7, 1", "rappels 7 et 1 jours avant", "reminder 3 days before"],
    K.DAYS_USUAL: ["jours habituels", "usual days"],
    K.TIMES_USUAL: ["discrétion normale", "usual discretion"],
    K.LAST_DECLINED: ["sans dernier rappel", "no last reminder"],
    K.LAST_KEPT: ["avec dernier rappel", "with last reminder"],
    K.START: ["reprendre", "start", "recommencer", "start again"],
    K.LEAVE: ["quitter", "leave", "me désinscrire", "tout effacer"],
    K.HELP: ["aide", "help", "?aide", "à l'aide", "je ne comprends pas", "comment faire ?"],
    K.YES: ["oui", "OUI", "oui oui", "ok", "d’accord", "yes", "👍", "👍🏽", "✔️", "oui, merci"],
    K.NO: ["non", "non merci", "no", "pas d'accord", "👎"],
    K.HELLO: ["bonjour", "Bonjour !", "hello", "bonjour docteur", "Bonsoir madame"],
    K.THANKS: ["merci", "merci beaucoup", "thank you", "Thanks!"],
    K.OTHER: [
        "", " ", "…", "???", "😀", "j'ai mal au ventre depuis hier", "voir avec mon mari", "je ne veux pas confirmer",
        "annuler pas", "ne pas confirmer", "confirmer 1 et annuler 2", "annuler 2 et 3", "oui mais non",
        "confirmer ou annuler ?", "stop à la douleur", "quitter mon mari", "j ai 39 de fievre ce soir",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, ts in UNDERSTOOD.items() for t in ts])
def test_words_of_both_languages_are_understood_at_all_times(kind: K, text: str) -> None:
    assert read(text).kind is kind


@pytest.mark.parametrize("text", [t for ts in UNDERSTOOD.values() for t in ts])
def test_decomposed_accents_case_and_blanks_do_not_matter(text: str) -> None:
    kind = read(text).kind
    assert read(unicodedata.normalize("NFD", text)).kind is kind
    assert read(text.upper()).kind is kind
    assert read("\u200b " + text + "\u00a0!").kind is kind


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("annuler le 2", K.CANCEL, 2),
        ("annuler n°2", K.CANCEL, 2),
        ("annuler nº 2", K.CANCEL, 2),
        ("annuler no 2", K.CANCEL, 2),
        ("annuler le numéro 2 svp", K.CANCEL, 2),
        ("annuler2", K.CANCEL, 2),
        ("annuler ٢", K.CANCEL, 2),
        ("annuler la deuxième", K.CANCEL, 2),
        ("Annuler le 1er", K.CANCEL, 1),
        ("cancel the second one", K.CANCEL, 2),
        ("2 annuler", K.CANCEL, 2),
        ("confirmer 12", K.CONFIRM, 12),
        ("/confirm 3", K.CONFIRM, 3),
        ("je confirme le rendez-vous numéro trois", K.CONFIRM, 3),
        ("garder 1", K.KEEP, 1),
        ("ne pas annuler 2", K.KEEP, 2),
        ("2", K.NUMBER, 2),
        ("n° 2", K.NUMBER, 2),
        ("le deux", K.NUMBER, 2),
        ("le premier svp", K.NUMBER, 1),
        ("annuler un rendez-vous", K.CANCEL, None),
        ("annuler 4829", K.CANCEL, None),
        ("move 2", K.MOVE, 2),
    ],
)
def test_numbers_of_a_list(text: str, kind: K, number: int | None) -> None:
    found = read(text)
    assert (found.kind, found.number) == (kind, number)


@pytest.mark.parametrize(
    ("text", "number", "wish"),
    [
        ("déplacer 2 plutôt un jeudi matin", 2, "plutôt un jeudi matin"),
        ("Déplacer le 2, après 14 h si possible", 2, "après 14 h si possible"),
        ("move 1 rather Thursday", 1, "rather Thursday"),
        ("déplacer au 12 mars", None, "au 12 mars"),
        ("déplacer le 3 mars", None, "le 3 mars"),
        ("reporter 14:30", None, "14:30"),
        ("déplacer mon rendez-vous", None, None),
        ("déplacer 3", 3, None),
        ("déplacer 2 au 3 mars", 2, "au 3 mars"),
    ],
)
def test_a_move_carries_its_wish_as_typed(text: str, number: int | None, wish: str | None) -> None:
    found = read(text)
    assert (found.kind, found.number) == (K.MOVE, number)
    assert (found.wish.reveal() if found.wish else None) == wish


def test_a_wish_has_an_end() -> None:
    wish = read("déplacer 1 " + "jeudi " * 1000).wish
    assert wish is not None
    assert len(wish.reveal()) == MAX_WISH


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("français", Language.FR),
        ("French", Language.FR),
        ("en français", Language.FR),
        ("en anglais s'il vous plaît", Language.EN),
        ("english please", Language.EN),
        ("langue anglais", Language.EN),
        ("in English", Language.EN),
        ("/language fr", Language.FR),
    ],
)
def test_languages_by_name(text: str, language: Language) -> None:
    found = read(text)
    assert (found.kind, found.language) == (K.LANGUAGE, language)


@pytest.mark.parametrize(
    ("text", "kind", "digits"),
    [
        ("482915", K.DIGITS, "482915"),
        ("482 915", K.DIGITS, "482915"),
        ("٤٨٢٩١٥", K.DIGITS, "482915"),
        ("482915!", K.DIGITS, "482915"),
        ("mon code est 482915", K.DIGITS, "482915"),
        ("PIN: 48 29 15", K.DIGITS, "482915"),
        ("voir 482915", K.DIGITS, "482915"),
        ("123", K.DIGITS_ODD, "123"),
        ("12345", K.DIGITS_ODD, "12345"),
        ("1234567890123", K.DIGITS_ODD, "1234567890123"),
    ],
)
def test_rule_4_digits_alone_are_a_pin(text: str, kind: K, digits: str) -> None:
    found = read(text)
    assert found.kind is kind
    assert found.digits is not None
    assert found.digits.reveal() == digits
    assert found.may_hold_secret


@pytest.mark.parametrize(
    "text", ["annuler 482915", "confirmer 1 482915", "je suis au 0612345678", "stop 482915"]
)
def test_rule_4_digits_beside_a_command_are_no_pin_but_may_be_secret(text: str) -> None:
    found = read(text)
    assert found.kind not in {K.DIGITS, K.DIGITS_ODD}
    assert found.digits is None
    assert found.may_hold_secret


def test_codes_are_recognised_however_they_are_typed() -> None:
    for _ in range(200):
        code = new_code().display.reveal()
        for text in (
            code,
            code.lower(),
            code.replace("-", ""),
            code.replace("-", " "),
            "mon code est " + code,
        ):
            found = read(text)
            assert found.kind is K.CODE
            assert isinstance(found.code, ParsedCode)
            assert found.may_hold_secret


def test_mistyped_codes_are_told_from_sentences() -> None:
    for _ in range(200):
        code = new_code().display.reveal()
        wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
        for text in (wrong, wrong.lower(), code[:-1], wrong.replace("-", ""), wrong.replace("-", " ")):
            found = read(text)
            assert found.kind is K.CODE_TYPO
            assert found.may_hold_secret


@pytest.mark.parametrize("text", ["48/29/15", "4, 8, 2, 9, 1, 5", "j'ai 482915 ans", "a" * 4000 + "482915"])
def test_rule_2_hidden_digits_are_found(text: str) -> None:
    assert read(text).may_hold_secret


@pytest.mark.parametrize(
    "text", ["2", "annuler 2", "voir", "déplacer le 3 mars à 9 h", "j'ai 3 enfants", "14:30"]
)
def test_rule_2_ordinary_numbers_are_no_secret(text: str) -> None:
    assert not read(text).may_hold_secret


def test_rule_1_nothing_typed_is_in_a_repr() -> None:
    for text in ("482915", "déplacer 2 mon grand secret", new_code().display.reveal(), "mon grand secret"):
        found = read(text)
        assert found.text.reveal() == text
        assert repr(found) == f"Intent({found.kind.value})"


def test_what_has_no_words() -> None:
    assert not_text().kind is K.NOT_TEXT


def test_no_phrase_means_two_things() -> None:
    seen: dict[tuple[str, ...], K] = {}
    for kind, phrases in words.PHRASES.items():
        for phrase in phrases.split(","):
            found = read(phrase)
            assert found.kind is kind, phrase
    for core, kind in _PHRASES.items():
        assert seen.setdefault(core, kind) is kind


def test_the_vocabulary_is_written_plain() -> None:
    plain = "".join(words.PHRASES.values()) + " ".join(
        words.FILLERS
        | words.DATE_WORDS
        | words.CANCEL_VERBS
        | words.MOVE_VERBS
        | words.PIN_WORDS
        | words.NEGATIONS
    )
    assert plain.isascii()
    assert plain == plain.lower()
    meaningful = words.CANCEL_VERBS | words.MOVE_VERBS | words.LANGUAGE_NAMES.keys() | words.ORDINALS.keys()
    assert not words.FILLERS & (meaningful | words.NEGATIONS)


@given(st.text(st.characters()))
def test_any_text_at_all_is_understood_as_something(text: str) -> None:
    found = read(text)
    assert found.kind in K
    assert found.kind is not K.NOT_TEXT


_PIECES = [p.strip() for phrases in words.PHRASES.values() for p in phrases.split(",")]
_PIECES += [
    *words.FILLERS,
    *words.CANCEL_VERBS,
    *words.MOVE_VERBS,
    "2",
    "482915",
    "ne",
    "pas",
    "!",
    "°",
    "’",
    "\u202e",
    "٣",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=8).map(" ".join))
def test_any_mix_of_known_words_is_understood_as_something(text: str) -> None:
    found = read(text)
    assert (found.digits is not None) is (found.kind in {K.DIGITS, K.DIGITS_ODD})
    assert (found.language is not None) is (found.kind is K.LANGUAGE)
    if "482915" in text:
        assert found.may_hold_secret


@given(st.lists(st.sampled_from(sorted(words.NEGATIONS - {"plus", "n", "no"})), min_size=1, max_size=2))
def test_rule_3_a_negated_verb_is_never_the_command(negations: list[str]) -> None:
    for verb, kind in (
        ("confirmer", K.CONFIRM),
        ("annuler", K.CANCEL),
        ("confirm", K.CONFIRM),
        ("cancel", K.CANCEL),
    ):
        for text in (
            " ".join([*negations, verb]),
            " ".join([verb, *negations]),
            " ".join(["je", *negations, verb, "2"]),
        ):
            assert read(text).kind is not kind, text


def test_nothing_is_meant_that_was_not_said() -> None:
    made = Intent(kind=K.SHOW)
    assert (made.number, made.language, made.digits, made.wish, made.code) == (None, None, None, None, None)
    assert made.may_hold_secret is False
    assert made.text.reveal() == ""


def test_rule_2_how_much_is_read() -> None:
    assert not understand(Secret("a" * 4000)).may_hold_secret
    assert understand(Secret("a" * 4001)).may_hold_secret
    assert understand(Secret("a " * 1999 + "48 29 15")).may_hold_secret
    assert len(as_wish(Secret("a" * 4001)).reveal()) == 1000


@pytest.mark.parametrize("word", ["n°", "no", "nr", "num", "numéro", "number"])
def test_what_stands_before_a_number(word: str) -> None:
    found = understand(Secret(f"annuler {word} 2"))
    assert (found.kind, found.number) == (K.CANCEL, 2)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("1er 1re 1ère premier première first 1st", 1),
        ("2e 2eme 2nd 2nde deux deuxième second seconde two", 2),
        ("3e 3eme 3rd trois troisième three third", 3),
        ("4e 4eme 4th quatre quatrième four fourth", 4),
        ("5e 5eme 5th cinq cinquième five fifth", 5),
    ],
)
def test_ordinals(words: str, number: int) -> None:
    for word in words.split():
        found = understand(Secret(f"annuler {word}"))
        assert (found.kind, found.number) == (K.CANCEL, number), word


def test_a_code_is_found_behind_six_words_and_no_more() -> None:
    code = new_code().display.reveal()
    for before, is_code in ((1, True), (6, True), (7, False)):
        assert (understand(Secret("bla " * before + code)).kind is K.CODE) == is_code


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("1" * 12, K.DIGITS),
        ("1" * 13, K.DIGITS_ODD),
        ("12345678901234567891", K.CODE_TYPO),
        ("4 2", K.NUMBER),
        ("7-", K.NUMBER),
    ],
)
def test_rule_4_rows_of_digits(typed: str, kind: K) -> None:
    found = understand(Secret(typed))
    assert found.kind is kind
    assert found.may_hold_secret == (kind is not K.NUMBER)


def test_rule_4_two_digits_apart_are_one_number() -> None:
    assert understand(Secret("4 2")).number == 42


@pytest.mark.parametrize(
    ("typed", "is_typo"),
    [
        ("ABCDEFGHJK MNPQRSTV12", True),
        ("ABCDEFG HJKMNPQ RSTV12", False),
        ("ABC DEF GHJ KMN PQR STV 12", True),
        ("ABCDE FGHJK MNPQR STV12", True),
        ("ABCDEF GHJKMN PQRSTV 12", False),
        ("ABCD EFGH JKMN PQ RSTV12", False),
        ("ABCD EFGH JKMN PQRS TV12", True),
    ],
)
def test_a_mistyped_code_is_written_in_groups(typed: str, is_typo: bool) -> None:
    assert understand(Secret(typed)).kind is (K.CODE_TYPO if is_typo else K.OTHER)


@pytest.mark.parametrize(
    "typed", ["aide 2", "annuler xyz", "annuler xyz mardi", "bonjour xyz", "le", "X", "XX", "", "?!"]
)
def test_what_is_not_understood(typed: str) -> None:
    assert understand(Secret(typed)).kind is K.OTHER


@pytest.mark.parametrize(
    ("typed", "language"),
    [
        ("speak english", Language.EN),
        ("parler français", Language.FR),
        ("in english", Language.EN),
        ("en français", Language.FR),
    ],
)
def test_languages_in_a_phrase(typed: str, language: Language) -> None:
    found = understand(Secret(typed))
    assert (found.kind, found.language) == (K.LANGUAGE, language)


def test_the_verb_of_moving_may_come_behind_other_words() -> None:
    found = understand(Secret("bonjour je voudrais déplacer le 2"))
    assert (found.kind, found.number, found.wish) == (K.MOVE, 2, None)


@pytest.mark.parametrize("date", ["3/4", "3.4", "3-4", "14:30"])
def test_a_date_is_no_number_of_the_list(date: str) -> None:
    found = understand(Secret(f"déplacer {date}"))
    assert (found.kind, found.number) == (K.MOVE, None)
    assert found.wish is not None
    assert found.wish.reveal() == date


def test_every_thumb_at_once() -> None:
    assert understand(Secret("👍✅✔☑👌🆗")).kind is K.YES
    assert understand(Secret("👎❌✖🚫")).kind is K.NO


@pytest.mark.parametrize(
    ("typed", "days"),
    [
        ("discrétion 7 1", (7, 1)),
        ("Discrétion : 1, 7 et 3 jours avant svp", (7, 3, 1)),
        ("discretion 0", (0,)),
        ("discretion 60", (60,)),
        ("discretion 7 7", (7,)),
        ("reminders 14, 7, 2 and 1 days before", (14, 7, 2, 1)),
        ("rappel 1 jour avant", (1,)),
        ("discrétion ٧ ١", (7, 1)),
    ],
)
def test_days_before_are_numbers_beside_words_that_mean_nothing_else(
    typed: str, days: tuple[int, ...]
) -> None:
    intent = understand(Secret(typed))
    assert (intent.kind, intent.days) == (K.DAYS, days)


@pytest.mark.parametrize(
    "typed",
    [
        "discretion 61",
        "discretion 5 4 3 2 1",
        "discretion 100",
        "pas discretion 7 1",
        "7 1",
        "7 jours avant",
        "3 days before",
        "jours 7 1",
        "discretion premier",
        "discretion 2e",
    ],
)
def test_other_numbers_are_no_days(typed: str) -> None:
    assert understand(Secret(typed)).kind is not K.DAYS
