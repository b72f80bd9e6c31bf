"""``pli add``, ``cancel``, ``absent``: what the secretary does to appointments in one line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.app import Installation
from bot.cli.reply import Column, Line, Part, Remark, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.human_dates import split_days, take_day, take_moment
from bot.domain.one_line import read_line
from bot.domain.values import AppointmentId
from bot.errors import Unclear, WrongUse
from bot.services.add_appointment import AddAppointment
from bot.services.cancel_absence import Absence, CancelAbsence, Cancelled
from bot.services.cancel_one import CancelOne
from bot.services.judge_reach import Why
from config.staff_words import StaffWords

MAX_LIST_BYTES = 64 * 1024
MAX_ABSENCES = 200


def register(app: typer.Typer) -> None:
    app.command("add")(add)
    app.command("cancel")(cancel)
    app.command("absent")(absent)


@told
def add(
    ref: Annotated[str, typer.Argument(help="The agenda's patient reference.")],
    what: Annotated[
        list[str], typer.Argument(help="Day, hour, practitioner, @ place, a colon and what to mind.")
    ],
) -> Reply:
    """Enter one appointment in one line. The day comes before the month.

    Example: pli add P-1001 3/12 14h30 Dr Noël @ 2nd floor : fasting
    """
    here = seat()
    home, say = here.home, words(here.home)
    now, zone = home.clock.now(), home.settings.practice.zone
    line = read_line(" ".join(what), now=now, zone=zone)
    service = AddAppointment(home.uow, home.import_side().sealer, rules=home.settings.nudge_rules())
    appointment, detail, readers = service(
        ref.strip(),
        start=line.start,
        length=line.length,
        practitioner=line.practitioner,
        place=line.place,
        note=line.note,
        only=None,
        now=now,
    )
    told_ = home.words[home.settings.practice.language].one(detail, several_patients=False)
    minutes = int(line.length.total_seconds() // 60)
    understood = say("add.understood", ref=detail.patient, when=told_, minutes=minutes)
    parts: list[Part] = [Line(text=understood)]
    if line.note:
        parts.append(Line(text=say("add.note", note=line.note)))
    parts.append(Line(text=say("add.id", id=appointment)))
    if not readers:
        parts.append(Remark(text=say("add.nobody")))
    data = {
        "id": appointment,
        "start": line.start.astimezone(zone).isoformat(timespec="minutes"),
        "minutes": minutes,
        "with": line.practitioner,
        "where": line.place,
        "note": line.note,
        "readers": readers,
    }
    return Reply(parts=tuple(parts), data=data, private=True)


@told
def cancel(
    what: Annotated[
        list[str],
        typer.Argument(metavar="ID | REF DAY [HOUR]", help="As printed by add, or as the agenda says."),
    ],
) -> Reply:
    """Cancel one appointment. The patient is told at once if it is within 48 hours, else in the next slot.

    Example: pli cancel P-1001 3/12 14h30
    """
    here = seat()
    home, say = here.home, words(here.home)
    now = home.clock.now()
    service = CancelOne(home.uow, rules=home.settings.nudge_rules())
    if len(what) == 1:
        chosen = AppointmentId(what[0].strip())
        why = service.by_id(chosen, now=now)
    else:
        day, start = _day_and_hour(" ".join(what[1:]), home, now)
        sealer = home.import_side().sealer
        chosen, why = service.by_time(sealer, what[0].strip(), day, start, now=now)
    return cancelled_reply(chosen, why, say)


def cancelled_reply(chosen: AppointmentId, why: Why | None, say: StaffWords) -> Reply:
    """``why`` the patient has to be telephoned, if so: then nothing says that a message goes."""
    parts: list[Part] = [Line(text=say("cancel.done" if why is None else "cancel.untold"))]
    if why is not None:
        parts.append(Line(text=say("call.one", why=say(f"why.{why.value}")), bold=True))
    return Reply(parts=tuple(parts), data={"cancelled": chosen, "call": why}, private=True)


def _day_and_hour(text: str, home: Installation, now: datetime) -> tuple[date, datetime | None]:
    """The hour may be left out. Raises :class:`Unclear`."""
    zone = home.settings.practice.zone
    try:
        start, rest = take_moment(text, now=now, zone=zone)
        day = start.astimezone(zone).date()
    except Unclear as unclear:
        if unclear.place != "hour":
            raise
        day, rest = take_day(text, now=now, zone=zone)
        if not rest:
            return day, None
        raise
    if rest:
        raise Unclear("rest")
    return day, start


@told
def absent(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="NAME DAYS", help="As the agenda writes the name.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A text with one such line each.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show whom it concerns, write nothing.")] = False,
) -> Reply:
    """Cancel every appointment of a practitioner on some days, at once, and list whom to telephone.

    Example: pli absent Dr Noël 3/12-5/12; half a day: pli absent Dr Noël tomorrow morning
    """
    if bool(what) == (file is not None):
        raise WrongUse("either a name and days, or --file", mend="for example: absent Dr Noël 3/12-5/12")
    here = seat()
    home = here.home
    now = home.clock.now()
    if file is not None:
        absences = read_absences(_read(file), home, now)
    else:
        name, days = split_days(" ".join(what or ()), now=now, zone=home.settings.practice.zone)
        absences = [Absence(practitioner=name, days=days)]
    return absence_reply(cancel_absences(home, absences, now, dry_run=dry_run), home, looked=dry_run)


def cancel_absences(
    home: Installation, absences: Sequence[Absence], now: datetime, *, dry_run: bool
) -> Cancelled:
    service = CancelAbsence(home.uow, home.import_side().sealer, rules=home.settings.nudge_rules())
    return service(absences, now=now, dry_run=dry_run)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as handle:
            return handle.read(MAX_LIST_BYTES + 1)
    except OSError:
        raise WrongUse("the file cannot be read", mend="check the path and the permissions") from None


def read_absences(data: bytes, home: Installation, now: datetime) -> list[Absence]:
    """One line each, "absent" before it or not; the line that cannot be read is named. Raises :class:`WrongUse`."""
    if len(data) > MAX_LIST_BYTES:
        raise WrongUse("the list is too long", mend="at most 64 KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUse("the list is no text", mend="save it as UTF-8 text") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        plain = " ".join(line.split())
        if plain.casefold().startswith(("absent ", "absente ")):
            plain = plain.partition(" ")[2]
        if not plain:
            continue
        try:
            name, days = split_days(plain, now=now, zone=home.settings.practice.zone)
        except Unclear as unclear:
            raise WrongUse(f"line {number}: {unclear}", mend=unclear.mend) from None
        found.append(Absence(practitioner=name, days=days))
    if not 1 <= len(found) <= MAX_ABSENCES:
        raise WrongUse("the list has no line, or too many", mend="one line an absence: Dr Noël 3/12-5/12")
    return found


def absence_reply(found: Cancelled, home: Installation, *, looked: bool) -> Reply:
    """``looked``: nothing was written."""
    say = words(home)
    identifier = "absent.would" if looked else "absent.done"
    parts: list[Part] = [Line(text=say.count(identifier, len(found.cancelled)), bold=True)]
    calls = {(c.patient, c.day) for c in found.to_call}
    if told_ := [visit for visit in found.cancelled if visit not in calls]:
        listed = ", ".join(f"{ref} ({say.day(day)})" for ref, day in told_)
        parts.append(Line(text=say("absent.told", visits=listed)))
    if found.near:
        parts.append(Line(text=say("absent.near", names=", ".join(found.near)), bold=True))
    if found.others:
        parts.append(Line(text=say.count("absent.others", found.others)))
    if found.undecided:
        listed = ", ".join(f"{ref} ({say.day(day)})" for ref, day in found.undecided)
        parts.append(Line(text=say("absent.undecided", visits=listed), bold=True))
    if found.cancelled:
        parts.append(
            to_call([(c.patient, c.day, c.why) for c in found.to_call], say, empty=say("call.nobody"))
        )
    data = {
        "cancelled": [{"patient": ref, "day": day.isoformat()} for ref, day in found.cancelled],
        "call": [{"patient": c.patient, "day": c.day.isoformat(), "why": c.why} for c in found.to_call],
        "undecided": [{"patient": ref, "day": day.isoformat()} for ref, day in found.undecided],
        "others": found.others,
        "near": list(found.near),
        "dry_run": looked,
    }
    return Reply(parts=tuple(parts), data=data, private=True)


def to_call(visits: Sequence[tuple[str, date, Why]], say: StaffWords, *, empty: str) -> Rows:
    """The phone list."""
    return Rows(
        columns=tuple(Column(heading=say(f"call.column.{name}")) for name in ("patient", "day", "why")),
        rows=tuple((ref, say.day(day), say(f"why.{why.value}")) for ref, day, why in visits),
        empty=empty,
    )
