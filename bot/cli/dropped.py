"""What a dropped file is answered with, and ``apply`` and ``drop`` behind it. Staff room only.

An agenda, or a text with one absence a line. On the command line files are named instead: ``pli agenda import``,
``pli absent --file``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Annotated

import typer

from bot.agenda import AgendaBytes
from bot.app import Installation
from bot.cli.acts import MAX_LIST_BYTES, absence_reply, cancel_absences, read_absences
from bot.cli.agenda import import_file
from bot.cli.import_words import import_reply
from bot.cli.reply import Line, Reply
from bot.cli.seat import Seat, seat, touches, words
from bot.cli.staffroom import named
from bot.domain.appointment import ImportCounts
from bot.domain.human_dates import running_days
from bot.domain.staff import Member, StaffFile
from bot.domain.values import DateRange
from bot.errors import Refused, Unclear, WrongUse
from bot.services.hold_agenda import HoldAgenda, Outcome
from bot.services.import_batch import ImportOptions


def register(app: typer.Typer) -> None:
    app.command("apply", hidden=True)(apply)
    app.command("drop", hidden=True)(drop)


class _Take:
    """See :class:`bot.services.hold_agenda.TakeFile`."""

    def __init__(self, home: Installation) -> None:
        self._home = home

    def __call__(self, file: StaffFile, *, dry_run: bool, accept: int, within: DateRange | None) -> Outcome:
        home, now = self._home, self._home.clock.now()
        if _is_list(file, home):
            return cancel_absences(home, read_absences(file.data, home, now), now, dry_run=dry_run)
        agenda = AgendaBytes(data=file.data, suffix=PurePath(file.name).suffix)
        return import_file(home, agenda, ImportOptions(dry_run=dry_run, accept=accept, within=within))


def _is_list(file: StaffFile, home: Installation) -> bool:
    """A short text whose first line is an absence; a table's first line is not."""
    if PurePath(file.name).suffix.casefold() != ".txt" or len(file.data) > MAX_LIST_BYTES:
        return False
    first = next((line for line in file.data.splitlines() if line.strip(b"\xef\xbb\xbf \t")), b"")
    try:
        return bool(read_absences(first, home, home.clock.now()))
    except (WrongUse, Unclear):
        return False


def take_file(file: StaffFile) -> Reply:
    """Look at what a member dropped. Raises :class:`PliError`."""
    here, member = _in_room("apply")
    home = here.home
    held = here.memory.of(HoldAgenda)
    outcome = held.look(
        member.id, file, _Take(home), most=home.settings.agenda.max_bytes, now=home.clock.now()
    )
    reply = outcome_reply(outcome, home, looked=True)
    how = Line(text=words(home)("apply.how"), bold=True)
    return Reply(parts=(*reply.parts, how), data=reply.data, private=True, partly=reply.partly)


def _in_room(name: str) -> tuple[Seat, Member]:
    """Raises :class:`WrongUse` on the command line, :class:`Refused` for another role's member."""
    here = seat()
    if here.member is None:
        raise WrongUse(
            "files are dropped in the staff room", mend="on the command line: pli agenda import FILE"
        )
    command = named(name)
    if command is None or not command.allows(here.member):
        raise Refused("your role takes no files", mend="see: help")
    return here, here.member


def apply(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[N | DAYS]",
            help="So many may be cancelled, as a second member approves; or the days for which the export is complete.",
        ),
    ] = None,
) -> Reply:
    """In the staff room: carry out the file that was dropped last and looked at.

    With days it is looked at again: what is known on these days and absent from the file would be cancelled.

    Example: pli apply, or: pli apply 1/12-31/12 (typed in the room without "pli")
    """
    here, member = _in_room("apply")
    home, held = here.home, here.memory.of(HoldAgenda)
    now = home.clock.now()
    held.held(member.id, now=now)  # first: nobody approves what is not there
    typed = " ".join(what or ())
    if typed and not (typed.isascii() and typed.isdigit()):
        return _look_within(home, member, held, typed, now)
    accept = int(typed[:9] or 0)
    if accept:
        touches(accept)
    return outcome_reply(held.apply(member.id, _Take(home), accept=accept, now=now), home, looked=False)


def _look_within(home: Installation, member: Member, held: HoldAgenda, typed: str, now: datetime) -> Reply:
    """Raises :class:`Unclear`, :class:`Refused`."""
    say, days = words(home), running_days(typed, now=now, zone=home.settings.practice.zone)
    within = DateRange(first=days.first.isoformat(), last=days.last.isoformat())
    reply = outcome_reply(held.look_within(member.id, _Take(home), within, now=now), home, looked=True)
    told = Line(text=say("apply.within", first=say.day(days.first), last=say.day(days.last)), bold=True)
    how = Line(text=say("apply.how"), bold=True)
    return replace(reply, parts=(told, *reply.parts, how))


def drop() -> Reply:
    """In the staff room: forget the file that was dropped last.

    Example: pli drop (typed in the room without "pli")
    """
    here, member = _in_room("drop")
    gone = here.memory.of(HoldAgenda).drop(member.id)
    say = words(here.home)
    return Reply(parts=(Line(text=say("drop.done" if gone else "drop.none")),), data={"dropped": gone})


def outcome_reply(outcome: Outcome, home: Installation, *, looked: bool) -> Reply:
    if isinstance(outcome, ImportCounts):
        return import_reply(outcome, words(home), looked=looked)
    return absence_reply(outcome, home, looked=looked)
