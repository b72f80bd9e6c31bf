"""``pli problems``: the lines for the staff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bot.cli.common import Json, installation, print_json, say, say_count, table, tongue
from bot.cli.reply import plain
from bot.domain.records import AuditKind, ProblemKind
from bot.services.pause_nudges import PauseNudges
from bot.services.refused_files import NAME, refused_files
from config.staff_words import StaffWords

MEANING = {
    ProblemKind.TOO_LATE: "a nudge came too late to be useful and was not sent: telephone",
    ProblemKind.UNKNOWN_SEND: "it is not known whether a message left: telephone",
    ProblemKind.UNKNOWN_COPY: "it is not known whether a message left on Telegram; it went to Matrix as well",
    ProblemKind.SEND_FAILED: "a message could not be delivered: telephone",
    ProblemKind.NOT_TRUSTED: "an unknown phone or a doubtful room: pli invite REF --relink at the desk",
    ProblemKind.LOCKED: "ten wrong PINs, the key is destroyed: pli invite REF",
    ProblemKind.STORES_DIFFER: "database and vault do not fit together: call the administrator",
    ProblemKind.UNREADABLE: "an appointment could not be opened: import the agenda again",
    ProblemKind.LEFT: "left Pli: telephone from now on",
    ProblemKind.ROOM_LEFT: "left the room, and can no longer be reached there: telephone",
    ProblemKind.CAPPED: "the daily cap held a nudge back; does the agenda change all the time? telephone",
    ProblemKind.AUDIT_BROKEN: "the audit log was changed from outside: call the administrator (pli doctor)",
    ProblemKind.IMPORT_FAILED: "an agenda file in the watched folder was refused: its report beside it says why",
    ProblemKind.PAUSED: "news of a cancellation or a move was held back by a pause: telephone",
    ProblemKind.NO_KEY: "restored from a backup without the vault, nothing opens: pli invite REF",
    ProblemKind.STAFF_STRANGER: "somebody unknown was in the staff room and was sent away: call the administrator",
    ProblemKind.STAFF_IDENTITY: "a member of staff has a new identity, which is refused: pli staff list",
    ProblemKind.STAFF_ROOM: "the staff room is not as the bot made it: nothing is said there, call the administrator",
    ProblemKind.STAFF_UNTOLD: "an answer did not reach the staff room: look whether the order was carried out",
    ProblemKind.CLOCK: "this machine's clock jumped, nudges are held back: set it, or pli nudges resume-clock",
    ProblemKind.TELEGRAM_REVOKED: "Telegram refuses the bot's token, nothing leaves there: call the administrator",
    ProblemKind.TROUBLE: "a message was not handled as it should: call the administrator",
}


def register(app: typer.Typer) -> None:
    app.command("problems")(problems)


def _told(row: Mapping[str, Any], words: StaffWords) -> str:
    if row["file"]:
        name = plain(str(row["file"]))
        return words.own("the agenda file {name} was refused: its report beside it says why", name=name)
    return words.own(str(row["meaning"]))


def problems(
    clear: Annotated[bool, typer.Option("--clear", help="Dealt with: empty the list.")] = False,
    json: Json = False,
) -> None:
    """List what went wrong and what to do about it, newest last.

    Example: pli problems; when all of it is dealt with: pli problems --clear
    """
    home = installation()
    if clear:
        with home.uow() as uow:
            gone = uow.problems.clear()
            uow.meta.remove(NAME)
            uow.audit.add(AuditKind.PROBLEMS_CLEARED, home.clock.now(), count=gone)
            uow.commit()
        if json:
            print_json({"cleared": gone})
        else:
            say_count("{number} line cleared", "{number} lines cleared", gone)
        return
    with home.uow() as uow:
        files = refused_files(uow)
        rows: list[dict[str, Any]] = [
            {
                "at": p.at.astimezone(home.settings.practice.zone).isoformat(timespec="minutes"),
                "kind": p.kind.value,
                "recipient": p.recipient,
                "patients": [
                    patient.reference
                    for i in (uow.patients.patients_of(p.recipient) if p.recipient else ())
                    if (patient := uow.patients.get(i))
                ],
                "meaning": MEANING[p.kind],
                "file": files.get(p.at) if p.kind is ProblemKind.IMPORT_FAILED else None,
            }
            for p in uow.problems.all()
        ]
    if json:
        print_json(rows)
        return
    if (paused := PauseNudges(home.uow, home.settings.nudge_rules()).state()).everybody:
        say("all nudges are paused: pli resume", style="bold")
    elif paused.patients:
        say(f"nudges are paused for: {', '.join(paused.patients)}")
    words = tongue()
    drawn = [[r["at"], ", ".join(str(p) for p in r["patients"]) or "-", _told(r, words)] for r in rows]
    headings = (words.own("when"), words.own("patient"), words.own("what"))
    table(headings, drawn, empty=words.own("no problems"))
