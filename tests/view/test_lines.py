"""P1 and failure 17: what can be logged is a closed list of constants with allow-listed fields."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bot
from bot.logs import ALLOWED
from tests.view.lines import calls, calls_in, why_not

LINE = {
    "at": "2026-01-01T00:00:00.000+00:00",
    "level": "WARNING",
    "logger": "pli.deliver",
    "event": "send postponed",
    "kind": "nudge",
    "attempts": 1,
}


def test_every_message_is_a_constant_and_every_field_is_on_the_list() -> None:
    assert len(calls()) > 25
    assert [
        call.where for call in calls() if call.message is None or not call.logger.startswith("pli.")
    ] == []
    assert [call.where for call in calls() if call.fields is None or not call.fields <= ALLOWED] == []


def test_no_call_of_a_logger_is_overlooked() -> None:
    """Whoever logs through another name would be: nobody has another name for a logger, nor calls ``logging.info``."""
    for file in sorted(Path(bot.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Assign)
                and "getLogger" in ast.unparse(node.value)
                and file.name != "logs.py"
            ):
                names = [ast.unparse(target) for target in node.targets]
                assert names in (["log"], ["_log"]) or file.name == "guard.py", file


def test_a_call_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        'log = logging.getLogger("pli.some")\nlog.info(f"to {name}")\nlog.error("plain", extra=found)\n'
        'log.warning("plain", extra={"kind": 1})\nlog.warning(message)\n'
    )
    found = [(call.message, call.fields) for call in calls_in(file)]
    assert found == [
        (None, frozenset()),
        ("plain", None),
        ("plain", frozenset({"kind"})),
        (None, frozenset()),
    ]


def test_a_line_of_the_list_passes() -> None:
    assert why_not(LINE) == ""
    assert why_not({**LINE, "logger": "pli.matrix.sync", "event": "health: backing_off"}) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"event": "send postponed to Anna"},
        {"event": "sent"},
        {"logger": "nio.crypto"},
        {"logger": "pli.matrix.sync", "event": "health: @anna:example.org"},
        {"text": "hello"},
        {"kind": "two words"},
        {"kind": "482915x"},
        {"attempts": ["a"]},
        {"at": "today"},
        {"level": "DEBUG"},
    ],
)
def test_any_other_line_is_told(change: dict[str, object]) -> None:
    assert why_not({**LINE, **change}) != ""
