"""Lines as they are typed on telephones: the rules of :mod:`bot.cli.line` by number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cli.line import MAX_LINE, Word, arguments, as_typed, split, suggestion, understand
from bot.cli.room_run import flags
from bot.cli.staffroom import COMMANDS
from bot.errors import WrongUse


def texts(line: str) -> list[str]:
    return [word.text for word in split(line)]


def argv(line: str) -> list[str]:
    """The parser's words."""
    understood = understand(split(line))
    assert understood is not None, line
    return arguments(understood, flags(understood.command))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('patient add P-1 name "Marie Claude"', ["patient", "add", "P-1", "name", "Marie Claude"]),
        ("patient add P-1 name “Marie Claude”", ["patient", "add", "P-1", "name", "Marie Claude"]),
        ("patient add P-1 name « Marie Claude »", ["patient", "add", "P-1", "name", "Marie Claude"]),
        ("nom «Marie Claude»", ["nom", "Marie Claude"]),
        ('nom "Marie Claude”', ["nom", "Marie Claude"]),  # opened by hand, closed by the telephone
        ('nom "Marie Claude', ["nom", "Marie Claude"]),
        ("nom „Marie Claude“", ["nom", "Marie Claude"]),
        ('a ""', ["a", ""]),
        ("aujourd’hui l'enfant d'Anne", ["aujourd’hui", "l'enfant", "d'Anne"]),
        (r"a\ b $HOME * `x`", ["a\\", "b", "$HOME", "*", "`x`"]),
    ],
)
def test_rule_1_quotation_marks_hold_words_together_and_apostrophes_do_not(
    line: str, words: list[str]
) -> None:
    assert texts(line) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("patients\N{NO-BREAK SPACE}P-1\N{NARROW NO-BREAK SPACE}x", ["patients", "P-1", "x"]),
        ("  patients \t\n P-1\r\n", ["patients", "P-1"]),
        ("pat\N{ZERO WIDTH SPACE}ients\N{SOFT HYPHEN}\N{WORD JOINER}", ["patients"]),
        ("patients P-1.", ["patients", "P-1"]),
        ("patients P-1…", ["patients", "P-1"]),
        ("patients .", ["patients"]),
        ('patients "P-1."', ["patients", "P-1."]),
        ("invite P-1 —also P-2", ["invite", "P-1", "--also", "P-2"]),
        ("invite P-1 –also P-2", ["invite", "P-1", "--also", "P-2"]),
        ("a — b", ["a", "—", "b"]),
        ("", []),
        ("...", []),
    ],
)
def test_rule_2_what_telephones_do_to_a_line_is_undone(line: str, words: list[str]) -> None:
    assert texts(line) == words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Patients", ["patient", "list", "--"]),
        ("PATIENTS léa.", ["patient", "list", "--", "léa"]),
        ("pli patients", ["patient", "list", "--"]),
        ("!patients", ["patient", "list", "--"]),
        ("/patients", ["patient", "list", "--"]),
        ("patient ajouter P-1 nom Léa", ["patient", "add", "--name=Léa", "--", "P-1"]),
        ("Patient Ajouter P-1 prenom Léa", ["patient", "add", "--name=Léa", "--", "P-1"]),
        ("patient add P-1 --name Léa", ["patient", "add", "--name=Léa", "--", "P-1"]),
        ("patient add P-1 --nom=Léa", ["patient", "add", "--name=Léa", "--", "P-1"]),
        ("patient add P-1 name --json", ["patient", "add", "--name=--json", "--", "P-1"]),
        ("inviter P-1 aussi P-2 et P-3", ["invite", "to", "--also=P-2", "--also=P-3", "--", "P-1"]),
        ("inviter P-1 sans-compte langue en", ["invite", "to", "--no-account", "--lang=en", "--", "P-1"]),
        ("reinitialiser P-1 P-2 oui", ["reset", "--yes", "--", "P-1", "P-2"]),
        ("nouveau code P-1", ["reset", "--", "P-1"]),
        ("reponses", ["answers", "--"]),
        ("réponses depuis 2026-12-01", ["answers", "--since=2026-12-01", "--"]),
        ("réponses fait 2", ["answers", "done", "--", "2"]),
        ("Fait 2", ["answers", "done", "--", "2"]),
        ("approuver 3.", ["approve", "--", "3"]),
        ("?", ["help", "--"]),
    ],
)
def test_a_line_in_either_language_is_the_parsers(line: str, expected: list[str]) -> None:
    assert argv(line) == expected


@pytest.mark.parametrize(
    "line",
    ["patient add P-1 « nom » Léa", 'patient add P-1 "name" Léa'],
)
def test_rule_3_in_quotation_marks_a_word_means_itself(line: str) -> None:
    assert argv(line)[:3] == ["patient", "add", "--"]


def test_rule_3_the_first_word_of_its_own_is_never_an_option() -> None:
    """A reference may be called like an option."""
    assert argv("patient add nom nom Léa") == ["patient", "add", "--name=Léa", "--", "nom"]


@pytest.mark.parametrize(
    "line",
    [
        "patients --json",
        'patients "--json"',
        "patients « --json »",
        "patients —json",
        "patients -h",
        "patients --help",
        "patients --",
        "patients --config=/etc",
        "patients --config /etc",
        "patient add P-1 --yes",
        "inviter P-1 --relink",
        "answers --all",
    ],
)
def test_rule_4_no_option_but_those_of_the_table(line: str) -> None:
    with pytest.raises(WrongUse, match="no such option"):
        argv(line)


def test_an_option_without_its_value() -> None:
    with pytest.raises(WrongUse, match="lacks its value"):
        argv("patient add P-1 nom")


def test_a_line_that_is_too_long() -> None:
    assert split("x" * MAX_LINE)
    with pytest.raises(WrongUse, match="too long"):
        split("x" * (MAX_LINE + 1))


@pytest.mark.parametrize("line", ["", "«patients»", "patient", "show", "init x", "agenda import /etc/passwd"])
def test_what_is_not_in_the_table_is_not_understood(line: str) -> None:
    assert understand(split(line)) is None


SPELLINGS = [spelling for command in COMMANDS for spelling in command.spellings]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("patiens", "patients"),
        ("patient ajuter P-1", "patient ajouter"),
        ("Inviterr P-1", "inviter"),
        ("réinitialliser P-1", "réinitialiser"),
        ("reponse", "réponse"),
        ("zzzz", None),
        ("", None),
    ],
)
def test_a_typo_gets_a_suggestion(line: str, meant: str | None) -> None:
    assert suggestion(split(line), SPELLINGS) == meant


LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(line=LETTERS)
def test_whatever_is_typed_is_split(line: str) -> None:
    for word in split(line):
        assert word.quoted or (word.text and not any(c.isspace() for c in word.text))


@given(words=st.lists(LETTERS, max_size=4), command=st.sampled_from(COMMANDS))
def test_rule_4_nothing_reaches_the_parser_as_an_option_but_the_tables(
    words: list[str], command: object
) -> None:
    line = " ".join([getattr(command, "name", ""), *words])
    understood = understand(split(line[:MAX_LINE]))
    assert understood is not None
    try:
        given_ = arguments(understood, flags(understood.command))
    except WrongUse:
        return
    before, behind = given_[: given_.index("--")], given_[given_.index("--") + 1 :]
    path = understood.command.path
    assert tuple(before[: len(path)]) == path
    assert {option.partition("=")[0] for option in before[len(path) :]} <= set(understood.command.options)
    assert not any(word.startswith("-") for word in behind)


@given(word=st.text('abcP-1 .«»"’—', min_size=1, max_size=8).map(str.strip).filter(bool))
def test_what_is_asked_to_be_typed_is_read_as_it_was(word: str) -> None:
    found = split(f"x {as_typed(word)} y")
    if '"' in word or "“" in word:
        return  # both kinds of marks in one word: nobody's reference
    assert [w.text for w in found] == ["x", word, "y"]


def test_a_word_shows_nothing_of_itself() -> None:
    assert "canary" not in repr(Word(text="canary"))
