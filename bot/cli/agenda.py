"""``pli agenda``: agendas in, by file, by folder, by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bot.agenda import AgendaBytes, read_agenda
from bot.agenda.watch import WatchFolder
from bot.app import Installation
from bot.cli.acts import cancelled_reply
from bot.cli.common import PARTLY, REFUSED, Json, caution, err, installation, print_json, put, say, tongue
from bot.cli.import_words import counts_as_json, import_reply
from bot.cli.reply import plain, print_reply
from bot.cli.seat import words
from bot.domain.appointment import ImportCounts
from bot.domain.human_dates import read_moment
from bot.domain.values import AppointmentId, DateRange, RecipientId
from bot.errors import PliError, StorageError, WrongUse
from bot.services.add_appointment import AddAppointment
from bot.services.cancel_one import CancelOne
from bot.services.import_agenda import ImportAgenda
from bot.services.import_batch import Entry, ImportOptions
from bot.services.refused_files import NoteRefusedFile

group = typer.Typer(no_args_is_help=True, help="Agendas in: a file, a folder, one appointment.")
Format = Literal["ics", "csv"]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="agenda")


def import_file(
    home: Installation,
    file: Path | AgendaBytes,
    options: ImportOptions,
    *,
    kind: Format | None = None,
    profile: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportCounts:
    """One agenda file through the import side. Raises :class:`PliError`."""
    now = home.clock.now()
    zone = home.settings.practice.zone

    def read() -> Iterator[Entry]:
        return read_agenda(
            file, home.settings.agenda, zone=zone, now=now, format=kind, profile=profile, progress=progress
        )

    service = ImportAgenda(
        home.uow,
        home.import_side().sealer,
        rules=home.settings.nudge_rules(),
        now=now,
        options=replace(options, expanded_until=now + timedelta(days=home.settings.agenda.horizon_days)),
    )
    return service(read)


@group.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An .ics or .csv file.")],
    format: Annotated[str, typer.Option(help="ics or csv; else by the file's name and content.")] = "",  # noqa: A002 - the option's name
    profile: Annotated[str, typer.Option(help="A [agenda.csv.NAME] of pli.toml.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen, write nothing.")
    ] = False,
    first: Annotated[str, typer.Option("--from", help="With --to: absence between these days cancels.")] = "",
    last: Annotated[str, typer.Option("--to", help="YYYY-MM-DD, included.")] = "",
    accept_cancellations: Annotated[
        int, typer.Option(help="Go on although this many would be cancelled.", min=0)
    ] = 0,
    json: Json = False,
) -> None:
    """Import an agenda. May be repeated; what is unchanged stays unchanged.

    Example: pli agenda import agenda.ics --dry-run
    """
    if bool(first) != bool(last):
        raise WrongUse("--from and --to go together", mend="give both, or none")
    if format not in ("", "ics", "csv"):
        raise WrongUse("--format is ics or csv")
    kind: Format | None = "ics" if format == "ics" else "csv" if format == "csv" else None
    options = ImportOptions(
        within=_range(first, last) if first else None, accept=accept_cancellations, dry_run=dry_run
    )
    home = installation()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        counts = import_file(
            home,
            file,
            options,
            kind=kind,
            profile=profile or None,
            progress=lambda done, size: bar.update(task, completed=done, total=size),
        )
    print_reply(import_reply(counts, words(home), looked=dry_run, first=None), json=json)
    if counts.refused:
        raise typer.Exit(PARTLY)


def _range(first: str, last: str) -> DateRange:
    found = DateRange(first=first, last=last)
    try:
        span = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    except ValueError:
        raise WrongUse("no such day", mend="write days as YYYY-MM-DD") from None
    if span > timedelta(days=1100):
        raise WrongUse("the range is longer than three years", mend="choose a shorter one")
    return found


@group.command("watch")
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in which exports appear.")],
    profile: Annotated[str, typer.Option(help="A [agenda.csv.NAME] of pli.toml.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Import what is there now and stop.")] = False,
) -> None:
    """Import each file that appears in a folder; move it to done/ or refused/ with a report beside it.

    Example: pli agenda watch exports
    """
    home = installation()
    good, refused = 0, 0

    def take(file: Path) -> ImportCounts:
        return import_file(home, file, ImportOptions(), profile=profile or None)

    words = tongue()

    def done(name: str, told: ImportCounts | PliError) -> None:
        nonlocal good, refused
        refused += isinstance(told, PliError) or bool(told.refused)
        good += not isinstance(told, PliError)
        if isinstance(told, StorageError):
            caution(words.own("{why}; the file stays where it is, and is tried again", why=words.of(told)))
        elif isinstance(told, PliError):
            caution(words.own("refused: {name}; its report beside it says why", name=plain(name)))
            NoteRefusedFile(home.uow)(name, home.clock.now())
        else:
            put(
                words.own(
                    "imported: {new} new, {changed} changed, {refused} refused",
                    new=told.new,
                    changed=told.changed + told.moved,
                    refused=len(told.refused),
                )
            )

    def why(error: PliError) -> dict[str, object]:
        return {"why": words.of(error), "mend": words.finished(error.mend)}

    watcher = WatchFolder(folder, take, report=counts_as_json, told=done, refusal=why)
    if once:
        watcher.round(settled=True)
        if refused:
            raise typer.Exit(PARTLY if good else REFUSED)
    else:
        say("watching; stop with Ctrl-C")
        watcher.run()


@group.command("add")
def add(
    ref: Annotated[str, typer.Argument(help="The agenda's patient reference.")],
    at: Annotated[
        str, typer.Option(help="2026-12-03T14:30, or 3/12 14h30, tomorrow at 9; in the practice's zone.")
    ],
    with_: Annotated[str, typer.Option("--with", help="Practitioner.")] = "",
    where: Annotated[str, typer.Option(help="Place.")] = "",
    note: Annotated[str, typer.Option(help="Instructions for the patient.")] = "",
    minutes: Annotated[int, typer.Option(help="Duration.", min=1, max=1440)] = 30,
    only: Annotated[str, typer.Option(help="Tell this recipient alone.")] = "",
    json: Json = False,
) -> None:
    """Enter one appointment by hand.

    Example: pli agenda add P-1001 --at 2026-12-03T14:30 --with "Dr Martin" --where "2nd floor"
    """
    home = installation()
    now, zone = home.clock.now(), home.settings.practice.zone
    service = AddAppointment(home.uow, home.import_side().sealer, rules=home.settings.nudge_rules())
    added, _, _ = service(
        ref.strip(),
        start=read_moment(at, now=now, zone=zone),
        length=timedelta(minutes=minutes),
        practitioner=with_[:200],
        place=where[:200],
        note=note[:600],
        only=RecipientId(only) if only else None,
        now=now,
    )
    if json:
        print_json({"id": added})
    else:
        say(f"added: {added}")


@group.command("cancel")
def cancel(
    appointment: Annotated[
        str, typer.Argument(metavar="ID", help="As printed by add, or by pli patient show.")
    ],
    json: Json = False,
) -> None:
    """Cancel one appointment. Patients are told at once if it is within 48 hours, else in the next slot; if nobody can
    be told, that is said.

    Example: pli agenda cancel a-abcd…
    """
    home = installation()
    chosen = AppointmentId(appointment.strip())
    why = CancelOne(home.uow, rules=home.settings.nudge_rules()).by_id(chosen, now=home.clock.now())
    if json:
        print_json({"cancelled": chosen, "call": why})
        return
    print_reply(cancelled_reply(chosen, why, words(home)), json=False)
