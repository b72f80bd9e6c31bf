"""A cross-signing identity for the Python patient, written for the tests alone, apart from the bot's own.

Source: Matrix client-server specification 1.x, "Cross-signing": ``/keys/device_signing/upload`` and
``/keys/signatures/upload``; canonical JSON without ``signatures`` and ``unsigned``; unpadded base64.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import aiohttp
from canonicaljson import encode_canonical_json
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Json = dict[str, Any]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _signed_bytes(thing: Json) -> bytes:
    return encode_canonical_json({k: v for k, v in thing.items() if k not in {"signatures", "unsigned"}})


class CrossSigner:
    """Master, self-signing and user-signing key of one account, in memory."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._keys = {
            usage: Ed25519PrivateKey.generate() for usage in ("master", "self_signing", "user_signing")
        }

    @property
    def master(self) -> str:
        return self._public("master")

    async def publish(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        device: str,
        sign_by_device: Callable[[bytes], str],
    ) -> None:
        """Publish the three keys and sign ``device``, whose keys are on the homeserver already."""
        master = self._key_object("master")
        master["signatures"] = {self._user: {f"ed25519:{device}": sign_by_device(_signed_bytes(master))}}
        await _post(
            http,
            f"{url}/_matrix/client/v3/keys/device_signing/upload",
            {
                "master_key": master,
                "self_signing_key": self._sign(self._key_object("self_signing"), by="master"),
                "user_signing_key": self._sign(self._key_object("user_signing"), by="master"),
            },
        )
        await self.sign_device(http, url, device=device)

    async def sign_device(self, http: aiohttp.ClientSession, url: str, *, device: str) -> None:
        """Vouch for a device of the account."""
        known = await _post(
            http, f"{url}/_matrix/client/v3/keys/query", {"device_keys": {self._user: [device]}}
        )
        keys = known["device_keys"][self._user][device]
        keys.pop("unsigned", None)
        signed = self._sign(keys, by="self_signing")
        answer = await _post(
            http, f"{url}/_matrix/client/v3/keys/signatures/upload", {self._user: {device: signed}}
        )
        assert not answer["failures"], "the homeserver refused the signature"

    def _public(self, usage: str) -> str:
        return _base64(self._keys[usage].public_key().public_bytes_raw())

    def _key_object(self, usage: str) -> Json:
        public = self._public(usage)
        return {"user_id": self._user, "usage": [usage], "keys": {f"ed25519:{public}": public}}

    def _sign(self, thing: Json, *, by: str) -> Json:
        signature = _base64(self._keys[by].sign(_signed_bytes(thing)))
        mine = {**thing.get("signatures", {}).get(self._user, {}), f"ed25519:{self._public(by)}": signature}
        return {**thing, "signatures": {**thing.get("signatures", {}), self._user: mine}}


async def _post(http: aiohttp.ClientSession, url: str, body: Json) -> Json:
    async with http.post(url, json=body) as response:
        answer: Json = await response.json()
        assert response.status == 200, f"the homeserver answered {response.status}"
        return answer
