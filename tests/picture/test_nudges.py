"""The calendar of slots, and bits against nudges: they fit the page, and say what is to be said."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bot.domain.choices import Level
from bot.domain.values import Language, RecipientId
from bot.picture.leak import draw_leak
from bot.picture.scene import HEIGHT, WIDTH, Bar, Label, Scene
from bot.picture.slots import COLOURS, draw_slots
from bot.picture.writing import png, svg
from bot.services.measure_leak import Leak, Point
from bot.services.preview_nudges import Channel, Expected, Preview, Reason, Rule
from tests.picture.test_weeks import PICTURES, _box

PARIS = ZoneInfo("Europe/Paris")
BEGIN = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


def preview(
    days: int, hours: tuple[int, ...], numbers: list[tuple[int, int, int]], *, paused: bool = False
) -> Preview:
    """In each slot so many nudges with a reason, news, decoys; slots in local hours, over and over."""
    nudges = []
    for number in range(days * len(hours)):
        slot = (BEGIN + timedelta(days=1 + number // len(hours))).replace(hour=hours[number % len(hours)])
        counts = numbers[number % len(numbers)]
        for rule, count in zip((Rule.LEAD, Rule.NEWS, Rule.DECOY), counts, strict=True):
            nudges += [
                Expected(
                    recipient=RecipientId("r"),
                    slot=slot,
                    channel=Channel.MATRIX,
                    reasons=(Reason(rule=rule, lead=1),),
                )
            ] * count
    return Preview(begins=BEGIN, ends=BEGIN + timedelta(days=days), paused=paused, nudges=tuple(nudges))


PRACTICE = preview(20, (10, 16), [(12, 1, 30), (30, 0, 41), (3, 4, 22), (18, 0, 35), (25, 2, 40)])


def point(
    level: Level, bits: float, nudges: float, share: float | None = None, *, own: bool = False
) -> Point:
    return Point(
        level=level, share=share, bits=bits, day=0.3, half_day=0.2, place=0.1, nudges=nudges, own=own
    )


LEAK = Leak(
    known=10.9,
    visits=1.0,
    stored=True,
    points=(
        point(Level.PLAIN, 5.9, 1.0),
        point(Level.DISCREET, 4.7, 1.0, own=True),
        point(Level.PRIVATE, 2.57, 2.5, 0.05),
        point(Level.PRIVATE, 1.75, 3.9, 0.1),
        point(Level.PRIVATE, 1.01, 6.9, 0.2),
        point(Level.PRIVATE, 0.64, 9.8, 0.3),
        point(Level.PRIVATE, 0.26, 15.7, 0.5),
        point(Level.PRIVATE, 0.06, 24.5, 0.8),
        point(Level.CONSTANT, 0.0, 30.4),
    ),
)


def scenes(language: Language) -> dict[str, Scene]:
    return {"slots": draw_slots(PRACTICE, PARIS, language), "leak": draw_leak(LEAK, language)}


def small(scene: Scene) -> Image.Image:
    with Image.open(io.BytesIO(png(scene))) as drawn:
        return drawn.convert("L").resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", ["slots", "leak"])
def test_they_look_as_they_looked(name: str, language: Language) -> None:
    """As for the weeks; and the other language is not taken for this one."""
    drawn = small(scenes(language)[name])
    (other,) = set(Language) - {language}
    found: list[int] = []
    for stored in (language, other):
        with Image.open(PICTURES / f"{name}-{stored}.png") as kept:
            difference = ImageChops.difference(drawn, kept.convert("L"))
        highest = difference.resize((80, 50), Image.Resampling.BOX).getextrema()[1]
        assert isinstance(highest, int)
        found.append(highest)
    assert found[0] <= 16 < found[1]


_COUNTS = st.tuples(st.integers(0, 2_000), st.integers(0, 40), st.integers(0, 2_000))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 62),
    st.lists(st.integers(6, 17), min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(_COUNTS, min_size=1, max_size=3),
    st.booleans(),
)
def test_any_calendar_fits_the_page(
    days: int, hours: list[int], numbers: list[tuple[int, int, int]], paused: bool
) -> None:
    few = [(min(a, 30), min(b, 30), min(c, 30)) for a, b, c in numbers]
    scene = draw_slots(
        preview(days, tuple(hours), few, paused=paused),
        PARIS,
        Language.FR,
    )
    fits(scene)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            point,
            st.sampled_from(Level),
            st.floats(0, 10.9),
            st.floats(0, 80),
            st.one_of(st.none(), st.sampled_from([0.05, 0.1, 0.3, 1.0])),
            own=st.booleans(),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_any_points_fit_the_page(points: list[Point]) -> None:
    fits(draw_leak(Leak(known=10.9, visits=1.0, stored=False, points=tuple(points)), Language.EN))


def fits(scene: Scene) -> None:
    boxes = []
    for shape in scene.shapes:
        match shape:
            case Bar():
                assert 0 <= shape.x <= shape.x + shape.width <= WIDTH
                assert 0 <= shape.y <= shape.y + shape.height <= HEIGHT
            case Label():
                boxes.append(_box(shape))
    for box in boxes:
        assert box[0] >= 15
        assert box[2] <= WIDTH - 10
        assert box[3] <= HEIGHT
    for one, other in combinations(boxes, 2):
        wide = min(one[2], other[2]) - max(one[0], other[0])
        high = min(one[3], other[3]) - max(one[1], other[1])
        assert wide <= 1 or high <= 1, (one, other)


def test_bars_are_in_proportion_and_told_apart_without_colour() -> None:
    scene = draw_slots(preview(3, (16,), [(10, 0, 0), (40, 5, 20), (0, 0, 65)]), PARIS, Language.FR)
    widths = {
        group: [
            round(s.width, 2)
            for s in scene.shapes
            if isinstance(s, Bar) and s.colour == colour and s.height < 19
        ]
        for group, colour in COLOURS.items()
    }
    most = widths["decoy"][-1]
    assert widths["reason"] == [pytest.approx(most * n / 65, abs=0.02) for n in (10, 40, 0)]
    assert widths["news"] == [pytest.approx(most * n / 65, abs=0.02) for n in (0, 5, 0)]
    assert widths["decoy"] == [pytest.approx(most * n / 65, abs=0.02) for n in (0, 20, 65)]
    lights = sorted(
        sum(w * int(c[n : n + 2], 16) for w, n in ((0.299, 1), (0.587, 3), (0.114, 5)))
        for c in COLOURS.values()
    )
    assert min(b - a for a, b in pairwise(lights)) > 35


def test_a_pause_is_said_and_nothing_is_hidden() -> None:
    for language in Language:
        text = svg(draw_slots(preview(2, (16,), [(1, 0, 0)], paused=True), PARIS, language)).decode()
        assert ("suspendus" if language is Language.FR else "paused") in text
        assert ("leurres" if language is Language.FR else "Decoys teach") in svg(
            draw_leak(LEAK, language)
        ).decode()
    crowded = draw_slots(preview(60, (7, 8, 9, 10, 11, 12, 13, 14), [(1, 0, 0)]), PARIS, Language.EN)
    assert any(isinstance(s, Label) and s.text.startswith("+ ") for s in crowded.shapes)
