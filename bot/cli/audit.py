"""``pli audit``: verify the log, read it, keep its head elsewhere and compare it later."""

from __future__ import annotations

import json as jsons
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.app import Installation
from bot.cli.common import Json, installation, print_json, say, table
from bot.domain.records import AuditEntry, AuditKind
from bot.domain.values import RecipientId
from bot.errors import Refused, StorageError, WrongUse
from bot.services.read_audit import INSTEAD_OF, ReadAudit
from storage.audit_rows import AuditHead, VerifiedLog, compare_head, head_of, verified

group = typer.Typer(no_args_is_help=True, help="The log of releases and of the staff's acts.")
FORMAT = "pli-audit-head-1"
MEANING: dict[AuditKind, str] = {
    AuditKind.STARTED: "the bot started",
    AuditKind.STOPPED: "the bot stopped",
    AuditKind.INVITED: "invited",
    AuditKind.RELINK_INVITED: "a code for a new phone was made",
    AuditKind.REVOKED: "open codes were closed",
    AuditKind.REDEEMED: "a code was accepted",
    AuditKind.RELINKED: "a new phone was linked",
    AuditKind.CONSENTED: "consented",
    AuditKind.ENROLLED: "chose a PIN",
    AuditKind.PIN_CHANGED: "changed the PIN",
    AuditKind.PIN_WRONG: "a wrong PIN",
    AuditKind.LOCKED: "ten wrong PINs: the key was destroyed",
    AuditKind.RELEASED: "appointments were shown",
    AuditKind.DATA_SHOWN: "everything held was shown",
    AuditKind.ANSWERED: "answered",
    AuditKind.ANSWER_DONE: "an answer was closed",
    AuditKind.ANSWERS_READ: "answers were read",
    AuditKind.PROBLEMS_CLEARED: "problems were cleared",
    AuditKind.REMINDERS_STOPPED: "stopped the reminders",
    AuditKind.REMINDERS_STARTED: "started the reminders again",
    AuditKind.LANGUAGE_SET: "chose a language",
    AuditKind.LEFT: "left: the key was destroyed",
    AuditKind.REMOVED: "removed: the key was destroyed",
    AuditKind.IMPORTED: "an agenda was imported",
    AuditKind.PATIENT_ADDED: "a patient was added",
    AuditKind.CANCELLED: "an appointment was cancelled by hand",
    AuditKind.PURGED: "what was too old was purged",
    AuditKind.KEYS_ROTATED: "keys were changed",
}
COUNTED = {
    AuditKind.RELEASED,
    AuditKind.ANSWERS_READ,
    AuditKind.PROBLEMS_CLEARED,
    AuditKind.IMPORTED,
    AuditKind.PURGED,
    AuditKind.DATA_SHOWN,
}


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="audit")


@group.command("verify")
def verify(json: Json = False) -> None:
    """Verify the whole log against the vault's anchor; a row that was changed, removed or moved is named.

    Example: pli audit verify
    """
    log = _verified(installation())
    if json:
        print_json({"rows": len(log.rows), "length": log.length, "purged": log.checkpoint.number})
        return
    say(f"{len(log.rows)} rows, unbroken{_span(log)}")
    if log.checkpoint.number:
        say(f"rows up to {log.checkpoint.number} were purged by the setting [retention] audit_days")


def _verified(home: Installation) -> VerifiedLog:
    return verified(home.engine, home.audit_chain, home.vault)


def _span(log: VerifiedLog) -> str:
    return f": {log.rows[0].fields[0]} to {log.rows[-1].fields[0]}" if log.rows else ""


@group.command("show")
def show(
    since: Annotated[str, typer.Option(help="YYYY-MM-DD or a time; from then on.")] = "",
    until: Annotated[str, typer.Option(help="YYYY-MM-DD or a time; before then.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be given again.")] = None,
    recipient: Annotated[str, typer.Option(metavar="ID", help="What concerns one recipient.")] = "",
    patient: Annotated[str, typer.Option(metavar="REF", help="What concerns one patient's recipients.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")] = 100,
    json: Json = False,
) -> None:
    """Show what was done, oldest first. A reset does not hide what was before it.

    Example: pli audit show --patient P-1001 --since 2026-12-01
    """
    home = installation()
    found = ReadAudit(home.uow)(
        since=_moment("--since", since, home),
        until=_moment("--until", until, home),
        kinds=[_kind(k) for k in kind or ()],
        recipient=RecipientId(recipient) if recipient else None,
        reference=patient,
        limit=limit,
    )
    if json:
        print_json([_as_json(entry) for entry in found])
        return
    zone = home.settings.practice.zone
    drawn = [
        [
            str(entry.number),
            entry.at.astimezone(zone).isoformat(sep=" ", timespec="seconds")[:19],
            _meaning(entry),
            entry.recipient or "",
        ]
        for entry in found
    ]
    table(["row", "when", "what", "recipient"], drawn, empty="nothing in the log")
    if len(found) == limit:
        say(f"the newest {limit}; more with --limit")


def _meaning(entry: AuditEntry) -> str:
    try:
        kind = AuditKind(entry.kind)
    except ValueError:
        return entry.kind
    number = f" ({entry.count})" if kind in COUNTED else ""
    note = entry.note.replace(INSTEAD_OF, "in the place of ").replace("=", " ")
    return f"{MEANING[kind]}{number}" + (f": {note}" if note else "")


def _as_json(entry: AuditEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "recipient": entry.recipient,
        "count": entry.count,
        "note": entry.note,
    }


def _kind(text: str) -> AuditKind:
    try:
        return AuditKind(text)
    except ValueError:
        raise WrongUse(f"--kind: {text} is none", mend="one of: " + ", ".join(AuditKind)) from None


def _moment(option: str, text: str, home: Installation) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse(f"{option} is not a day or a time", mend="write it like 2026-12-01") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=home.settings.practice.zone)).astimezone(UTC)


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
        say(f"the head of {head.length} rows, the last of {head.at}, is in {file}")


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
            f"that head ({head.length} rows, the last of {head.at}) is part of today's log; {since} rows since"
        )


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
