"""The command line speaks the practice's language, whatever it says; the room that of the member."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import Installation
from bot.cli.keys import PURPOSE
from bot.cli.problems import MEANING
from bot.cli.purge import WHAT
from bot.cli.room_run import parser
from bot.domain.values import Language
from bot.errors import AgendaError, Refused, WrongUse
from config.catalogue import load
from config.staff_words import StaffWords
from tests.cli.error_texts import HOLE, ROOT, made_texts, read_texts, returned_texts
from tests.cli.shell import pli
from tests.cli.staff_room import SECRETARY, Room
from tests.cli.test_commands import ics

FRENCH = StaffWords(Language.FR, terminal=True)
SOURCES = sorted(
    file
    for top in ("bot", "config", "storage")
    for file in (ROOT / top).rglob("*.py")
    if "demo" not in file.parts and "migrations" not in file.parts
)
_OPTION = re.compile(r"--[a-z][a-z-]+")


def shape(text: str) -> str:
    return re.sub(r"\{\w+\}", HOLE, text)


def known() -> set[str]:
    return {shape(text) for name in ("staff", "terminal") for text in load(Language.FR, name).texts}


def test_no_text_that_a_command_can_print_lacks_its_french() -> None:
    texts = [text for file in SOURCES for text in read_texts(file)]
    texts += [shape(text) for text in made_texts()]
    texts += returned_texts(ROOT / "bot" / "doctor.py")
    texts += returned_texts(ROOT / "bot" / "doctor_telegram.py")
    texts += [*MEANING.values(), *PURPOSE.values(), *WHAT.values()]
    assert len(set(texts)) > 600, "the walk sees the sources"
    assert sorted(set(texts) - known()) == []


def test_the_walk_finds_what_is_missing() -> None:
    file = ROOT / "bot" / "cli" / "acts.py"
    assert "line {}: {}" in set(read_texts(file))
    assert "at most 64 KiB" in set(read_texts(file))
    assert "the list is no cheese" not in known()


def commands_in(text: str) -> set[str]:
    """What is to be typed: options, and commands of ``pli``."""
    typed = {word for word in re.findall(r"pli ([a-z]+)", text) if word in parser().commands}
    return typed | set(_OPTION.findall(text))


def test_what_is_to_be_typed_is_the_same_in_french() -> None:
    texts = load(Language.FR, "terminal").texts
    wrong = [
        english
        for english, french in texts.items()
        if " " in english and not commands_in(english) <= commands_in(french)
    ]
    assert wrong == []


def test_in_the_room_nothing_is_to_be_typed_as_on_the_command_line() -> None:
    for language in Language:
        texts = load(language, "staff").texts
        assert [t for k, t in texts.items() if k.startswith("help.") and "pli " in t] == []


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("/x/y: exists already", "/x/y : existe déjà."),
        ("line 3: day: none can be read there", "Ligne 3 : Je ne vois pas de jour à cet endroit."),
        ("the database does not answer (OperationalError)", "La base ne répond pas (OperationalError)."),
        ("this file would cancel 6 of the 9 appointments of these days", "annulerait 6 des 9 rendez-vous"),
        ("is a PDF file", "est un fichier PDF"),
        ("nobody ever wrote this", "nobody ever wrote this"),
    ],
)
def test_a_text_is_recognised_by_its_shape(english: str, french: str) -> None:
    assert french in FRENCH.finished(english)
    assert StaffWords(Language.EN, terminal=True).finished(english) == english


def test_values_are_never_read_as_formats() -> None:
    assert FRENCH.finished("/{0.__class__}: exists already") == "/{0.__class__} : existe déjà."
    assert FRENCH.own("refused: {name}; its report beside it says why", name="{x}").startswith("refusé : {x}")


def test_the_place_in_an_agenda_and_an_error_in_the_room() -> None:
    error = AgendaError(where="line 4", why="is empty", mend="export the agenda again")
    assert FRENCH.of(error) == "ligne 4 : est vide"
    assert StaffWords(Language.FR).error(error).startswith("ligne 4 : est vide")
    assert "Le programme dit" in StaffWords(Language.FR).error(Refused("nobody ever wrote this"))
    mend = "see: pli patient list"
    assert "patients" in StaffWords(Language.FR).error(WrongUse("no patient with this reference", mend=mend))
    assert "pli" not in StaffWords(Language.FR).error(WrongUse("no patient with this reference", mend=mend))


REFUSED = [
    (("patient", "show", "P-9"), "Aucun patient", "pli patient list"),
    (("agenda", "import", "/nowhere.ics"), "fichier : n’est pas là", "vérifiez le chemin"),
    (("agenda", "import", "x", "--from", "2026-12-01"), "--from et --to vont ensemble", "Donnez les deux"),
    (("agenda", "cancel", "a-none"), "Aucun rendez-vous", "pli patient show REF"),
    (("agenda", "add", "P-9", "--at", "demain 9h"), "Aucun patient", "pli patient add REF"),
    (("invite", "P-9"), "Aucun patient", "pli patient add REF"),
    (("invite", "revoke", "r-none"), "Cette personne", "pli patient show REF"),
    (("answers", "done", "w-none"), "Aucune réponse", "pli answers"),
    (("help", "nothing"), "n’existe pas", "pli help"),
    (("audit", "show", "--kind", "x"), "n’existe pas", "L’un de"),
    (("restore", "/nowhere", "new", "--key-file", "/nowhere"), "ne peut pas être lu", "Vérifiez son nom"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "error", "mend"), REFUSED, ids=[" ".join(r[0][:2]) for r in REFUSED])
def test_a_refusal_and_its_mend_are_french(words: tuple[str, ...], error: str, mend: str) -> None:
    done = pli(*words)
    assert done.code in (1, 2)
    first, second = done.err.splitlines()
    assert first.startswith("erreur : ")
    assert error in first
    assert second.startswith("  remède : ")
    assert mend in second


def test_the_older_commands_are_french(home: Installation, tmp_path: Path) -> None:
    assert "aucun problème" in pli("problems").out
    assert "Aucun patient" in pli("patient", "list").out
    pli("patient", "add", "P-1", "--name", "Léa")
    assert "Personne n’est encore prévenu. Ensuite : pli invite P-1" in pli("patient", "show", "P-1").out
    recipient = pli("invite", "P-1", "--json").json()["recipient"]
    added = pli("agenda", "add", "P-1", "--at", "2031-12-03T14:30")
    assert added.out.startswith("ajouté : a-")
    shown = pli("patient", "show", "P-1").out
    for words in ("a un code", "mercredi 3 décembre 2031", "prévu", "saisi à la main"):
        assert words in shown
    assert "True" not in shown
    gone = pli("agenda", "cancel", added.out.split()[-1]).out
    assert "Aucun message ne peut prévenir le patient" in gone
    assert "personne n’est inscrit" in gone
    assert pli("invite", "revoke", recipient).out == "1 code fermé\n"
    assert pli("invite", "revoke", recipient).out == "0 code fermé\n"
    keys = pli("keys", "list").out
    assert "0 jour" in keys
    assert "scelle qui sont les patients" in keys
    status = pli("status").out
    assert "ne tourne pas : pli run" in status
    assert "0 inscrit," in status
    bad = tmp_path / "a.csv"
    bad.write_text("patient;date;time\nP-1;13/13/2026;10:00\n")
    told = pli("agenda", "import", str(bad)).out + pli("agenda", "import", ics(tmp_path, "u-1")).out
    assert "Importé." in told
    doctor = pli("doctor").out
    assert "bien fichiers et droits : " in doctor
    assert "MAL  serveur : ne répond pas" in doctor
    assert "remède : lancez-le (pli homeserver run)" in doctor
    assert home


@pytest.mark.usefixtures("home")
def test_english_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLI_PRACTICE__LANGUAGE", "en")
    done = pli("patient", "show", "P-9")
    assert done.err == "error: no patient with this reference\n  mend: see: pli patient list\n"
    assert "not running: start it with pli run" in pli("status").out
    assert pli("help", "nothing").err.endswith("  mend: see: pli help\n")


def test_hints_name_what_is_typed_there(home: Installation) -> None:
    """On the command line its commands, in the room the room's words."""
    room = Room(home)
    assert "pli patient add REF" in pli("patient", "list").out
    assert "patient ajouter REF" in room.text("patients")
    assert "pli invite P-1, puis pli agenda import" in pli("patient", "add", "P-1").out
    assert "inviter P-2" in room.text("patient ajouter P-2")
    assert re.search(r"pli cancel a-\w{16}", pli("add", "P-1", "1er/12/2028", "9h").out)
    assert re.search(r": annuler a-\w{16}", room.text("ajouter P-2 2/12/2028 9h"))
    assert "pli resume" in pli("pause").out
    assert "pli" not in room.text("suspendre")
    assert "pli resume" in pli("today").out
    assert "Pour reprendre : reprendre" in room.text("aujourd’hui")
    assert "pli " not in room.text("inviter P-9")


def test_the_room_answers_in_the_members_language(home: Installation) -> None:
    room = Room(home)
    with home.uow() as uow:
        (member,) = (m for m in uow.staff.all() if m.id == SECRETARY)
        uow.staff.save(replace(member, language=Language.EN))
        uow.commit()
    assert "Add one: patient add REF" in room.text("patients")
    assert room.text("patient remove P-9 yes").startswith("Not done: no patient with this reference")
    assert "I do not know this" in room.text("sing")
