"""What a command loads: itself and nothing of the others. The table of commands against the commands themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import typer

import bot.cli
from bot.app import Installation
from bot.cli.main import app
from bot.cli.ondemand import COMMANDS

# Each of them takes longer to load than a small command takes to run.
HEAVY = frozenset({"nio", "aiohttp", "alembic", "icalendar", "recurring_ical_events", "reportlab", "PIL"})
PRACTICE = frozenset({"bot.app", "config.settings", "sqlalchemy", "babel", "cryptography"})
PROGRAM = """
import json, sys
from bot.cli.main import main
for line in json.loads(sys.argv[2]):
    code = main(line)
    print(json.dumps([code, sorted(set(json.loads(sys.argv[1])) & set(sys.modules))]), file=sys.stderr)
"""


def loaded(unwanted: frozenset[str], *lines: tuple[str, ...]) -> dict[tuple[str, ...], list[object]]:
    """Each line in its turn, in one process: exit code, and which of the unwanted had been loaded when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(sorted(unwanted)), json.dumps(lines)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    return dict(zip(lines, told, strict=True))


def test_what_opens_no_practice_loads_nothing_for_one() -> None:
    lines = (("--help",), ("--version",), ("vault", "--help"), ("vault", "run", "--help"))
    found = loaded(HEAVY | PRACTICE, *lines)
    assert found == {line: [0, []] for line in lines}


def test_small_commands_load_only_what_they_need(home: Installation) -> None:
    assert home
    lines = (
        ("patient", "add", "P-1"),
        ("patient", "list"),
        ("agenda", "add", "P-1", "--at", "2031-05-05T10:00"),
        ("invite", "P-1"),
        *(((name,)) for name in ("answers", "today", "unreached", "problems", "status", "stats", "purge")),
    )
    assert loaded(HEAVY, *lines) == {line: [0, []] for line in lines}


def test_what_is_unwanted_is_seen_where_it_is_loaded() -> None:
    assert loaded(HEAVY, ("run", "--help")) == {("run", "--help"): [0, ["aiohttp", "nio"]]}


def test_every_command_stands_in_the_table_with_its_own_words() -> None:
    folder = Path(bot.cli.__file__).parent
    modules = [
        f.stem for f in folder.glob("*.py") if "\ndef register(app: typer.Typer)" in f.read_text("utf-8")
    ]
    told = {}
    for module in modules:
        alone = typer.Typer()
        import_module(f"bot.cli.{module}").register(alone)
        for name, command in typer.main.get_group(alone).commands.items():
            words = (command.short_help or command.help or "").split("\n\n", 1)[0]
            told[name] = (module, words, command.hidden)
    assert {name: (c.module, c.help, c.hidden) for name, c in COMMANDS.items()} == told


def test_the_whole_is_as_the_table_says() -> None:
    whole = typer.main.get_command(app)
    commands = whole.commands  # type: ignore[attr-defined]  # Typer's groups are not nameable here
    assert list(commands) == list(COMMANDS)
    assert {name: command.name for name, command in commands.items()} == {name: name for name in COMMANDS}
