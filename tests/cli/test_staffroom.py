"""The table of the staff room's commands: who may do what, and that nothing else is to be had there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from bot.app import Installation
from bot.cli.main import app
from bot.cli.room_run import flags
from bot.cli.staffroom import COMMANDS, RoomCommand, allowed_to, fold
from bot.domain.staff import MemberId, Role
from bot.domain.values import Language
from bot.errors import WrongUse
from config.catalogue import load
from config.staff_words import NAME, StaffWords
from tests.cli.staff_room import ADMINISTRATOR, LINES, OF_ROLE, SECRETARY, Room, line_of, staff_audit

BOTH, ONLY_SECRETARIES = {Role.SECRETARY, Role.ADMINISTRATOR}, {Role.SECRETARY}

# The table, once more: a right that is given or taken away is seen here.
RIGHTS: Mapping[str, set[Role]] = {
    "help": BOTH,
    "patients": BOTH,
    "patient add": ONLY_SECRETARIES,
    "patient remove": ONLY_SECRETARIES,
    "invite": ONLY_SECRETARIES,
    "reset": ONLY_SECRETARIES,
    "relink": ONLY_SECRETARIES,
    "answers": ONLY_SECRETARIES,
    "answers done": ONLY_SECRETARIES,
    "stats": BOTH,
    "add": ONLY_SECRETARIES,
    "cancel": ONLY_SECRETARIES,
    "absent": ONLY_SECRETARIES,
    "today": ONLY_SECRETARIES,
    "unreached": ONLY_SECRETARIES,
    "preview": BOTH,
    "pause": BOTH,
    "resume": BOTH,
    "apply": ONLY_SECRETARIES,
    "drop": ONLY_SECRETARIES,
    "audit": BOTH,
    "audit verify": {Role.ADMINISTRATOR},
    "approve": BOTH,
}
NAMES = [command.name for command in COMMANDS]


@pytest.fixture
def room(home: Installation) -> Room:
    return Room(home)


def test_the_table_is_the_one_that_was_agreed() -> None:
    assert {command.name: set(command.roles) for command in COMMANDS} == RIGHTS
    assert set(LINES) == set(RIGHTS)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_rule_2_a_role_has_a_command_only_where_the_table_says_so(
    room: Room, command: RoomCommand, role: Role
) -> None:
    reply = room.say(line_of(command), OF_ROLE[role])
    refused = StaffWords(Language.FR)("order.role", role=StaffWords(Language.FR)(f"role.{role}"))
    allowed = role in RIGHTS[command.name]
    assert (reply.texts == (refused,)) is not allowed
    kind = "staff_act" if allowed else "staff_refused"
    assert staff_audit(room.home) == [(kind, OF_ROLE[role], command.name)]


def test_help_names_what_a_role_may_do_and_nothing_else(room: Room) -> None:
    for role, member in OF_ROLE.items():
        say = StaffWords(Language.FR)
        expected = [say(f"help.{c.key}") for c in COMMANDS if role in RIGHTS[c.name]]
        assert room.text("aide", member).splitlines() == [*expected, say("help.end")]
    assert "inviter P-1001" in room.text("aide inviter")
    assert "inviter P-1001" not in room.text("aide inviter", ADMINISTRATOR)


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_rule_1_each_stands_for_a_command_of_the_command_line_and_its_options(command: RoomCommand) -> None:
    found = typer.main.get_command(app)
    for word in command.path:
        found = found.commands[word]  # type: ignore[attr-defined]  # Typer's groups are not nameable here
    known = {name for p in found.params for name in (*p.opts, *p.secondary_opts)}
    assert set(command.options) <= known
    assert not {"--json", "--help", "--config"} & set(command.options)
    for parameter in found.params:  # no line of the room names a file of the import side
        path = "Path" in str(vars(parameter)["type_descriptor"].annotation)
        assert not path or not set(parameter.opts) & set(command.options), parameter.opts
        assert not path or parameter.opts[0].startswith("--"), "an argument is always to be had"
    assert flags(command) <= set(command.options)


def test_no_spelling_means_two_things() -> None:
    spellings = [fold(spelling) for command in COMMANDS for spelling in command.spellings]
    assert len(spellings) == len(set(spellings)) + 2, "patients and absent are alike in both languages"
    for command in COMMANDS:
        words = [fold(word) for also in command.options.values() for word in also]
        assert len(words) == len(set(words)), command.name


@pytest.mark.parametrize("language", list(Language))
def test_every_command_has_its_help(language: Language) -> None:
    say = StaffWords(language)
    for command in COMMANDS:
        line = say(f"help.{command.key}")
        assert fold(line).startswith(fold(command.typed(language))), line
        assert say(f"help.{command.key}.more")


def test_the_names_fit_the_audit_log() -> None:
    assert max(len(command.name) for command in COMMANDS) <= 24
    assert all(command.name.isascii() for command in COMMANDS)


def test_both_catalogues_have_the_same_texts_with_the_same_values() -> None:
    french, english = (load(language, NAME).texts for language in (Language.FR, Language.EN))
    # French has one more plural category, and texts of errors that are English as they are.
    symbolic = {k for k in french if " " not in k and not k.endswith("_many")}
    assert symbolic == {k for k in english if " " not in k}
    for identifier in symbolic:
        assert _values(french[identifier]) == _values(english[identifier]), identifier
    assert all(f"{k.removesuffix('_many')}_other" in french for k in french if k.endswith("_many"))


def _values(text: str) -> set[str]:
    return {part.split("}")[0] for part in text.split("{")[1:]}


@pytest.mark.parametrize(
    "line",
    [
        "patient show P-1",
        "init /tmp/x",
        "agenda import /etc/passwd",
        "answers « done » 1",
        "doctor",
        "desk",
        "run",
    ],
)
def test_rule_1_the_rest_of_the_command_line_is_not_to_be_had(room: Room, line: str) -> None:
    room.say("patient ajouter P-1")
    told = room.text(line)
    say = StaffWords(Language.FR)
    unknown = say("order.unknown").partition(".")[0]
    assert (
        told.startswith(unknown)
        or say.error(WrongUse("this takes no words of its own", mend="see: help")) == told
    )
    assert "P-1" not in told


def test_a_typo_is_answered_with_what_was_meant_as_far_as_the_role_goes(room: Room) -> None:
    assert "« inviter »" in room.text("inviterr P-1")
    assert "inviter" not in room.text("inviterr P-1", ADMINISTRATOR)
    assert [row[2] for row in staff_audit(room.home)] == ["unknown", "unknown"]


@pytest.mark.parametrize("member", [MemberId("m-nobody"), MemberId("")])
def test_nobody_else_is_obeyed(room: Room, member: MemberId) -> None:
    assert room.text("patients", member) == StaffWords(Language.FR)("order.no_member")


def test_whoever_was_removed_is_nobody(room: Room) -> None:
    with room.home.uow() as uow:
        uow.staff.remove(SECRETARY)
        uow.commit()
    assert room.text("patients") == StaffWords(Language.FR)("order.no_member")
    assert staff_audit(room.home) == [("staff_refused", SECRETARY, "patients")]


def test_rule_3_everything_but_help_and_numbers_is_private(room: Room) -> None:
    private = {command.name for command in allowed_to(None) if command.private}
    open_ones = {"help", "answers done", "preview", "drop", "stats", "audit verify"}
    assert private == set(RIGHTS) - open_ones
    assert room.say("patients").private
    assert room.say("patiens canary").private, "what was typed may be anything"
    assert not room.say("aide").private


def test_the_table_in_the_documentation_is_this_one() -> None:
    """Every command, in both languages, with the roles that have it."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| in the room | secretary | administrator |\n|---|---|---|\n")
    told: dict[str, set[Role]] = {}
    for row in table.split("\n\n")[0].splitlines():
        words, secretary, administrator = (cell.strip() for cell in row.strip("|").split("|"))
        roles = {
            role
            for role, cell in ((Role.SECRETARY, secretary), (Role.ADMINISTRATOR, administrator))
            if cell == "yes"
        }
        for word in re.findall(r"`([^`]+)`", words):
            told.setdefault(re.sub(r" (N|REF)$", "", word), set()).update(roles)
    assert told == {name: set(c.roles) for c in COMMANDS for name in (c.name, c.french)}
