"""Light accounts: real users with one real device each, its keys published, and no client behind it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import vodozemac
from canonicaljson import encode_canonical_json

from bot.domain.trust import Pin
from bot.domain.values import Secret, UserId, new_id
from bot.homeserver.admin import register_with_shared_secret
from bot.homeserver.embedded import EmbeddedHomeserver

Json = dict[str, Any]
ONE_TIME_KEYS = 20
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Phone:
    """One logged-in device."""

    user: UserId
    device: str
    token: str
    account: vodozemac.Account = field(repr=False)

    @property
    def pin(self) -> Pin:
        return Pin(
            device_id=self.device,
            ed25519=self.account.ed25519_key.to_base64(),
            curve25519=self.account.curve25519_key.to_base64(),
        )

    def keys(self, count: int = ONE_TIME_KEYS) -> Json:
        """The body of ``/keys/upload``, with ``count`` one-time keys."""
        account: Any = self.account  # the library's types lack the fallback key
        mine = self.pin
        account.generate_one_time_keys(count)
        account.generate_fallback_key()
        one_time = {k: self._sign({"key": v.to_base64()}) for k, v in account.one_time_keys.items()}
        fallback = {
            k: self._sign({"key": v.to_base64(), "fallback": True}) for k, v in account.fallback_key.items()
        }
        account.mark_keys_as_published()
        device = {
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "device_id": self.device,
            "user_id": self.user,
            "keys": {f"ed25519:{self.device}": mine.ed25519, f"curve25519:{self.device}": mine.curve25519},
        }
        return {
            "device_keys": self._sign(device),
            "one_time_keys": {f"signed_curve25519:{k}": v for k, v in one_time.items()},
            "fallback_keys": {f"signed_curve25519:{k}": v for k, v in fallback.items()},
        }

    def _sign(self, thing: Json) -> Json:
        signature = self.account.sign(encode_canonical_json(thing)).to_base64()
        return {**thing, "signatures": {self.user: {f"ed25519:{self.device}": signature}}}


async def new_phones(homeserver: EmbeddedHomeserver, http: aiohttp.ClientSession, count: int) -> list[Phone]:
    """``count`` new accounts, their keys published."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one() -> Phone:
        async with gate:
            made = await register_with_shared_secret(
                homeserver.url,
                homeserver.registration_secret(),
                localpart=new_id("p"),
                password=Secret(secrets.token_urlsafe(16)),
            )
            token = made.token.reveal()
            phone = Phone(user=made.user, device=made.device, token=token, account=vodozemac.Account())
            await call(http, "POST", f"{homeserver.url}/_matrix/client/v3/keys/upload", token, phone.keys())
            return phone

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def call(http: aiohttp.ClientSession, method: str, url: str, token: str, body: Json) -> Json:
    """One raw request that must succeed."""
    async with http.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
        found: Json = await answer.json()
        assert answer.status == 200, f"the homeserver answered {answer.status}"
        return found
