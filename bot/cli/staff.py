"""``pli staff``: who of the practice works in the staff room."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot.app import Installation
from bot.channels.matrix.http import CLIENT, MatrixError, segment
from bot.cli.common import Json, installation, print_json, put, say, table, tongue, warn
from bot.domain.staff import Member, Role
from bot.domain.values import Language, UserId
from bot.errors import ChannelError, Refused
from bot.services.staff_members import StaffMembers

group = typer.Typer(no_args_is_help=True, help="People of the practice who work in the staff room.")
Account = Annotated[str, typer.Argument(metavar="@USER:SERVER", help="Their account on the homeserver.")]
_GROUP = 4


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="staff")


def _service(home: Installation) -> StaffMembers:
    return StaffMembers(home.uow, bot=home.session().user)


@group.command("add")
def add(
    user: Account,
    role: Annotated[Role, typer.Option(help="What they may do: see the table in the documentation.")],
    lang: Annotated[Language | None, typer.Option(help="Their language; the practice's by default.")] = None,
    json: Json = False,
) -> None:
    """Add a member: the bot invites them to the staff room. Their account has to be confirmed on each device they use.

    Example: pli staff add @camille:example.org --role secretary
    """
    home = installation()
    language = lang or home.settings.practice.language
    service = _service(home)
    is_there = asyncio.run(_is_there(home, service.check(user)))
    if is_there is False:
        raise Refused(
            "the homeserver has no such account",
            mend="check how it is written, or make it: pli homeserver accounts staff NAME",
        )
    member = service.add(user, role=role, language=language, now=home.clock.now())
    if json:
        print_json(_as_json(member) | {"account_seen": bool(is_there)})
    else:
        if is_there is None:
            warn("whether the homeserver has this account could not be asked: check that it is written right")
        say("added; they are invited within a moment while the bot runs")
        say("when they have joined, compare the fingerprint with theirs: pli staff list")


async def _is_there(home: Installation, user: UserId) -> bool | None:
    """Whether the homeserver has the account: as its administrator is told, else as the bot is; None where none is."""
    try:
        async with home.homeserver_admin() as admin:
            return await admin.has_user(user)
    except (Refused, ChannelError):
        pass  # no token, or none that works: anybody's profile may be asked for
    http = home.session().http()
    try:
        await http.call("GET", f"{CLIENT}/profile/{segment(user)}")
    except MatrixError as error:
        return False if (error.status, error.errcode) == (404, "M_NOT_FOUND") else None
    finally:
        await http.close()
    return True


@group.command("list")
def list_members(json: Json = False) -> None:
    """List the members, and the fingerprint of each identity to compare with what their own app shows.

    Example: pli staff list
    """
    members = _service(installation()).all()
    if json:
        print_json([_as_json(member) for member in members])
        return
    words = tongue()
    rows = [[m.user, words(f"role.{m.role}"), m.language.value, words.own(_state(m))] for m in members]
    table(
        [words.own("account"), words.own("role"), words.own("language"), words.own("state")],
        rows,
        empty=words.own("nobody yet: pli staff add @USER:SERVER --role secretary"),
    )
    for member in members:
        if member.pin is not None:  # a line of its own: it is compared, group by group
            put(f"{member.user}: {_grouped(member.pin.master_key or '')}")
        if member.other and not member.leaving:
            say(f"{member.user} now shows another identity: {_grouped(member.other)}", "yellow")
            say(
                "  if they did set up their account anew, and it is the one they see: pli staff repin",
                "yellow",
            )


@group.command("remove")
def remove(user: Account, json: Json = False) -> None:
    """Remove a member: put out of the staff room at once while the bot runs, and told nothing more.

    Example: pli staff remove @camille:example.org
    """
    home = installation()
    member = _service(home).remove(user, now=home.clock.now())
    if json:
        print_json(_as_json(member) | {"state": "leaving"})
    else:
        say("removed; nothing more is said to them")


@group.command("repin")
def repin(user: Account, json: Json = False) -> None:
    """Believe the other identity that pli staff list shows, after having compared it with the member's own app.

    Example: pli staff repin @camille:example.org
    """
    home = installation()
    member = _service(home).repin(user, now=home.clock.now())
    if json:
        print_json(_as_json(member))
    else:
        say(f"pinned: {_grouped(member.pin.master_key or '') if member.pin else '-'}")


def _as_json(member: Member) -> dict[str, object]:
    return {
        "id": member.id,
        "user": member.user,
        "role": member.role.value,
        "language": member.language.value,
        "state": _state(member),
        "fingerprint": member.pin.master_key if member.pin else None,
        "other_fingerprint": member.other or None,
    }


def _state(member: Member) -> str:
    if member.leaving:
        return "leaving"
    if member.pin is None:
        return "invited"
    return "refused" if member.other else "pinned"


def _grouped(key: str) -> str:
    """In groups, as apps show it."""
    return " ".join(key[at : at + _GROUP] for at in range(0, len(key), _GROUP))
