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
from bot.cli.common import Json, installation, out, print_json, size_of, tongue
from bot.cli.problems import MEANING
from bot.domain.records import OutboxKind, OutboxState, ProblemKind
from bot.status import ANOTHER, NOT_RUNNING, READY, Status, look
from config.staff_words import StaffWords

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
    zone, words = home.settings.practice.zone, tongue()
    if json:
        print_json(as_data(look(home)))
        return
    if not watch:
        out.print(draw(look(home), zone, words))
        return
    with Live(draw(look(home), zone, words), console=out, auto_refresh=False, screen=out.is_terminal) as live:
        for seen in _again(home):
            live.update(draw(seen, zone, words), refresh=True)


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


def draw(seen: Status, zone: ZoneInfo, words: StaffWords) -> RenderableType:
    """The screen, for a terminal of eighty columns. Without colours its words say the same."""
    drawn = Table(show_header=False, box=box.ROUNDED, border_style=DIM, width=WIDTH)
    drawn.add_column(no_wrap=True, style=DIM, width=19)
    drawn.add_column(overflow="fold")
    for lines in (
        _bot(seen, zone, words),
        _nudges(seen, zone, words),
        _people(seen, words),
        _desk(seen, zone, words),
        _stores(seen, zone, words),
    ):
        for name, value in lines:
            drawn.add_row(name, value)
        drawn.add_section()
    return drawn


def _bot(seen: Status, zone: ZoneInfo, words: StaffWords) -> list[Line]:
    state = {
        NOT_RUNNING: Text(words.own("not running: start it with pli run"), BAD),
        ANOTHER: Text(
            words.own("another program or another bot has its port: set [health] port, or stop that one"), BAD
        ),
        READY: Text(words.own("ready"), GOOD),
    }.get(seen.bot, Text(words.own("runs, but is not ready"), BAD))
    lines = [(words.own("the bot"), state)]
    if seen.checks:
        server = str(seen.checks.get("homeserver", "unknown")).replace("_", " ")
        told = Text(words.own(server), GOOD if server == "connected" else BAD)
        lines.append((words.own("homeserver"), told))
        lines.append((words.own("Telegram"), _telegram(str(seen.checks.get("telegram", "off")), words)))
        for name, what in (
            (
                "own_account_clean",
                words.own("a device that the bot did not sign is on its account: see pli doctor"),
            ),
            ("storage", words.own("the database keeps it waiting, or refused")),
        ):
            if seen.checks.get(name) is not True:
                lines.append(("", Text(what, BAD)))
        if failing := seen.checks.get("failing_tasks"):
            what = words.counted(
                "{number} task failed and is tried again",
                "{number} tasks failed and are tried again",
                int(failing),
            )
            names = seen.checks.get("failing")
            which = f": {', '.join(map(str, names))}" if isinstance(names, list) and names else ""
            lines.append(("", Text(what + which, BAD)))
        if seen.checks.get("clock", "good") != "good":
            what = words.own(
                "this machine's clock is in doubt, no nudge leaves: pli nudges resume-clock if it is right"
            )
            lines.append(("", Text(what, BAD)))
        if seen.checks.get("dry"):
            what = words.own("a dry run: nudges are shown and do not leave")
            lines.append(("", Text(what, WARN)))
    if seen.paused_since:
        since = _when(datetime.fromisoformat(seen.paused_since), seen.at, zone, words)
        what = words.own("since {since}: no nudge leaves until pli resume", since=since)
        lines.append((words.own("paused"), Text(what, WARN)))
    lines.append((words.own("as of"), Text(seen.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z"))))
    return lines


def _telegram(state: str, words: StaffWords) -> Text:
    match state:
        case "off":
            return Text(words.own("off"), DIM)
        case "connected":
            return Text(words.own("connected"), GOOD)
        case "away":
            return Text(words.own("does not answer"), WARN)
        case "revoked":
            return Text(words.own("refuses the bot's token: put a new one into [telegram] token_file"), BAD)
    return Text(
        words.own("another program takes the bot's messages there: stop it, or make a new token"), BAD
    )


def _nudges(seen: Status, zone: ZoneInfo, words: StaffWords) -> list[Line]:
    figures = seen.figures
    told = words.own("{number} due and not left", number=figures.waiting)
    if figures.waiting and figures.oldest_waiting is not None:
        since = _when(figures.oldest_waiting, seen.at, zone, words)
        told = words("status.oldest", waiting=told, since=since)
    lines = [(words.own("waiting"), Text(told))]
    next_ones = words.own("next nudges")
    for number, (at, count) in enumerate(figures.slots):
        when = words("status.slot", number=f"{count:4}", when=_when(at, seen.at, zone, words))
        lines.append((next_ones if not number else "", Text(when)))
    if not figures.slots:
        lines.append((next_ones, Text(words.own("none"), DIM)))
    done = Text()
    for state in _SETTLED:
        number = figures.sum_outbox(OutboxKind.NUDGE.value, state.value)
        bad = state in (OutboxState.FAILED, OutboxState.UNKNOWN) and number
        what = words.count(f"status.{state.value}", number)
        done.append(", " if done else "").append(what, WARN if bad else "")
    lines.append((words.own("lately"), done))
    return lines


def _people(seen: Status, words: StaffWords) -> list[Line]:
    people = Text()
    for state in ("enrolled", "invited", "locked", "left"):
        count = seen.figures.recipients.get(state, 0)
        people.append(", " if people else "")
        style = WARN if count and state == "locked" else ""
        people.append(words.count(f"status.{state}", count), style)
    releases = words.own("{number} in the audit log", number=seen.figures.releases)
    return [(words.own("people"), people), (words.own("releases"), Text(releases))]


def _desk(seen: Status, zone: ZoneInfo, words: StaffWords) -> list[Line]:
    figures = seen.figures
    imported = Text(words.own("never"), WARN)
    if figures.last_import is not None:
        entries = words.counted(
            "{number} entry written", "{number} entries written", figures.last_import_count
        )
        imported = Text(f"{_when(figures.last_import, seen.at, zone, words)}, {entries}")
    answers = Text(words.own("none open"))
    if figures.open_answers:
        answers = Text(words.own("{number} open: pli answers", number=figures.open_answers), WARN)
    lines = [(words.own("last import"), imported), (words.own("answers"), answers)]
    problems, title = sorted(figures.problems.items()), words.own("problems")
    if not problems:
        lines.append((title, Text(words.own("none"), GOOD)))
    for number, (kind, count) in enumerate(problems):
        what = words.own(MEANING[ProblemKind(kind)]) if kind in set(ProblemKind) else kind
        lines.append((title if not number else "", Text(f"{count} × {what.split(':')[0].strip()}", WARN)))
    return lines


def _stores(seen: Status, zone: ZoneInfo, words: StaffWords) -> list[Line]:
    figures = seen.figures
    free = Text(words.own("unknown"), WARN)
    if seen.free_bytes is not None:
        size, little = size_of(seen.free_bytes), seen.free_bytes < LITTLE_ROOM
        told = words("status.little" if little else "status.free", size=size)
        free = Text(told, BAD if little else "")
    backup = Text(words.own("never: pli backup DIR"), WARN)
    if figures.last_backup is not None:
        when = _when(figures.last_backup, seen.at, zone, words)
        old = (seen.at - figures.last_backup).days >= OLD_BACKUP_DAYS
        backup = Text(words("status.make_one", when=when) if old else when, WARN if old else "")
    ages = Text()
    for name, days in seen.keys.items():
        age = words.own("is not there") if days is None else words("status.days", number=days)
        ages.append(", " if ages else "").append(f"{words.own(name)} {age}")
    return [
        (words.own("database"), Text(size_of(figures.database_bytes))),
        (words.own("disk"), free),
        (words.own("last backup"), backup),
        (words.own("keys' age"), ages),
    ]


def _when(moment: datetime, now: datetime, zone: ZoneInfo, words: StaffWords) -> str:
    """A local time, and how far it is: ``2026-03-01 18:00 (in 5 h)``."""
    minutes = round((moment - now).total_seconds() / 60)
    far = abs(minutes)
    unit, number = ("min", far) if far < 120 else ("h", far // 60) if far < 60 * 48 else ("d", far // 1440)
    span = f"{number} {words.own(unit)}"
    told = words("status.ahead", span=span) if minutes > 0 else words("status.ago", span=span)
    return f"{moment.astimezone(zone).strftime('%Y-%m-%d %H:%M')} ({told if far else words.own('now')})"
