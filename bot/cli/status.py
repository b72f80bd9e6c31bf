"""``pli status``: one screen that says whether all is well, and what waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich import box
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.app import Installation
from bot.cli.common import Json, installation, out, print_json, size_of
from bot.cli.problems import MEANING
from bot.domain.records import OutboxKind, OutboxState, ProblemKind
from bot.status import NOT_RUNNING, Status, look

LITTLE_ROOM = 1_000_000_000
OLD_BACKUP_DAYS = 8
SECONDS = 2.0
WIDTH = 78
GOOD, WARN, BAD, DIM = "green", "yellow", "bold red", "dim"
_SETTLED = (OutboxState.SENT, OutboxState.DROPPED, OutboxState.FAILED, OutboxState.UNKNOWN)

Line = tuple[str, Text]


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and look again every two seconds.")] = False,
    json: Json = False,
) -> None:
    """Show the bot, the queue, the next nudges, the last import, what is locked or open, and the disk: counts only.

    Example: pli status --watch
    """
    home = installation()
    zone = home.settings.practice.zone
    if json:
        print_json(as_data(look(home)))
        return
    if not watch:
        out.print(draw(look(home), zone))
        return
    with Live(draw(look(home), zone), console=out, auto_refresh=False, screen=out.is_terminal) as live:
        for seen in _again(home):
            live.update(draw(seen, zone), refresh=True)


def _again(home: Installation) -> Iterator[Status]:
    while True:
        time.sleep(SECONDS)
        yield look(home)


def as_data(seen: Status) -> dict[str, Any]:
    """For programs: times in UTC."""
    figures = seen.figures
    return {
        "at": seen.at,
        "bot": seen.bot,
        "checks": dict(seen.checks),
        "paused_since": seen.paused_since or None,
        "waiting": figures.waiting,
        "oldest_waiting": figures.oldest_waiting,
        "outbox": {f"{kind}.{state}": n for (kind, state), n in sorted(figures.outbox.items())},
        "next_slots": [{"at": at, "nudges": n} for at, n in figures.slots],
        "recipients": dict(figures.recipients),
        "problems": dict(figures.problems),
        "open_answers": figures.open_answers,
        "releases": figures.releases,
        "last_import": figures.last_import,
        "last_import_count": figures.last_import_count,
        "last_backup": figures.last_backup,
        "database_bytes": figures.database_bytes,
        "free_bytes": seen.free_bytes,
        "key_days": dict(seen.keys),
    }


def draw(seen: Status, zone: ZoneInfo) -> RenderableType:
    """The screen, for a terminal of eighty columns. Without colours its words say the same."""
    drawn = Table(show_header=False, box=box.ROUNDED, border_style=DIM, width=WIDTH)
    drawn.add_column(no_wrap=True, style=DIM, width=13)
    drawn.add_column(overflow="fold")
    for lines in (
        _bot(seen, zone),
        _nudges(seen, zone),
        _people(seen),
        _desk(seen, zone),
        _stores(seen, zone),
    ):
        for name, value in lines:
            drawn.add_row(name, value)
        drawn.add_section()
    return drawn


def _bot(seen: Status, zone: ZoneInfo) -> list[Line]:
    if seen.bot == NOT_RUNNING:
        state = Text("not running: start it with pli run", BAD)
    elif seen.bot == "ready":
        state = Text("ready", GOOD)
    else:
        state = Text("runs, but is not ready", BAD)
    lines = [("the bot", state)]
    if seen.checks:
        server = str(seen.checks.get("homeserver", "unknown")).replace("_", " ")
        lines.append(("homeserver", Text(server, GOOD if server == "connected" else BAD)))
        for name, words in (
            ("own_account_clean", "a device that the bot did not sign is on its account: see pli doctor"),
            ("storage", "the database keeps it waiting, or refused"),
        ):
            if seen.checks.get(name) is not True:
                lines.append(("", Text(words, BAD)))
        if failing := seen.checks.get("failing_tasks"):
            names = seen.checks.get("failing")
            which = f": {', '.join(map(str, names))}" if isinstance(names, list) and names else ""
            lines.append(("", Text(f"{failing} task(s) failed and are tried again{which}", BAD)))
        if seen.checks.get("clock", "good") != "good":
            text = "this machine's clock is in doubt, no nudge leaves: pli nudges resume-clock if it is right"
            lines.append(("", Text(text, BAD)))
        if seen.checks.get("dry"):
            lines.append(("", Text("a dry run: nudges are shown and do not leave", WARN)))
    if seen.paused_since:
        since = _when(datetime.fromisoformat(seen.paused_since), seen.at, zone)
        lines.append(("paused", Text(f"since {since}: no nudge leaves until pli resume", WARN)))
    lines.append(("as of", Text(seen.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z"))))
    return lines


def _nudges(seen: Status, zone: ZoneInfo) -> list[Line]:
    figures = seen.figures
    waiting = Text(f"{figures.waiting} due and not left")
    if figures.waiting and figures.oldest_waiting is not None:
        waiting.append(f", the oldest since {_when(figures.oldest_waiting, seen.at, zone)}")
    lines = [("waiting", waiting)]
    for number, (at, count) in enumerate(figures.slots):
        lines.append(("next nudges" if not number else "", Text(f"{count:4} on {_when(at, seen.at, zone)}")))
    if not figures.slots:
        lines.append(("next nudges", Text("none", DIM)))
    done = Text()
    for state in _SETTLED:
        number = figures.sum_outbox(OutboxKind.NUDGE.value, state.value)
        bad = state in (OutboxState.FAILED, OutboxState.UNKNOWN) and number
        done.append(", " if done else "").append(f"{number} {state.value}", WARN if bad else "")
    lines.append(("lately", done))
    return lines


def _people(seen: Status) -> list[Line]:
    count = seen.figures.recipients
    people = Text(f"{count.get('enrolled', 0)} enrolled, {count.get('invited', 0)} invited, ")
    locked = count.get("locked", 0)
    people.append(f"{locked} locked", WARN if locked else "").append(f", {count.get('left', 0)} left")
    return [("people", people), ("releases", Text(f"{seen.figures.releases} in the audit log"))]


def _desk(seen: Status, zone: ZoneInfo) -> list[Line]:
    figures = seen.figures
    imported = Text("never", WARN)
    if figures.last_import is not None:
        imported = Text(
            f"{_when(figures.last_import, seen.at, zone)}, {figures.last_import_count} entries written"
        )
    answers = Text("none open")
    if figures.open_answers:
        answers = Text(f"{figures.open_answers} open: pli answers", WARN)
    lines = [("last import", imported), ("answers", answers)]
    problems = sorted(figures.problems.items())
    if not problems:
        lines.append(("problems", Text("none", GOOD)))
    for number, (kind, count) in enumerate(problems):
        words = MEANING[ProblemKind(kind)] if kind in set(ProblemKind) else kind
        lines.append(("problems" if not number else "", Text(f"{count} × {words.split(':')[0]}", WARN)))
    return lines


def _stores(seen: Status, zone: ZoneInfo) -> list[Line]:
    figures = seen.figures
    free = Text("unknown", WARN)
    if seen.free_bytes is not None:
        little = seen.free_bytes < LITTLE_ROOM
        free = Text(
            f"{size_of(seen.free_bytes)} free{': make room' if little else ''}", BAD if little else ""
        )
    backup = Text("never: pli backup DIR", WARN)
    if figures.last_backup is not None:
        old = (seen.at - figures.last_backup).days >= OLD_BACKUP_DAYS
        backup = Text(
            _when(figures.last_backup, seen.at, zone) + (": make one" if old else ""), WARN if old else ""
        )
    ages = Text()
    for name, days in seen.keys.items():
        ages.append(", " if ages else "").append(f"{name} {'is not there' if days is None else f'{days} d'}")
    return [
        ("database", Text(size_of(figures.database_bytes))),
        ("disk", free),
        ("last backup", backup),
        ("keys' age", ages),
    ]


def _when(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A local time, and how far it is: ``2026-03-01 18:00 (in 5 h)``."""
    minutes = round((moment - now).total_seconds() / 60)
    far = abs(minutes)
    words = f"{far} min" if far < 120 else f"{far // 60} h" if far < 60 * 48 else f"{far // 1440} d"
    told = "now" if not far else f"in {words}" if minutes > 0 else f"{words} ago"
    return f"{moment.astimezone(zone).strftime('%Y-%m-%d %H:%M')} ({told})"
