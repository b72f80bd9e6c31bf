"""What only an account can see: two accounts of the check's own, made through the admin API, closed at the end.

Rules (the tests cite the numbers):

1. Everything that was made is closed and erased on every way out.
2. Outbound push is proved by the gateway's own answer: a push key that it does not know is one that it rejects, and the
   homeserver then drops the pusher. A pusher that stays means that no answer came back.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from pathlib import Path

from bot.channels.matrix.http import CLIENT, Http, segment
from bot.channels.matrix.safejson import JsonObject, as_list, as_text
from bot.domain.values import RoomId, Secret, UserId, new_id
from bot.errors import ChannelError, PliError, Refused
from bot.homeserver.admin import HomeserverAdmin
from bot.homeserver.facts import Trial

GATEWAY = "https://matrix.org/_matrix/push/v1/notify"
_APP = "pli.check"
PUSH_SECONDS = 40.0


async def try_out(
    url: str,
    admin: HomeserverAdmin,
    *,
    domain: str,
    bot: UserId,
    gateway: str = GATEWAY,
    ca_file: Path | None = None,
    push_seconds: float = PUSH_SECONDS,
) -> Trial:
    """Two accounts, one room, one push (none where ``gateway`` is empty).

    Raises :class:`PliError` where the administrator's token does not work.
    """
    try:
        lifted: bool | None = await admin.limits_are_lifted(bot)
    except Refused:
        lifted = None if await admin.is_admin() else _no_admin()
    sender, hearer = (UserId(f"@{new_id('c')}:{domain}") for _ in range(2))
    rooms: list[RoomId] = []
    clients: list[Http] = []
    try:
        logins = []
        for user in (sender, hearer):
            password = Secret(secrets.token_urlsafe(24))
            await admin.put_user(user, password)
            logins.append(await _log_in(url, user, password, ca_file))
        clients += [Http(url, as_text(each.get("access_token")), ca_file=ca_file) for each in logins]
        room = RoomId(as_text((await clients[0].call("POST", f"{CLIENT}/createRoom", {})).get("room_id")))
        rooms.append(room)
        return Trial(
            limits_lifted=lifted,
            token_expires="expires_in_ms" in logins[0],
            encrypted=await _encrypted(clients[0], room),
            pushed=await _pushed(clients[0], clients[1], hearer, room, gateway, push_seconds)
            if gateway
            else None,
        )
    finally:  # rule 1
        for client in clients:
            await client.close()
        for user in (sender, hearer):
            with suppress(PliError):
                await admin.deactivate(user, erase=True)
        for room in rooms:
            with suppress(PliError):
                await admin.delete_room(room)


def _no_admin() -> bool:
    raise Refused("the administrator's token does not work", mend="check --admin-token-file and --admin-url")


async def _log_in(url: str, user: UserId, password: Secret, ca_file: Path | None) -> JsonObject:
    http = Http(url, ca_file=ca_file)
    body: JsonObject = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password.reveal(),
    }
    try:
        return await http.call("POST", f"{CLIENT}/login", body)
    finally:
        await http.close()


async def _encrypted(client: Http, room: RoomId) -> bool:
    """Whether a room that asks for nothing is encrypted."""
    try:
        await client.call("GET", f"{CLIENT}/rooms/{segment(room)}/state/m.room.encryption/", None)
    except ChannelError as error:
        if not error.permanent:
            raise
        return False
    return True


async def _pushed(
    sender: Http, hearer: Http, user: UserId, room: RoomId, gateway: str, within: float
) -> bool:
    """Rule 2: the invitation rings, the gateway rejects the key, the pusher is gone."""
    pusher: JsonObject = {
        "kind": "http",
        "app_id": _APP,
        "pushkey": new_id("k"),
        "app_display_name": "check",
        "device_display_name": "check",
        "lang": "en",
        "data": {"url": gateway, "format": "event_id_only"},
    }
    await hearer.call("POST", f"{CLIENT}/pushers/set", pusher)
    if not await _has_pusher(hearer):
        return False  # else its absence later would prove nothing
    await sender.call("POST", f"{CLIENT}/rooms/{segment(room)}/invite", {"user_id": user})
    end = time.monotonic() + within
    while time.monotonic() < end:
        if not await _has_pusher(hearer):
            return True
        await asyncio.sleep(0.25)
    return False


async def _has_pusher(client: Http) -> bool:
    return bool(as_list((await client.call("GET", f"{CLIENT}/pushers", None)).get("pushers")))
