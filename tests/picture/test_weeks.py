"""The picture for the wall, as PDFium's neighbour Pillow draws it and as an SVG says it."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bot.domain.values import Language
from bot.picture.scene import HEIGHT, WIDTH, Bar, Label, Scene
from bot.picture.weeks import COLOURS, draw_weeks
from bot.picture.words import NAME
from bot.picture.writing import png, svg, width_of
from bot.services.count_statistics import MOST_WEEKS, SMALLEST, Hidden, Shown, Statistics, Week
from bot.services.tallies import WEEK, Counted
from config.catalogue import load

PICTURES = Path(__file__).parent / "pictures"
FIRST = date(2026, 8, 31)


def statistics(columns: dict[Counted, list[Shown]]) -> Statistics:
    number = len(next(iter(columns.values())))
    return Statistics(
        weeks=tuple(
            Week(begins=FIRST + n * WEEK, counts={what: columns[what][n] for what in Counted})
            for n in range(number)
        )
    )


FEW = Hidden.FEW
PRACTICE = statistics(
    {
        Counted.NUDGED: [Hidden.UNKNOWN, Hidden.UNKNOWN, 104, 119, 119, 115, 141, 135, 142, 131, 157, 161],
        Counted.OPENED: [Hidden.UNKNOWN, Hidden.UNKNOWN, 80, 98, 103, 95, 125, 113, 107, 92, 120, 133],
        Counted.CONFIRMED: [Hidden.UNKNOWN, Hidden.UNKNOWN, 43, 40, 52, 43, 60, 46, 52, 51, 70, 54],
        Counted.CANCELLED: [Hidden.UNKNOWN, Hidden.UNKNOWN, 10, 5, 11, FEW, 10, 12, 6, 6, 6, 8],
        Counted.MOVE: [Hidden.UNKNOWN, Hidden.UNKNOWN, FEW, FEW, 5, 6, 5, FEW, 5, 7, 7, 12],
        Counted.UNREACHED: [Hidden.UNKNOWN, Hidden.UNKNOWN, FEW, FEW, 7, FEW, FEW, FEW, FEW, FEW, FEW, FEW],
    }
)
_SHOWN = st.one_of(st.integers(SMALLEST, 9999), st.just(FEW))
_ROWS = st.lists(st.lists(_SHOWN, min_size=6, max_size=6), max_size=MOST_WEEKS - 4)


@pytest.mark.parametrize("language", list(Language))
def test_it_looks_as_it_looked(language: Language) -> None:
    """Every tile of 20 × 20 pixels is as light as in the picture that somebody looked at."""
    with Image.open(io.BytesIO(png(draw_weeks(PRACTICE, language)))) as drawn:
        assert drawn.size == (2 * WIDTH, 2 * HEIGHT)
        now = drawn.convert("L").resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX)
    with Image.open(PICTURES / f"weeks-{language}.png") as stored:
        difference = ImageChops.difference(now, stored.convert("L"))
    highest = difference.resize((80, 50), Image.Resampling.BOX).getextrema()[1]
    assert isinstance(highest, int)
    assert highest <= 16


def test_the_comparison_sees_the_other_language() -> None:
    """Otherwise the test above could not fail."""
    with Image.open(PICTURES / "weeks-fr.png") as one, Image.open(PICTURES / "weeks-en.png") as other:
        difference = ImageChops.difference(one.convert("L"), other.convert("L"))
    highest = difference.resize((80, 50), Image.Resampling.BOX).getextrema()[1]
    assert isinstance(highest, int)
    assert highest > 16


def test_the_same_counts_are_the_same_bytes() -> None:
    for write in (png, svg):
        assert write(draw_weeks(PRACTICE, Language.FR)) == write(draw_weeks(PRACTICE, Language.FR))


def test_an_svg_needs_nothing_from_elsewhere() -> None:
    root = ET.fromstring(svg(draw_weeks(PRACTICE, Language.EN)))  # noqa: S314 - our own, made a line above
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = svg(draw_weeks(PRACTICE, Language.EN)).decode()
    links = re.findall(r"(?:href|url\(|src)[^;)]{0,20}", text)
    assert links
    assert all("data:font/ttf" in link for link in links), links
    assert "<script" not in text


@settings(max_examples=60, deadline=None)
@given(_ROWS, st.integers(1, 4))
def test_nothing_leaves_the_page_and_no_number_stands_on_another(
    rows: list[list[Shown]], unknown: int
) -> None:
    unknowns: list[list[Shown]] = [[Hidden.UNKNOWN] * 6] * unknown
    found = Statistics(
        weeks=tuple(
            Week(begins=FIRST + n * WEEK, counts=dict(zip(Counted, row, strict=True)))
            for n, row in enumerate([*unknowns, *rows])
        )
    )
    scene = draw_weeks(found, Language.FR)
    boxes = []
    for shape in scene.shapes:
        match shape:
            case Bar():
                assert shape.x >= 0
                assert shape.y >= 0
                assert shape.x + shape.width <= WIDTH
                assert shape.y + shape.height <= HEIGHT
                assert shape.height >= 0
            case Label():
                boxes.append(_box(shape))
    for box in boxes:
        assert box[0] >= 20
        assert box[2] <= WIDTH - 20
        assert box[1] >= 20
        assert box[3] <= HEIGHT
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            wide = min(one[2], other[2]) - max(one[0], other[0])
            high = min(one[3], other[3]) - max(one[1], other[1])
            assert wide <= 1 or high <= 1, (one, other)


def _box(label: Label) -> tuple[float, float, float, float]:
    width = width_of(label)
    left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return left, label.y - label.size * 0.72, left + width, label.y + label.size * 0.05


def test_rule_1_what_is_hidden_has_one_height() -> None:
    scene = draw_weeks(PRACTICE, Language.FR)
    stubs = {
        round(s.height, 3) for s in scene.shapes if isinstance(s, Bar) and s.colour == "#e3e7eb" and s.height
    }
    assert len(stubs) == 1


def test_rule_2_bars_begin_at_nothing_and_are_in_proportion() -> None:
    scene = draw_weeks(PRACTICE, Language.FR)
    bars = [s for s in scene.shapes if isinstance(s, Bar) and s.colour == COLOURS[Counted.NUDGED]][1:]
    counts = [c for c in PRACTICE.of(Counted.NUDGED) if isinstance(c, int)]
    assert [round(b.height / max(b.height for b in bars) * max(counts)) for b in bars if b.height] == counts


def test_its_colours_are_told_apart_without_colour() -> None:
    """Bars that stand beside one another differ in lightness."""

    def light(colour: str) -> float:
        red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    assert light(COLOURS[Counted.NUDGED]) - light(COLOURS[Counted.OPENED]) > 90


def test_both_languages_have_the_same_texts() -> None:
    french, english = (load(language, NAME).texts for language in (Language.FR, Language.EN))
    assert french.keys() == english.keys()


def test_a_scene_tells_the_same_in_words() -> None:
    scene: Scene = draw_weeks(PRACTICE, Language.EN)
    assert "22 November 2026" in scene.told
    assert "<desc>" in svg(scene).decode()
