"""``pli invite``: codes that are shown once."""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.app import Installation
from bot.cli.common import Json, installation, print_json, say, show, warn
from bot.cli.leaflets import leaflet_for, sheet_for
from bot.domain.values import Language, RecipientId, Secret, UserId, new_id
from bot.errors import WrongUse
from bot.leaflet.facts import Account, contact_link
from bot.services.invite_recipient import Invited, InviteRecipient
from bot.services.open_rooms import OpenRooms

COMMANDS = ("to", "revoke")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


group = typer.Typer(
    no_args_is_help=True,
    help="Invite somebody to be told: [bold]pli invite REF[/bold].",
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="invite")


def parse_duration(text: str) -> timedelta:
    """``14d``, ``12h``, ``30m``, ``2w``; at most a year. Raises :class:`WrongUse`."""
    found = re.fullmatch(r"(\d{1,4})([mhdw])", text.strip().lower())
    valid = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
    if not timedelta(0) < valid <= timedelta(days=366):
        raise WrongUse("a duration is written like 14d, 12h, 30m or 2w", mend="use --expires 14d")
    return valid


@group.command("to", hidden=True)
def invite(
    ref: Annotated[str, typer.Argument(help="The agenda's patient reference.")],
    also: Annotated[
        list[str] | None, typer.Option(help="Another patient the same person answers for.")
    ] = None,
    lang: Annotated[Language | None, typer.Option(help="Language of the first words.")] = None,
    expires: Annotated[str, typer.Option(help="How long the code is valid: 14d, 12h.")] = "14d",
    account: Annotated[
        bool, typer.Option("--account", help="Make a Matrix account on the practice's homeserver too.")
    ] = False,
    relink: Annotated[
        bool, typer.Option("--relink", help="For a new phone: key and PIN stay as they are.")
    ] = False,
    recipient: Annotated[
        str, typer.Option(help="With --relink: which recipient, where there are several.")
    ] = "",
    leaflet: Annotated[
        Path | None, typer.Option(help="Write a page to hand over (PDF, A5) here too; over no existing file.")
    ] = None,
    json: Json = False,
) -> None:
    """Print a one-time code and the link to the bot. Both, and a password, are shown once and stored nowhere.

    Examples: pli invite P-1001 --also P-1002 --account --leaflet P-1001.pdf; pli invite P-1001 --relink

    To close the open codes of a recipient: pli invite revoke RECIPIENT
    """
    home = installation()
    valid = parse_duration(expires)
    now = home.clock.now()
    session = home.session()
    service = InviteRecipient(home.uow, home.import_side().registrar)
    language = lang or home.settings.practice.language
    references = [ref, *(also or [])]
    if relink and (also or account):
        raise WrongUse("--relink goes with neither --also nor --account", mend="leave them out")
    service.check(references)
    with ExitStack() as stack:
        sheet = stack.enter_context(sheet_for(home, leaflet)) if leaflet else None  # before there is a code
        made: Account | None = None
        if relink:
            chosen = RecipientId(recipient) if recipient else None
            invited = service.relink(ref, recipient=chosen, valid=valid, now=now)
        else:
            if account:  # first: a code that nobody was shown would be lost if this failed
                made = asyncio.run(_make_account(home, session.user, language))
            invited = service(references, language=language, valid=valid, now=now)
        data: dict[str, Any] = {
            "recipient": invited.recipient,
            "code": invited.code.reveal(),
            "link": contact_link(session.user),
            "expires": invited.expires.astimezone(home.settings.practice.zone).isoformat(timespec="minutes"),
            "user": made.user if made else None,
            "password": made.password.reveal() if made else None,
            "leaflet": str(leaflet) if leaflet else None,
        }
        if json:
            print_json(data | {"reimport_due": invited.missing > 0, "by_hand": invited.by_hand})
        else:
            show({k: v for k, v in data.items() if v})
            say(
                "shown once, stored nowhere" if leaflet is None else "stored nowhere but on the leaflet",
                style="bold",
            )
            _remarks(invited)
        if sheet is not None:  # last: what was shown is not lost, whatever happens to the file
            sheet.write(leaflet_for(home, invited, language=language, account=made, relink=relink))


def _remarks(invited: Invited) -> None:
    if invited.others:
        warn(f"{invited.others} other recipient(s) are told for this patient already")
    if (due := invited.missing - invited.by_hand) > 0:
        warn(f"{due} appointment(s) to come: import the agenda again, or this code's owner cannot read them")
    if invited.by_hand:
        warn(f"{invited.by_hand} appointment(s) were entered by hand: enter them again (pli agenda add)")


async def _make_account(home: Installation, bot: UserId, language: Language) -> Account:
    """A neutral account with a first password, and the room opened in advance."""
    user = UserId(f"@{new_id('p')}:{bot.split(':', 1)[1]}")
    password = Secret(new_password())
    async with home.homeserver_admin() as admin:
        await admin.put_user(user, password)
    channel = home.channel()
    try:
        rooms = OpenRooms(home.uow, channel, clock=home.clock, language=language)
        await rooms.open(user, language)
    finally:
        await channel.stop()
    return Account(user=user, password=password)


def new_password() -> str:
    """To be typed once: four groups of four, 79 random bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


@group.command("revoke")
def revoke(
    recipient: Annotated[str, typer.Argument(help="The recipient whose open codes are closed.")],
    json: Json = False,
) -> None:
    """Close the open codes of a recipient.

    Example: pli invite revoke r-abcd…
    """
    home = installation()
    service = InviteRecipient(home.uow, home.import_side().registrar)
    closed = service.revoke(RecipientId(recipient), now=home.clock.now())
    if json:
        print_json({"closed": closed})
    else:
        say(f"{closed} open code(s) closed")
