"""``pli nudges preview``: what would go when, and why or why not."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from bot.cli.drawing import Plot, drawing
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.planning import Because
from bot.services.preview_nudges import (
    MOST_DAYS,
    Expected,
    InSlot,
    Missing,
    Preview,
    PreviewNudges,
    Reason,
    Rule,
)
from config.staff_words import StaffWords

if TYPE_CHECKING:
    from bot.domain.values import Language
    from bot.picture.scene import Scene

_MOVED = (Because.QUIET, Because.DAY_OFF, Because.CAP)  # by a rule that may be anybody's


@told
def preview(
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How many days.")] = 14,
    recipient: Annotated[
        str, typer.Option(help="One recipient, or a patient's reference: each reason, line by line.")
    ] = "",
    plot: Plot = None,
) -> Reply:
    """Show what would go when in the next days, by rule and channel, and why a nudge would not go. Sends nothing.

    Examples: pli nudges preview --days 28 --plot nudges.png; pli nudges preview --recipient P-1001
    """
    here = seat()
    home, say = here.home, words(here.home)
    zone = home.settings.practice.zone
    with drawing(plot) as draw:
        found = PreviewNudges(home.uow, home.settings.nudge_rules(), telegram=home.uses_telegram())(
            days=days, now=home.clock.now(), who=recipient.strip()
        )
        draw(lambda: _scene(found, zone, home.settings.practice.language))
    parts: list[Part] = [Line(text=say("pause.is_on"), bold=True)] if found.paused else []
    parts += _one_by_one(found, say, zone) if recipient else _calendar(found, say, zone)
    data = _data(found, one_by_one=bool(recipient)) | {"plot": str(plot) if plot else None}
    return Reply(parts=tuple(parts), data=data)


def _calendar(found: Preview, say: StaffWords, zone: ZoneInfo) -> list[Part]:
    names = ("slot", "nudges", "rules", "channels")
    columns = tuple(Column(heading=say(f"nudges.column.{name}")) for name in names)
    rows = tuple(_row(slot, say, zone) for slot in found.slots)
    until = say.moment(found.ends, zone)
    missing = tuple(
        (say(f"nudges.not.{why.value}"), str(number))
        for why, number in sorted(found.why_not.items(), key=lambda each: -each[1])
    )
    columns_of_missing = tuple(
        Column(heading=say(f"nudges.column.{name}"), named=name == "number") for name in ("why", "number")
    )
    return [
        Line(text=say("nudges.title", until=until), bold=True),
        Rows(columns=columns, rows=rows, empty=say("nudges.none")),
        Line(text=say("nudges.not_title", until=until), bold=True),
        Rows(columns=columns_of_missing, rows=missing, empty=say("nudges.all")),
        Line(text=say("nudges.note")),
    ]


def _row(slot: InSlot, say: StaffWords, zone: ZoneInfo) -> tuple[str, ...]:
    by_rule = sorted(slot.by_rule.items(), key=lambda each: (tuple(Rule).index(each[0][0]), each[0][1]))
    return (
        _when(slot.slot, say, zone),
        str(slot.nudges),
        ", ".join(f"{_rule(rule, name, say)} {number}" for (rule, name), number in by_rule),
        ", ".join(f"{say(f'nudges.channel.{c.value}')} {number}" for c, number in slot.by_channel.items()),
    )


def _one_by_one(found: Preview, say: StaffWords, zone: ZoneInfo) -> list[Part]:
    """In order of time what goes, then what does not."""
    names = ("slot", "appointment", "why")
    columns = tuple(Column(heading=say(f"nudges.column.{name}")) for name in names)
    rows = [
        (_when(nudge.slot, say, zone), reason.appointment or "", _reason(reason, nudge.slot, say, zone))
        for nudge in found.nudges
        for reason in nudge.reasons
    ]
    missing = [(say("nudges.no"), m.appointment, _why_not(m, say)) for m in found.missing]
    return [
        Line(text=say("nudges.title", until=say.moment(found.ends, zone)), bold=True),
        Rows(columns=columns, rows=(*rows, *missing), empty=say("nudges.none")),
    ]


def _when(moment: datetime, say: StaffWords, zone: ZoneInfo) -> str:
    return f"{say.weekday(moment, zone)} {say.moment(moment, zone)}"


def _rule(rule: Rule, name: str, say: StaffWords) -> str:
    if rule is Rule.LEAD:
        return say.count("nudges.rule.lead", int(name))
    return say(f"nudges.rule.{rule.value}", name=name)


def _reason(reason: Reason, slot: datetime, say: StaffWords, zone: ZoneInfo) -> str:
    """The rule, then what became of it where that is more than the rule says, and by whose rule."""
    name = str(reason.lead) if reason.rule is Rule.LEAD else reason.name
    parts = [_rule(reason.rule, name, say)]
    if reason.rule is Rule.KIND:
        parts.append(say.count("nudges.rule.lead", reason.lead))
    if reason.because is Because.LEAD and reason.ahead != reason.lead:
        parts.append(say.count("nudges.drawn", reason.ahead))
    if reason.because is not None:
        by_scope = f"nudges.because.{reason.because.value}.{reason.scope.value}"
        because = by_scope if say.has(by_scope) else f"nudges.because.{reason.because.value}"
        if say.has(because):
            parts.append(say(because, hour=say.hour(slot, zone)))
    return ", ".join(parts)


def _why_not(missing: Missing, say: StaffWords) -> str:
    why = say(f"nudges.not.{missing.why.value}")
    return why if missing.lead is None else f"{say.count('nudges.rule.lead', missing.lead)}: {why}"


def _data(found: Preview, *, one_by_one: bool) -> dict[str, object]:
    whole: dict[str, object] = {
        "from": found.begins.isoformat(),
        "until": found.ends.isoformat(),
        "paused": found.paused,
        "slots": [_slot(slot) for slot in found.slots],
        "not": {why.value: number for why, number in found.why_not.items()},
    }
    if one_by_one:
        whole["nudges"] = [_nudge(nudge) for nudge in found.nudges]
        whole["missing"] = [
            {"recipient": m.recipient, "appointment": m.appointment, "lead": m.lead, "why": m.why}
            for m in found.missing
        ]
    return whole


def _slot(slot: InSlot) -> dict[str, object]:
    """A lead time's name is its days: ``lead:2``; a kind's its own: ``kind:NAME``."""
    rules: Counter[str] = Counter()
    for (rule, name), number in slot.by_rule.items():
        rules[f"{rule.value}:{name}" if name else rule.value] += number
    return {
        "slot": slot.slot.isoformat(),
        "nudges": slot.nudges,
        "rules": dict(rules),
        "channels": {channel.value: number for channel, number in slot.by_channel.items()},
    }


def _nudge(nudge: Expected) -> dict[str, object]:
    return {
        "recipient": nudge.recipient,
        "slot": nudge.slot.isoformat(),
        "channel": nudge.channel,
        "reasons": [
            {
                "rule": r.rule,
                "kind": r.name,
                "appointment": r.appointment,
                "lead": r.lead if r.rule in (Rule.LEAD, Rule.KIND) else None,
                "days_ahead": r.ahead if r.because else None,
                "because": r.because,
                "scope": r.scope if r.because in _MOVED else None,
            }
            for r in nudge.reasons
        ],
    }


def _scene(found: Preview, zone: ZoneInfo, language: Language) -> Scene:
    from bot.picture.slots import draw_slots  # noqa: PLC0415 - the table alone needs nothing to draw with

    return draw_slots(found, zone, language)
