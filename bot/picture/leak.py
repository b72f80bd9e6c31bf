"""Bits against nudges a patient and month: a point for each level, and for each share of decoys.

1. The upright scale ends at what there is to be known, so that a low point is low.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bot.domain.choices import Level
from bot.domain.values import Language
from bot.picture.scene import HEIGHT, WIDTH, Bar, Label, Scene, Shape
from bot.picture.weeks import FAINT, INK, LINE, SOFT
from bot.picture.words import StatisticsWords
from bot.picture.writing import width_of
from bot.services.measure_leak import Leak, Point

OWN: Final = "#c8520a"
COLOURS: Final = {
    Level.PLAIN: "#6b7280",
    Level.DISCREET: "#4a90b8",
    Level.PRIVATE: "#0d4566",
    Level.CONSTANT: "#1a1c21",
}
_LEFT, _RIGHT, _TOP, _BASE = 130.0, WIDTH - 210.0, 200.0, HEIGHT - 150.0
_STEPS: Final = (1, 2, 5, 10, 20, 50, 100, 200)
_DOT: Final = 18.0


def draw_leak(leak: Leak, language: Language) -> Scene:
    """One page in the practice's language."""
    words = StatisticsWords(language)
    title = words("leak.title")
    period = words("leak.period", known=words.decimal(leak.known))
    most = max([1.0, *(point.nudges for point in leak.points)]) * 1.05
    shapes: list[Shape] = [
        Label(x=80, y=84, text=title, size=44, colour=INK, bold=True),
        Label(x=80, y=124, text=period, size=25, colour=SOFT),
        *_frame(leak, most, words),
        *_points(leak, most, words),
        Label(x=80, y=HEIGHT - 32, text=words("leak.note"), size=19, colour=SOFT),
    ]
    told = "; ".join(f"{_name(p, words)}: {words.decimal(p.bits)}" for p in leak.points)
    return Scene(title=title, told=f"{period}. {told}. {words('leak.note')}", shapes=tuple(shapes))


def _frame(leak: Leak, most: float, words: StatisticsWords) -> Iterator[Shape]:
    yield Label(x=_LEFT - 16, y=_TOP - 22, text=words("leak.up"), size=20, colour=SOFT, anchor="end")
    for bits in range(0, int(leak.known) + 1, 2):
        y = _up(bits, leak.known)
        yield Bar(
            x=_LEFT,
            y=y,
            width=_RIGHT - _LEFT,
            height=2 if bits == 0 else 1,
            colour=LINE if bits == 0 else FAINT,
        )
        yield Label(x=_LEFT - 16, y=y + 7, text=str(bits), size=20, colour=SOFT, anchor="end")
    step = next((s for s in _STEPS if s * 8 >= most), _STEPS[-1])
    for nudges in range(0, int(most) + 1, step):
        x = _across(nudges, most)
        yield Bar(x=x, y=_BASE, width=1, height=10, colour=LINE)
        yield Label(x=x, y=_BASE + 34, text=words.number(nudges), size=20, colour=SOFT, anchor="middle")
    across = words("leak.across")
    yield Label(x=(_LEFT + _RIGHT) / 2, y=_BASE + 70, text=across, size=22, colour=SOFT, anchor="middle")


def _points(leak: Leak, most: float, words: StatisticsWords) -> Iterator[Shape]:
    """The practice's own first, so that its name keeps its place; names that would touch give way upwards."""
    placed: list[Label] = []
    least = min((p.share for p in leak.points if p.share is not None), default=None)
    for point in sorted(leak.points, key=lambda p: (not p.own, p.level.strictness, p.share or 0)):
        x, y = _across(point.nudges, most), _up(point.bits, leak.known)
        size = _DOT * (1.3 if point.own else 1)
        colour = OWN if point.own else COLOURS[point.level]
        yield Bar(x=x - size / 2, y=y - size / 2, width=size, height=size, colour=colour)
        name = _name(point, words)
        if point.share not in (None, least) and not point.own:
            name = words.share(point.share or 0)  # the colour says which level
        text = words("leak.own", name=name) if point.own else name
        label = _free(
            Label(x=x + 18, y=y - 14, text=text, size=20, colour=OWN if point.own else INK, bold=point.own),
            placed,
        )
        placed.append(label)
        yield label


def _free(label: Label, placed: Sequence[Label]) -> Label:
    """Beside its point, or above what stands there already."""
    y = label.y
    while any(_touch(label, y, other) for other in placed):
        y -= 6
    return Label(x=label.x, y=y, text=label.text, size=label.size, colour=label.colour, bold=label.bold)


def _touch(label: Label, y: float, other: Label) -> bool:
    beside = label.x >= other.x + width_of(other) + 8 or other.x >= label.x + width_of(label) + 8
    return not beside and abs(y - other.y) < label.size + 4


def _name(point: Point, words: StatisticsWords) -> str:
    return point.level.value if point.share is None else f"{point.level.value} {words.share(point.share)}"


def _across(nudges: float, most: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * nudges / most


def _up(bits: float, known: float) -> float:
    return _BASE - (_BASE - _TOP) * bits / known
