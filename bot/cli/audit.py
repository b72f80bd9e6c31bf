"""``pli audit``: verify the log, read it, keep its head elsewhere and compare it later.

The staff room has the first two: administrators all of it, secretaries what concerns one patient.
"""

from __future__ import annotations

import json as jsons
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.app import Installation
from bot.cli.common import Json, installation, print_json, say
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.human_dates import read_since
from bot.domain.records import AuditEntry, AuditKind
from bot.domain.staff import Role
from bot.domain.values import RecipientId
from bot.errors import Refused, StorageError, WrongUse
from bot.services.read_audit import ReadAudit
from config.staff_words import StaffWords
from storage.audit_rows import AuditHead, VerifiedLog, compare_head, head_of, verified

group = typer.Typer(no_args_is_help=True, help="The log of releases and of the staff's acts.")
FORMAT = "pli-audit-head-1"
COUNTED = frozenset(
    {
        AuditKind.RELEASED,
        AuditKind.ANSWERS_READ,
        AuditKind.PROBLEMS_CLEARED,
        AuditKind.IMPORTED,
        AuditKind.PURGED,
    }
)
IN_ROOM = 40  # rows at once: a telephone shows no more


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="audit")


@group.command("verify")
@told
def verify() -> Reply:
    """Verify the whole log against the vault's anchor; a row that was changed, removed or moved is named.

    Example: pli audit verify
    """
    home = seat().home
    say, log = words(home), _verified(home)
    parts = [Line(text=say.count("audit.verified", len(log.rows)))]
    if log.rows:
        first, last = (_when(datetime.fromisoformat(log.rows[n].fields[0]), home) for n in (0, -1))
        parts.append(Line(text=say("audit.span", first=first, last=last)))
    if log.checkpoint.number:
        parts.append(Line(text=say("audit.purged", number=log.checkpoint.number)))
    data = {"rows": len(log.rows), "length": log.length, "purged": log.checkpoint.number}
    return Reply(parts=tuple(parts), data=data)


def _verified(home: Installation) -> VerifiedLog:
    return verified(home.engine, home.audit_chain, home.vault)


def _when(at: datetime, home: Installation) -> str:
    return at.astimezone(home.settings.practice.zone).strftime("%Y-%m-%d %H:%M:%S")


@group.command("show")
@told
def show(
    ref: Annotated[str, typer.Argument(help="Only what concerns this patient's recipients.")] = "",
    since: Annotated[str, typer.Option(help="3/12, yesterday, 2026-12-03: from then on.")] = "",
    until: Annotated[str, typer.Option(help="3/12, yesterday, 2026-12-03: before then.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be given again.")] = None,
    recipient: Annotated[str, typer.Option(metavar="ID", help="What concerns one recipient.")] = "",
    patient: Annotated[str, typer.Option(metavar="REF", help="The same as REF.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 100,
) -> Reply:
    """Show what was done, oldest first. A reset does not hide what was before it.

    Example: pli audit show P-1001 --since 2026-12-01
    """
    here = seat()
    home, say, reference = here.home, words(here.home), ref or patient
    if here.member is not None and here.member.role is not Role.ADMINISTRATOR and not reference:
        raise Refused("only an administrator reads the whole log", mend="name a patient")
    most = min(limit, IN_ROOM) if here.in_room else limit
    found = ReadAudit(home.uow)(
        since=_moment(since, home),
        until=_moment(until, home),
        kinds=[_kind(k) for k in kind or ()],
        recipient=RecipientId(recipient) if recipient else None,
        reference=reference,
        limit=most,
    )
    listed = Rows(
        columns=(
            Column(heading=say("audit.column.row")),
            Column(heading=say("audit.column.when")),
            Column(heading=say("audit.column.what")),
            Column(heading=say("audit.column.recipient"), named=True),
            Column(heading=say("audit.column.member"), named=True),
        ),
        rows=tuple(
            (
                str(entry.number),
                _when(entry.at, home),
                _meaning(entry, say),
                entry.recipient or "",
                " ".join(filter(None, (entry.member or "", entry.act))),
            )
            for entry in found
        ),
        empty=say("audit.none"),
    )
    parts: list[Part] = [listed]
    if len(found) == most:
        parts.append(Line(text=say("audit.newest", count=most)))
    return Reply(parts=tuple(parts), data=[_as_json(entry) for entry in found], private=True)


def _meaning(entry: AuditEntry, say: StaffWords) -> str:
    identifier = f"audit.kind.{entry.kind}"
    text = say(identifier) if say.has(identifier) else entry.kind
    if entry.kind in COUNTED:
        text += f" ({entry.count})"
    noted = [_noted(each, say) for each in entry.note.split()]
    return f"{text} : {', '.join(noted)}" if noted else text


def _noted(each: str, say: StaffWords) -> str:
    """ "new=3" in words; a name that is not known here as it stands."""
    name, _, value = each.partition("=")
    identifier = f"audit.note.{name}"
    return say(identifier, value=value) if say.has(identifier) else each


def _as_json(entry: AuditEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "recipient": entry.recipient,
        "count": entry.count,
        "note": entry.note,
        "member": entry.member,
        "act": entry.act,
    }


def _kind(text: str) -> AuditKind:
    try:
        return AuditKind(text)
    except ValueError:
        raise WrongUse(f"--kind: {text} is none", mend="one of: " + ", ".join(AuditKind)) from None


def _moment(text: str, home: Installation) -> datetime | None:
    return read_since(text, now=home.clock.now(), zone=home.settings.practice.zone) if text else None


@group.command("export-head")
def export_head(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")], json: Json = False
) -> None:
    """Write the log's length and last code into a file, to be kept where this computer's owner does not come.

    Example: pli audit export-head /media/stick/head-2026-12.json
    """
    head = head_of(_verified(installation()))
    data = {"format": FORMAT, "length": head.length, "mac": head.mac.hex(), "at": head.at}
    try:
        with file.open("x", encoding="ascii") as out:
            out.write(jsons.dumps(data, indent=2) + "\n")
    except FileExistsError:
        raise Refused(
            f"{file}: exists already", mend="name a new file: heads are never written over"
        ) from None
    except OSError as error:
        raise StorageError(
            f"{file}: cannot be written ({type(error).__name__})", mend="choose another place"
        ) from None
    if json:
        print_json(data)
    else:
        say(f"the head of {_rows(head.length)}, the last of {head.at}, is in {file}")


@group.command("compare")
def compare(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As written by export-head.")],
    json: Json = False,
) -> None:
    """Verify the log, and whether a head that was exported earlier is part of it.

    Example: pli audit compare /media/stick/head-2026-12.json
    """
    head = _read_head(file)
    since = compare_head(_verified(installation()), head)
    if json:
        print_json({"part_of_the_log": True, "length": head.length, "rows_since": since})
    else:
        say(
            f"that head ({_rows(head.length)}, the last of {head.at}) is part of today's log;"
            f" since then {_rows(since)}"
        )


def _rows(number: int) -> str:
    return {0: "no row", 1: "1 row"}.get(number, f"{number} rows")


def _read_head(file: Path) -> AuditHead:
    try:
        data = jsons.loads(file.read_text(encoding="ascii"))
        head = AuditHead(length=int(data["length"]), mac=bytes.fromhex(data["mac"]), at=str(data["at"]))
        known = data["format"] == FORMAT and head.length > 0
    except OSError as error:
        raise WrongUse(f"{file}: cannot be read ({type(error).__name__})", mend="name the file") from None
    except (ValueError, KeyError, TypeError):
        raise WrongUse(
            f"{file}: no head of an audit log", mend="name a file that export-head wrote"
        ) from None
    if not known:
        raise WrongUse(f"{file}: no head of an audit log", mend="name a file that export-head wrote")
    return head
