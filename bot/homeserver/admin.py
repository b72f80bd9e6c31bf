"""The accounts and rooms of a Synapse, through its admin API.

Rules (the tests cite the numbers):

1. No error text holds a user id, a room id, an address, a token or what the server wrote, save the
   error code.
2. Every request has a time-out; a homeserver that is away is a passing :class:`ChannelError`, a no is a
   :class:`Refused` with its mend.
3. Passwords and tokens come in and go out as :class:`Secret`.

Source: Synapse's admin API manual (``docs/admin_api`` of 1.163).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp

from bot.domain.values import RoomId, Secret, UserId
from bot.errors import ChannelError, Refused
from bot.tls import trusting

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_CODE = re.compile(r"[A-Z][A-Z_]{1,60}")
_ROOM_POLL_SECONDS = 0.2
_ROOM_POLLS = 300

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """A new account, logged in once."""

    user: UserId
    token: Secret
    device: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """One account, as its list has it."""

    user: UserId
    admin: bool
    deactivated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistrationToken:
    """``uses`` None: without limit; ``expires`` is aware, None: never."""

    token: Secret
    uses: int | None
    used: int
    expires: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    status: int
    body: Json

    def text(self, field: str) -> str:
        value = self.body.get(field)
        if not isinstance(value, str):
            raise ChannelError("the homeserver's answer lacks a field", permanent=True)
        return value


class HomeserverAdmin:
    """Administers one homeserver with an administrator's access token.

    ``url`` is the base address, no slash at the end. Use as an asynchronous context manager, or close it.
    """

    def __init__(self, url: str, token: Secret, *, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._tls = trusting(ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def is_admin(self) -> bool:
        """True where the token is valid and belongs to an administrator."""
        try:
            await self._call("GET", "/_synapse/admin/v2/users?limit=1")
        except Refused:
            return False
        return True

    async def has_user(self, user: UserId) -> bool:
        """True where the account exists, deactivated ones included."""
        path = _user_path("v2/users", user)
        return (await self._call("GET", path, accept=(404,))).status != 404

    async def put_user(
        self, user: UserId, password: Secret, *, display_name: str | None = None, admin: bool = False
    ) -> bool:
        """Make the account, or give an existing one this password and leave its devices logged in.

        True where it is new. Without ``display_name`` the name is the user id's local part.
        """
        body: Json = {"password": password.reveal(), "logout_devices": False, "admin": admin}
        if display_name is not None:
            body["displayname"] = display_name
        answer = await self._call("PUT", _user_path("v2/users", user), body)
        return answer.status == 201

    async def reset_password(self, user: UserId, password: Secret, *, log_out: bool = True) -> None:
        """Set a new password; ``log_out`` ends every session of the account."""
        body: Json = {"new_password": password.reveal(), "logout_devices": log_out}
        await self._call("POST", _user_path("v1/reset_password", user), body)

    async def deactivate(self, user: UserId, *, erase: bool) -> None:
        """Close the account for good; ``erase`` marks its messages as erased. Idempotent."""
        await self._call("POST", _user_path("v1/deactivate", user), {"erase": erase})

    async def lift_rate_limits(self, user: UserId) -> None:
        """Let the account send, invite and create rooms as fast as the server can. Idempotent."""
        path = _user_path("v1/users", user) + "/override_ratelimit"
        await self._call("POST", path, {"messages_per_second": 0, "burst_count": 0})

    async def limits_are_lifted(self, user: UserId) -> bool:
        """Whether :meth:`lift_rate_limits` holds for the account. Raises :class:`Refused` where there is none."""
        path = _user_path("v1/users", user) + "/override_ratelimit"
        body = (await self._call("GET", path)).body
        return body.get("messages_per_second") == 0 and "burst_count" in body

    async def users(self) -> tuple[Account, ...]:
        """Every account, deactivated ones included."""
        found: list[Account] = []
        start: object = "0"
        while start is not None:
            answer = await self._call("GET", f"/_synapse/admin/v2/users?limit=100&from={quote(str(start))}")
            listed = answer.body.get("users")
            found.extend(
                Account(
                    user=UserId(str(each["name"])),
                    admin=bool(each.get("admin")),
                    deactivated=bool(each.get("deactivated")),
                )
                for each in (listed if isinstance(listed, list) else ())
            )
            start = answer.body.get("next_token")
        return tuple(found)

    async def new_registration_token(self, *, uses: int, expires: datetime) -> Secret:
        """For so many accounts until the aware ``expires``."""
        body: Json = {"uses_allowed": uses, "expiry_time": int(expires.timestamp() * 1000), "length": 32}
        answer = await self._call("POST", "/_synapse/admin/v1/registration_tokens/new", body)
        return Secret(answer.text("token"))

    async def registration_tokens(self) -> tuple[RegistrationToken, ...]:
        """Every token, spent and expired ones included."""
        listed = (await self._call("GET", "/_synapse/admin/v1/registration_tokens")).body.get(
            "registration_tokens"
        )
        return tuple(
            RegistrationToken(
                token=Secret(str(each["token"])),
                uses=each.get("uses_allowed"),
                used=int(each.get("completed") or 0),
                expires=datetime.fromtimestamp(each["expiry_time"] / 1000, UTC)
                if each.get("expiry_time")
                else None,
            )
            for each in (listed if isinstance(listed, list) else ())
        )

    async def revoke_registration_token(self, token: Secret) -> None:
        """Raises :class:`Refused` where there is none."""
        await self._call("DELETE", f"/_synapse/admin/v1/registration_tokens/{quote(token.reveal(), safe='')}")

    async def devices(self, user: UserId) -> tuple[str, ...]:
        """Device ids of the account."""
        answer = await self._call("GET", _user_path("v2/users", user) + "/devices")
        listed = answer.body.get("devices")
        found = (
            (item.get("device_id") for item in listed if isinstance(item, dict))
            if isinstance(listed, list)
            else ()
        )
        return tuple(device for device in found if isinstance(device, str))

    async def delete_devices(self, user: UserId, *, keep: Collection[str] = ()) -> int:
        """Log out every device but ``keep``; returns how many."""
        gone = [device for device in await self.devices(user) if device not in keep]
        if gone:
            await self._call("POST", _user_path("v2/users", user) + "/delete_devices", {"devices": gone})
        return len(gone)

    async def allow_new_identity(self, user: UserId) -> bool:
        """Let the account's next device replace its cross-signing keys, for ten minutes. False where it has none.

        Wanted where an authentication service keeps the passwords. A Synapse that keeps them itself asks the new
        device for the password instead (1.163, ``rest/client/keys.py``), whatever was permitted here.
        """
        path = _user_path("v1/users", user) + "/_allow_cross_signing_replacement_without_uia"
        return (await self._call("POST", path, {}, accept=(404,))).status != 404

    async def delete_room(self, room: RoomId) -> None:
        """Empty the room and purge it from the database; returns when that is done. Idempotent.

        Raises a passing :class:`ChannelError` where it takes longer than a minute.
        """
        body: Json = {"purge": True, "block": False}
        answer = await self._call(
            "DELETE", f"/_synapse/admin/v2/rooms/{quote(room, safe='')}", body, accept=(404,)
        )
        if answer.status == 404:
            return
        status_path = f"/_synapse/admin/v2/rooms/delete_status/{quote(answer.text('delete_id'), safe='')}"
        for _ in range(_ROOM_POLLS):
            match (await self._call("GET", status_path)).text("status"):
                case "complete":
                    return
                case "failed":
                    raise ChannelError("the homeserver could not delete the room", permanent=True)
            await asyncio.sleep(_ROOM_POLL_SECONDS)
        raise ChannelError("the homeserver is still deleting the room", permanent=False)

    async def _call(
        self, method: str, path: str, body: Json | None = None, accept: tuple[int, ...] = ()
    ) -> _Answer:
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._token.reveal()}"}
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT, headers=headers, connector=aiohttp.TCPConnector(ssl=self._tls)
            )
        return await _request(self._session, method, self._url + path, body, accept)


async def register_with_shared_secret(
    url: str,
    secret: Secret,
    *,
    localpart: str,
    password: Secret,
    admin: bool = False,
    ca_file: Path | None = None,
) -> Registered:
    """Make an account with the secret of the homeserver's configuration.

    Raises :class:`Refused` where the secret is wrong or the name is taken.
    """
    path = url.rstrip("/") + "/_synapse/admin/v1/register"
    connector = aiohttp.TCPConnector(ssl=trusting(ca_file))
    async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as session:
        nonce = (await _request(session, "GET", path, None)).text("nonce")
        role = "admin" if admin else "notadmin"
        signed = "\0".join((nonce, localpart, password.reveal(), role)).encode()
        body: Json = {
            "nonce": nonce,
            "username": localpart,
            "password": password.reveal(),
            "admin": admin,
            "mac": hmac.new(secret.reveal().encode(), signed, hashlib.sha1).hexdigest(),
        }
        answer = await _request(session, "POST", path, body)
    return Registered(
        user=UserId(answer.text("user_id")),
        token=Secret(answer.text("access_token")),
        device=answer.text("device_id"),
    )


def _user_path(part: str, user: UserId) -> str:
    return f"/_synapse/admin/{part}/{quote(user, safe='')}"


async def _request(
    session: aiohttp.ClientSession, method: str, url: str, body: Json | None, accept: tuple[int, ...] = ()
) -> _Answer:
    try:
        async with session.request(method, url, json=body) as response:
            status = response.status
            parsed = await response.json(content_type=None)
    except ValueError:
        raise ChannelError("the homeserver's answer is not JSON", permanent=False) from None
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise ChannelError("the homeserver does not answer", permanent=False) from None
    answer = _Answer(status=status, body=parsed if isinstance(parsed, dict) else {})
    if status >= 400 and status not in accept:
        raise _error(answer)
    return answer


def _error(answer: _Answer) -> Exception:
    code = answer.body.get("errcode")
    named = code if isinstance(code, str) and _CODE.fullmatch(code) else "no code"
    match answer.status:
        case 401 | 403:
            return Refused(
                f"the homeserver refused the administrator ({named})",
                mend="check the administrator's token or secret",
            )
        case 404:
            return Refused(f"the homeserver knows no such account or room ({named})", mend="check the name")
        case 429:
            wait = answer.body.get("retry_after_ms")
            seconds = wait / 1000 if isinstance(wait, int | float) else None
            return ChannelError("the homeserver asks to wait", permanent=False, retry_after=seconds)
        case status if status >= 500:
            return ChannelError(f"the homeserver failed ({named})", permanent=False)
    if named == "M_USER_IN_USE":
        return Refused("the account exists already", mend="choose another name")
    return Refused(f"the homeserver refused the request ({named})", mend="check the name and the password")
