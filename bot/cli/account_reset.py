"""A patient's Matrix account begun anew, through the homeserver's admin API: password, devices, signing keys."""

from __future__ import annotations

import asyncio
import secrets

from bot.app import Installation
from bot.cli.reply import Facts, Part, Remark
from bot.domain.records import OutboxState
from bot.domain.values import Secret, UserId
from bot.errors import PliError, Refused
from config.staff_words import StaffWords

SENT_SECONDS, POLL_SECONDS = 10.0, 0.25
_ON_ITS_WAY = (OutboxState.HELD, OutboxState.QUEUED, OutboxState.CLAIMED)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """To be typed once: four groups of four, 79 random bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def has_admin_token(home: Installation) -> bool:
    """Whether there is a homeserver of our own to make accounts on."""
    try:
        home.admin_token()
    except Refused:
        return False
    return True


async def reset_account(home: Installation, user: UserId) -> str:
    """The new password. Old devices are logged out, and a new phone may publish keys of its own.

    Raises :class:`PliError`; done in this order, so that a failure in between leaves nobody logged in who was.
    """
    password = new_password()
    async with home.homeserver_admin() as admin:
        await admin.reset_password(user, Secret(password))
        await admin.delete_devices(user)
        await admin.allow_new_identity(user)
    return password


def is_ours(home: Installation, user: UserId) -> bool:
    """An account on the homeserver that the practice administers."""
    return user.split(":", 1)[-1] == home.session().user.split(":", 1)[-1]


async def until_sent(home: Installation, row: int) -> bool:
    """Whether it left, within :data:`SENT_SECONDS`: a telephone that is logged out before reads it no more."""
    for _ in range(int(SENT_SECONDS / POLL_SECONDS)):
        with home.uow() as uow:
            found = uow.outbox.get(row)
        if found is None or found.state not in _ON_ITS_WAY:
            return found is not None and found.state is OutboxState.SENT
        await asyncio.sleep(POLL_SECONDS)
    return False


async def told_of_account(
    home: Installation, say: StaffWords, user: UserId | None, *, after: int | None = None
) -> tuple[list[Part], str]:
    """What to say of the account, and its new password; empty where it was not reset, and then the text says why.

    ``after`` is a row of the outbox that is given the time to leave first.
    """
    if user is None:
        return [Remark(text=say("account.none"))], ""
    if not is_ours(home, user):
        return [Remark(text=say("account.foreign"))], ""
    if not has_admin_token(home):
        return [Remark(text=say("account.no_token"))], ""
    if after is not None:
        await until_sent(home, after)
    try:
        password = await reset_account(home, user)
    except PliError:
        return [Remark(text=say("account.failed"))], ""
    return [
        Facts(values=((say("fact.user"), user), (say("fact.password"), password))),
        Remark(text=say("account.reset")),
    ], password
