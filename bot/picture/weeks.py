"""The last weeks on one page: what was sent and opened above, answers and what did not go out below.

1. Only numbers that :mod:`bot.services.count_statistics` gives out decide how high a bar is; what is hidden has one
   height for all.
2. Bars that are compared stand on one scale, which begins at nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Final

from bot.domain.values import Language
from bot.picture.scene import HEIGHT, WIDTH, Anchor, Bar, Label, Scene, Shape
from bot.picture.words import StatisticsWords
from bot.picture.writing import width_of
from bot.services.count_statistics import SMALLEST, Hidden, Shown, Statistics, Week
from bot.services.tallies import WEEK, Counted

INK, SOFT, FAINT, LINE = "#1a1c21", "#565c66", "#e3e7eb", "#c3cad1"
# Told apart by lightness too: light and dark blue, and an orange that no colour blindness takes for either.
COLOURS: Final = {
    Counted.NUDGED: "#8fbcd9",
    Counted.OPENED: "#0d4566",
    Counted.CONFIRMED: "#0d4566",
    Counted.CANCELLED: "#0d4566",
    Counted.MOVE: "#0d4566",
    Counted.UNREACHED: "#c8520a",
}
ABOVE: Final = (Counted.NUDGED, Counted.OPENED)
BELOW: Final = (Counted.CONFIRMED, Counted.CANCELLED, Counted.MOVE, Counted.UNREACHED)

_EDGE: Final = 90.0
_LEAST_SCALE: Final = 20  # so that a small practice's bars do not fill the page
_FIT: Final = 6.0  # between two labels


@dataclass(frozen=True, kw_only=True, slots=True)
class _Panel:
    """Where its bars stand: ``base`` is the line, ``highest`` what reaches ``height`` above it."""

    x: float
    width: float
    base: float
    height: float
    highest: int

    def above(self, count: Shown) -> float:
        """Rule 1."""
        if count is Hidden.UNKNOWN:
            return 0.0
        shown = SMALLEST - 1 if isinstance(count, Hidden) else count
        return self.height * shown / self.highest


def draw_weeks(statistics: Statistics, language: Language) -> Scene:
    """One page in the practice's language."""
    words = StatisticsWords(language)
    title = words("picture.title")
    first, last = statistics.weeks[0], statistics.weeks[-1]
    period = words(
        "picture.period",
        begins=words.day(first.begins),
        ends=words.day(last.begins + WEEK - timedelta(days=1)),
    )
    shapes = chain(
        [
            Label(x=_EDGE, y=96, text=title, size=46, colour=INK, bold=True),
            Label(x=_EDGE, y=138, text=period, size=25, colour=SOFT),
        ],
        _large(statistics, words),
        _small(statistics, words),
        [
            Label(x=_EDGE, y=HEIGHT - 38, text=words("picture.note"), size=19, colour=SOFT),
        ],
    )
    return Scene(title=title, told=f"{period}. {words('picture.note')}", shapes=tuple(shapes))


def _large(statistics: Statistics, words: StatisticsWords) -> Iterator[Shape]:
    panel = _Panel(
        x=_EDGE, width=WIDTH - 2 * _EDGE, base=530, height=270, highest=_highest(statistics, ABOVE)
    )
    x = panel.x
    for what in ABOVE:
        yield Bar(x=x, y=190, width=22, height=22, colour=COLOURS[what])
        name = Label(x=x + 32, y=209, text=_named(what, words), size=24, colour=INK, bold=True)
        sums = _sum(statistics, what, words, x=name.x + width_of(name) + 12, y=209, size=22)
        yield name
        yield sums
        x = sums.x + width_of(sums) + 56
    yield from _bars(panel, [(what, statistics.of(what)) for what in ABOVE], size=20)
    yield from _not_counted(panel, statistics, words)
    yield from _axis(panel, statistics.weeks, words, size=18, every=True)


def _small(statistics: Statistics, words: StatisticsWords) -> Iterator[Shape]:
    gap = 56.0
    width = (WIDTH - 2 * _EDGE - gap * (len(BELOW) - 1)) / len(BELOW)
    highest = _highest(statistics, BELOW)
    for number, what in enumerate(BELOW):
        panel = _Panel(x=_EDGE + number * (width + gap), width=width, base=868, height=150, highest=highest)
        yield Label(x=panel.x, y=646, text=_named(what, words), size=24, colour=INK, bold=True)
        yield _sum(statistics, what, words, x=panel.x, y=675, size=20)
        yield from _bars(panel, [(what, statistics.of(what))], size=17)
        yield from _axis(panel, statistics.weeks, words, size=16, every=False)


def _bars(
    panel: _Panel, series: Sequence[tuple[Counted, Sequence[Shown]]], *, size: float
) -> Iterator[Shape]:
    """Beside one another, week by week, each with its number where there is room for it."""
    weeks = len(series[0][1])
    place = panel.width / weeks
    one = place * 0.76 / len(series)
    marks: list[Label] = []
    bars: list[Bar] = []
    for number, (what, counts) in enumerate(series):
        for week, count in enumerate(counts):
            x = panel.x + week * place + place * 0.12 + number * one
            high = panel.above(count)
            few = isinstance(count, Hidden)
            colour = FAINT if few else COLOURS[what]
            bars.append(Bar(x=x, y=panel.base - high, width=max(one - 2, 1), height=high, colour=colour))
            if count is not Hidden.UNKNOWN:
                text = f"<{SMALLEST}" if few else str(count)
                tone = SOFT if few else INK
                middle = x + (one - 2) / 2
                marks.append(
                    _label(middle, panel.base - high - 7, text, size * (0.8 if few else 1), tone, "middle")
                )
    yield from bars
    yield from _without_overlap(marks, bars)
    yield Bar(x=panel.x, y=panel.base, width=panel.width, height=2, colour=LINE)


def _not_counted(panel: _Panel, statistics: Statistics, words: StatisticsWords) -> Iterator[Label]:
    """Over the weeks of which nothing is known, where there is room to say so."""
    unknown = sum(count is Hidden.UNKNOWN for count in statistics.of(Counted.NUDGED))
    wide = panel.width / len(statistics.weeks) * unknown
    said = _label(panel.x + wide / 2, panel.base - 16, words("sum.unknown"), 19, SOFT, "middle")
    if width_of(said) <= wide:
        yield said


def _without_overlap(marks: Sequence[Label], bars: Sequence[Bar]) -> Iterator[Label]:
    """All where they fit beside one another; otherwise the numbers, the highest first, as long as there is room."""
    kept: list[Label] = []
    for mark in sorted(marks, key=lambda m: (m.text.startswith("<"), m.y)):
        if all(_apart(mark, other) for other in kept) and not any(_hides(mark, bar) for bar in bars):
            kept.append(mark)
    yield from sorted(kept, key=lambda m: m.x)


def _hides(mark: Label, bar: Bar) -> bool:
    """Whether ``mark`` would stand on a bar."""
    half = width_of(mark) / 2
    return bar.y < mark.y and bar.x < mark.x + half and bar.x + bar.width > mark.x - half


def _apart(one: Label, other: Label) -> bool:
    beside = abs(one.x - other.x) >= (width_of(one) + width_of(other)) / 2 + _FIT / 2
    return beside or abs(one.y - other.y) >= max(one.size, other.size)


def _axis(
    panel: _Panel, weeks: Sequence[Week], words: StatisticsWords, *, size: float, every: bool
) -> Iterator[Label]:
    """The weeks' first days: all that fit, or the first and the last."""
    place = panel.width / len(weeks)
    y = panel.base + size + 12
    texts = [words.short(week.begins) for week in weeks]
    if not every:
        yield _label(panel.x, y, texts[0], size, SOFT, "start")
        if len(weeks) > 1:
            yield _label(panel.x + panel.width, y, texts[-1], size, SOFT, "end")
        return
    wide = max(width_of(_label(0, 0, text, size, SOFT, "middle")) for text in texts) + 2 * _FIT
    step = int(-(-wide // place))
    for number in range(len(weeks) - 1, -1, -step):
        middle = panel.x + (number + 0.5) * place
        yield _label(middle, y, texts[number], size, SOFT, "middle")


def _highest(statistics: Statistics, kinds: Sequence[Counted]) -> int:
    """Rule 2."""
    shown = [count for what in kinds for count in statistics.of(what) if isinstance(count, int)]
    return max([*shown, _LEAST_SCALE])


def _sum(
    statistics: Statistics, what: Counted, words: StatisticsWords, *, x: float, y: float, size: float
) -> Label:
    counts = statistics.of(what)
    least = statistics.at_least(what)
    if all(count is Hidden.UNKNOWN for count in counts):
        text = words("sum.unknown")
    elif least == 0:
        text = words("sum.few")
    elif any(isinstance(count, Hidden) for count in counts):
        text = words("sum.at_least", number=words.number(least))
    else:
        text = words.number(least)
    return _label(x, y, text, size, SOFT, "start")


def _label(x: float, y: float, text: str, size: float, colour: str, anchor: Anchor) -> Label:
    return Label(x=x, y=y, text=text, size=size, colour=colour, anchor=anchor)


def _named(what: Counted, words: StatisticsWords) -> str:
    return words(f"counted.{what}")
