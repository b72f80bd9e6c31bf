"""``pli reset``: a new code for whoever forgot the PIN, or for whom it is in the wrong hands."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from bot.app import Installation
from bot.cli.account_reset import told_of_account
from bot.cli.invitations import bot_link, facts_of, parse_duration, remarks_of
from bot.cli.line import as_typed
from bot.cli.reply import Line, Part, Reply
from bot.cli.seat import agree, seat, told, touches, words
from bot.domain.values import RecipientId
from bot.services.invite_recipient import InviteRecipient
from bot.services.reset_recipient import ResetDone, ResetRecipient
from config.staff_words import StaffWords


def register(app: typer.Typer) -> None:
    app.command("reset")(reset)


@told
def reset(
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="The agenda's patient references.")],
    recipient: Annotated[str, typer.Option(help="Which recipient, where there are several.")] = "",
    expires: Annotated[str, typer.Option(help="How long the code is valid: 14d, 12h.")] = "14d",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Reply | None:
    """Destroy the old key and print a new code; the patient reads of it in the old room. For a new phone: pli relink.

    With an administrator's token of the homeserver, the account gets a new password, its devices are logged out, and
    a new phone may publish keys of its own. What is to come must be imported again. Example: pli reset P-1001
    """
    here = seat()
    home, say = here.home, words(here.home)
    valid = parse_duration(expires)
    link = bot_link(home)  # a bot that is not logged in is found before anything is destroyed
    service = ResetRecipient(home.uow, home.keyring, InviteRecipient(home.uow, home.import_side().registrar))
    targets = service.targets([ref.strip() for ref in refs], RecipientId(recipient) if recipient else None)
    again = " ".join((say("word.reset"), *map(as_typed, refs), say("word.yes")))
    question = say.count("reset.question", len(targets))
    if (asked := agree(question, yes=yes, line=again)) is not None:
        return asked
    touches(len(targets))
    parts: list[Part] = []
    data: list[dict[str, Any]] = []
    for target in targets:
        done = service(target, valid=valid, now=home.clock.now())
        one, found = _one(home, say, done, link)
        parts += one
        data.append(found)
    parts.append(Line(text=say("invite.once"), bold=True))
    return Reply(parts=tuple(parts), data=data, private=True)


def _one(
    home: Installation, say: StaffWords, done: ResetDone, link: str
) -> tuple[list[Part], dict[str, Any]]:
    account, password = asyncio.run(told_of_account(home, say, done.user, after=done.row))
    invited, found = facts_of(home, say, done.invited, link)
    said = say("reset.told" if done.user is not None else "reset.untold")
    parts: list[Part] = [
        Line(text=say("reset.done", patients=", ".join(done.references))),
        invited,
        *account,
        Line(text=said),
        *remarks_of(say, done.invited),
    ]
    return parts, found | {
        "patients": list(done.references),
        "user": done.user,
        "password": password or None,
        "told": done.user is not None,
    }
