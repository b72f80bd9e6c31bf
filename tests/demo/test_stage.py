"""The columns: three or four beside each other where there is room, one below the other where there is none."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bot.demo.stage import Stage
from bot.demo.words_en import ENGLISH
from bot.demo.words_fr import FRENCH

HEADS = ENGLISH.headings
CELLS = {"patient": "she reads", "practice": "they work", "outside": "bytes lie", "telegram": "it saw"}


def told(width: int, *, telegram: bool) -> list[str]:
    console = Console(record=True, width=width, file=io.StringIO())
    stage = Stage(console, HEADS)
    stage.scene("A scene", telegram=telegram)
    stage.row(**CELLS if telegram else {name: cell for name, cell in CELLS.items() if name != "telegram"})
    return console.export_text().splitlines()


@pytest.mark.parametrize("width", [100, 150, 200])
def test_four_stand_beside_each_other(width: int) -> None:
    lines = told(width, telegram=True)
    (row,) = [line for line in lines if "she reads" in line]
    assert [cell.strip() for cell in row.split("│")] == list(CELLS.values())
    assert max(map(len, lines)) <= min(width, 150)
    (head,) = [line for line in lines if HEADS.telegram in line]
    assert head.index(HEADS.telegram) == row.index(CELLS["telegram"])


@pytest.mark.parametrize("width", [40, 80, 99])
def test_in_a_narrow_window_each_stands_under_its_name(width: int) -> None:
    lines = [line.strip() for line in told(width, telegram=True)]
    assert lines[lines.index(HEADS.telegram) + 1] == CELLS["telegram"]
    assert not any("│" in line for line in lines)


@pytest.mark.parametrize("width", [84, 100])
def test_where_telegram_sees_nothing_it_has_no_column(width: int) -> None:
    lines = told(width, telegram=False)
    (row,) = [line for line in lines if "she reads" in line]
    assert [cell.strip() for cell in row.split("│")] == list(CELLS.values())[:3]
    assert not any(HEADS.telegram in line for line in lines)


def test_every_column_has_a_name_of_its_own() -> None:
    for words in (ENGLISH, FRENCH):
        head = words.headings
        assert len({head.patient, head.practice, head.outside, head.telegram}) == 4
