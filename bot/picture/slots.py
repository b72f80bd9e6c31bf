"""The days to come as a calendar, Monday to Sunday: in each day its slots, with how many nudges would go in each.

1. All bars stand on one scale, which begins at nothing; what has a reason, news and decoys are told apart by lightness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.values import Language
from bot.picture.scene import HEIGHT, WIDTH, Bar, Label, Scene, Shape
from bot.picture.weeks import FAINT, INK, LINE, SOFT
from bot.picture.words import StatisticsWords
from bot.services.preview_nudges import InSlot, Preview, Rule

GROUPS: Final = ("reason", "news", "decoy")
COLOURS: Final = {"reason": "#0d4566", "news": "#c8520a", "decoy": "#a9cbe0"}
_GROUP: Final = {Rule.NEWS: "news", Rule.DECOY: "decoy"}
_EDGE: Final = 60.0
_TOP: Final = 232.0
_BOTTOM: Final = HEIGHT - 70.0
_WEEK: Final = 7
_LEAST_SCALE: Final = 10  # so that a single nudge does not fill a day
_HIGHEST_ROW: Final = 220.0


def groups_of(slot: InSlot) -> Mapping[str, int]:
    """How many nudges of each group."""
    found = dict.fromkeys(GROUPS, 0)
    for (rule, _), number in slot.by_rule.items():
        found[_GROUP.get(rule, "reason")] += number
    return found


def draw_slots(preview: Preview, zone: ZoneInfo, language: Language) -> Scene:
    """One page in the practice's language."""
    words = StatisticsWords(language)
    first, last = preview.begins.astimezone(zone).date(), preview.ends.astimezone(zone).date()
    period = words("slots.period", begins=words.day(first), ends=words.day(last))
    note = words("slots.paused" if preview.paused else "slots.note")
    by_day: dict[date, list[InSlot]] = {}
    for slot in preview.slots:
        by_day.setdefault(slot.slot.astimezone(zone).date(), []).append(slot)
    title = words("slots.title")
    shapes: list[Shape] = [
        Label(x=_EDGE, y=80, text=title, size=44, colour=INK, bold=True),
        Label(x=_EDGE, y=120, text=period, size=25, colour=SOFT),
        *_legend(preview, words),
        *_grid(first, last, by_day, zone, words),
        Label(x=_EDGE, y=HEIGHT - 28, text=note, size=19, colour=SOFT, bold=preview.paused),
    ]
    return Scene(title=title, told=f"{period}. {note}", shapes=tuple(shapes))


def _legend(preview: Preview, words: StatisticsWords) -> Iterator[Shape]:
    for number, group in enumerate(GROUPS):
        total = sum(groups_of(slot)[group] for slot in preview.slots)
        x = _EDGE + number * 420
        yield Bar(x=x, y=148, width=20, height=20, colour=COLOURS[group])
        yield Label(
            x=x + 30,
            y=166,
            text=words(f"slots.{group}", number=words.number(total)),
            size=22,
            colour=INK,
        )


def _grid(
    first: date, last: date, by_day: Mapping[date, Sequence[InSlot]], zone: ZoneInfo, words: StatisticsWords
) -> Iterator[Shape]:
    monday = first - timedelta(days=first.weekday())
    weeks = (last - monday).days // _WEEK + 1
    wide = (WIDTH - 2 * _EDGE) / _WEEK
    high = min((_BOTTOM - _TOP) / weeks, _HIGHEST_ROW)
    highest = max([_LEAST_SCALE, *(slot.nudges for many in by_day.values() for slot in many)])
    for column in range(_WEEK):
        name = words.weekday(monday + timedelta(days=column))
        yield Label(x=_EDGE + column * wide + 8, y=_TOP - 14, text=name, size=20, colour=SOFT, bold=True)
    for number in range(weeks * _WEEK):
        day = monday + timedelta(days=number)
        x, y = _EDGE + number % _WEEK * wide, _TOP + number // _WEEK * high
        if not first <= day <= last:
            continue
        yield Bar(x=x + 3, y=y + 3, width=wide - 6, height=high - 6, colour="#f6f8f9")
        yield Bar(x=x + 3, y=y + 3, width=wide - 6, height=2, colour=LINE)
        yield Label(x=x + 10, y=y + 22, text=words.short(day), size=15, colour=SOFT)
        yield from _day(by_day.get(day, ()), x + 10, y + 26, wide - 20, high - 34, highest, zone, words)


def _day(
    slots: Sequence[InSlot],
    x: float,
    y: float,
    wide: float,
    high: float,
    highest: int,
    zone: ZoneInfo,
    words: StatisticsWords,
) -> Iterator[Shape]:
    """A line a slot: its hour, a bar, its number. What has no room is counted."""
    room = max(int(high // 24), 1)
    if len(slots) * 24 <= high:
        shown, line = slots, min(40.0, high / max(len(slots), 1))
    else:
        shown, line = slots[: max(room - 1, 0)], high / room
    size = min(21.0, line * 0.62)
    for number, slot in enumerate(shown):
        base = y + number * line + line * 0.72
        yield Label(x=x, y=base, text=words.hour(slot.slot, zone), size=size, colour=INK)
        left, most = x + size * 3.3, wide - size * 6.1
        yield Bar(x=left, y=base - size * 0.8, width=most, height=size * 0.9, colour=FAINT)
        for group, count in groups_of(slot).items():
            part = most * count / highest
            yield Bar(x=left, y=base - size * 0.8, width=part, height=size * 0.9, colour=COLOURS[group])
            left += part
        yield Label(
            x=x + wide,
            y=base,
            text=words.number(slot.nudges),
            size=size,
            colour=INK,
            bold=True,
            anchor="end",
        )
    if len(shown) < len(slots):
        more = words("slots.more", number=str(len(slots) - len(shown)))
        yield Label(x=x, y=y + len(shown) * line + line * 0.72, text=more, size=size, colour=SOFT)
