"""``pli invite``: codes that are shown once."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.app import Installation
from bot.cli.account_reset import has_admin_token, new_password, told_of_account
from bot.cli.common import Json, installation, print_json, say_count
from bot.cli.leaflets import Leaflet, handout
from bot.cli.reply import Facts, Line, Part, Remark, Reply
from bot.cli.seat import seat, told, words
from bot.domain.values import Language, RecipientId, Secret, UserId, new_id
from bot.errors import WrongUse
from bot.leaflet.facts import contact_link
from bot.services.invite_recipient import Invited, InviteRecipient
from bot.services.open_rooms import OpenRooms
from config.staff_words import StaffWords

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


group = typer.Typer(
    no_args_is_help=True,
    help="Invite somebody to be told: [bold]pli invite REF[/bold].",
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="invite")
    app.command("relink")(relink)


def parse_duration(text: str) -> timedelta:
    """``14d``, ``12h``, ``30m``, ``2w``; at most a year. Raises :class:`WrongUse`."""
    found = re.fullmatch(r"(\d{1,4})([mhdw])", text.strip().lower())
    valid = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
    if not timedelta(0) < valid <= timedelta(days=366):
        raise WrongUse("a duration is written like 14d, 12h, 30m or 2w", mend="use --expires 14d")
    return valid


@group.command("to", hidden=True)
@told
def invite(
    ref: Annotated[str, typer.Argument(help="The agenda's patient reference.")],
    also: Annotated[
        list[str] | None, typer.Option(help="Another patient the same person answers for.")
    ] = None,
    lang: Annotated[Language | None, typer.Option(help="Language of the first words.")] = None,
    expires: Annotated[str, typer.Option(help="How long the code is valid: 14d, 12h.")] = "14d",
    account: Annotated[
        bool | None,
        typer.Option(
            "--account/--no-account", help="Make a Matrix account on the practice's homeserver too."
        ),
    ] = None,
    relink: Annotated[
        bool, typer.Option("--relink", help="For a new phone: key and PIN stay as they are.")
    ] = False,
    recipient: Annotated[
        str, typer.Option(help="With --relink: which recipient, where there are several.")
    ] = "",
    another: Annotated[
        bool, typer.Option("--another", help="Another person than the one whose code is open.")
    ] = False,
    leaflet: Leaflet = None,
) -> Reply:
    """Print a one-time code and the link to the bot. Both, and a password, are shown once and stored nowhere.

    Examples: pli invite P-1001 --also P-1002 --account --leaflet P-1001.pdf; pli invite P-1001 --relink

    To close the open codes of a recipient: pli invite revoke RECIPIENT
    """
    if relink:
        if also or account:
            raise WrongUse("--relink goes with neither --also nor --account", mend="leave them out")
        return _relinked(ref, recipient, parse_duration(expires), password=False, leaflet=leaflet)
    here = seat()
    home, say = here.home, words(here.home)
    valid = parse_duration(expires)
    link = bot_link(home)
    service = InviteRecipient(home.uow, home.import_side().registrar)
    language = lang or home.settings.practice.language
    references = [each.strip() for each in (ref, *(also or []))]
    service.check(references, now=home.clock.now(), another=another)
    user = password = None
    with handout(
        here, leaflet
    ) as sheet:  # what can fail comes first: a code that nobody was shown would be lost
        if account or (account is None and here.in_room and has_admin_token(home)):
            user, password = asyncio.run(_make_account(home, home.session().user, language))
        invited = service(references, language=language, valid=valid, now=home.clock.now())
        given = sheet.give(invited, language=language, user=user, password=password)
    facts, data = facts_of(home, say, invited, link, user=user, password=password)
    once = Line(text=say(given.once), bold=True)
    parts = (facts, *given.parts, once, *remarks_of(say, invited))
    return Reply(parts=parts, data=data | given.data, files=given.files, private=True, partly=given.failed)


@told
def relink(
    ref: Annotated[str, typer.Argument(help="The agenda's patient reference.")],
    recipient: Annotated[str, typer.Option(help="Which recipient, where there are several.")] = "",
    expires: Annotated[str, typer.Option(help="How long the code is valid: 14d, 12h.")] = "14d",
    password: Annotated[
        bool,
        typer.Option(
            "--password", help="A new password for the account too: all its devices are logged out."
        ),
    ] = False,
    leaflet: Leaflet = None,
) -> Reply:
    """Print a code for a new phone: key and PIN stay as they are. It is typed in the conversation with the bot.

    Example: pli relink P-1001; where the account's password is forgotten too: pli relink P-1001 --password
    """
    return _relinked(ref, recipient, parse_duration(expires), password=password, leaflet=leaflet)


def _relinked(ref: str, recipient: str, valid: timedelta, *, password: bool, leaflet: Path | None) -> Reply:
    here = seat()
    home, say = here.home, words(here.home)
    link = bot_link(home)
    service = InviteRecipient(home.uow, home.import_side().registrar)
    chosen = RecipientId(recipient) if recipient else None
    with handout(here, leaflet) as sheet:
        invited = service.relink(ref.strip(), recipient=chosen, valid=valid, now=home.clock.now())
        with home.uow() as uow:
            room, known = uow.rooms.by_recipient(invited.recipient), uow.recipients.get(invited.recipient)
        facts, data = facts_of(home, say, invited, link)
        parts: list[Part] = [Line(text=say("relink.how"))]
        user, new = room.user if room else None, ""
        if password:
            account, new = asyncio.run(told_of_account(home, say, user))
            parts += account
            data |= {"user": user, "password": new or None}
        language = known.language if known else home.settings.practice.language
        given = sheet.give(invited, language=language, user=user, password=new or None, relink=True)
    return Reply(
        parts=(facts, *given.parts, Line(text=say(given.once), bold=True), *parts),
        data=data | given.data,
        files=given.files,
        private=True,
        partly=given.failed,
    )


def bot_link(home: Installation) -> str:
    """Raises :class:`WrongUse` for a bot that is not logged in."""
    return contact_link(home.session().user)


def facts_of(
    home: Installation,
    say: StaffWords,
    invited: Invited,
    link: str,
    *,
    user: str | None = None,
    password: str | None = None,
) -> tuple[Facts, dict[str, Any]]:
    """What is handed over the desk, and the same as data."""
    zone = home.settings.practice.zone
    shown = {
        "recipient": invited.recipient,
        "code": invited.code.reveal(),
        "link": link,
        "expires": say.moment(invited.expires, zone),
        "user": user,
        "password": password,
    }
    data: dict[str, Any] = shown | {
        "expires": invited.expires.astimezone(zone).isoformat(timespec="minutes"),
        "reimport_due": invited.missing > 0,
        "by_hand": invited.by_hand,
    }
    return Facts(values=tuple((say(f"fact.{name}"), value) for name, value in shown.items() if value)), data


def remarks_of(say: StaffWords, invited: Invited) -> list[Part]:
    remarks: list[Part] = []
    if invited.others:
        remarks.append(Remark(text=say.count("invite.others", invited.others)))
    if (due := invited.missing - invited.by_hand) > 0:
        remarks.append(Remark(text=say.count("invite.due", due)))
    if invited.by_hand:
        remarks.append(Remark(text=say.count("invite.by_hand", invited.by_hand)))
    return remarks


async def _make_account(home: Installation, bot: UserId, language: Language) -> tuple[str, str]:
    """A neutral account with a first password, and the room opened in advance."""
    user = UserId(f"@{new_id('p')}:{bot.split(':', 1)[1]}")
    password = new_password()
    async with home.homeserver_admin() as admin:
        await admin.put_user(user, Secret(password))
    channel = home.channel()
    try:
        rooms = OpenRooms(home.uow, channel, clock=home.clock, language=language)
        await rooms.open(user, language)
    finally:
        await channel.stop()
    return user, password


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
        say_count("{number} open code closed", "{number} open codes closed", closed)
