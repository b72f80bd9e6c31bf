"""``pli purge``: what is too old goes now, and not tonight."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.common import PARTLY, Json, caution, installation, print_json, say, table, tongue, warn
from bot.services.purge import Purge
from storage.engine import truncate_wal

WHAT = {
    "nudges": "nudges that were settled",
    "messages": "other messages that were settled",
    "marks": "marks of messages that were seen",
    "codes": "senders of wrong codes",
    "links": "links to Telegram that expired",
    "invitations": "invitations that nobody can use any more",
    "problems": "lines of pli problems",
    "envelopes": "sealed details of past appointments",
    "answers": "answers to past appointments",
    "appointments": "past appointments",
    "recipients": "people who left",
    "rows": "rows of the audit log",
}


def register(app: typer.Typer) -> None:
    app.command("purge")(purge)


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only; delete nothing.")] = False,
    json: Json = False,
) -> None:
    """Delete what is older than \\[retention] says, overwrite it on the disk, and print the counts.

    The bot does it by itself every night; this may be run beside it. Example: pli purge --dry-run
    """
    home = installation()
    purged = Purge(home.uow, home.keyring, home.settings.retention_rules())(home.clock.now(), dry_run=dry_run)
    overwritten = not dry_run and truncate_wal(home.engine)
    if json:
        print_json(
            {
                "dry_run": dry_run,
                **purged.counts,
                "overdue": purged.overdue,
                "audit_broken": purged.audit_broken,
                "log_emptied": overwritten,
            }
        )
    else:
        words = tongue()
        rows = [[str(number), words.own(WHAT[name])] for name, number in purged.counts.items() if number]
        if rows:
            say("would go:" if dry_run else "gone:")
        table(["", ""], rows, empty=words.own("nothing is too old"))
    if purged.overdue:
        caution(
            tongue().counted(
                "{number} message should have been taken back by now: only the running bot can do that",
                "{number} messages should have been taken back by now: only the running bot can do that",
                purged.overdue,
            )
        )
    if not dry_run and not overwritten:
        warn("the database's write-ahead log could not be emptied: somebody reads; run pli purge again")
    if purged.audit_broken:
        warn("the audit log does not verify, so none of its rows went: pli audit verify")
        raise typer.Exit(PARTLY)
