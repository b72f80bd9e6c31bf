"""The bot's cross-signing identity: without it, strict clients give the bot no key and it is deaf.

1. Three Ed25519 seeds, made once, in one private file; whoever has them can add devices to the bot's account.
2. The master key signs the self-signing and the user-signing key, this device signs the master key, the self-
   signing key signs this device. Nothing else is ever signed: no other device, no other person.
3. An identity that is published already and is another one is never replaced without the account's password.
4. The password is used for one request and kept nowhere.
5. What was published is read back and checked as an outside client would.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.channels.matrix import trust
from bot.channels.matrix.files import read_private, write_private
from bot.channels.matrix.http import CLIENT, Http, MatrixError
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import JsonObject, as_object, as_text, canonical
from bot.domain.values import Secret, SecretBytes, UserId
from bot.errors import ChannelError, Refused, StorageError, Untrusted, WrongUse

SEEDS_FILE: Final = "cross_signing.json"
SESSION_FILE: Final = "session.json"
_SEED_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A logged-in device. ``ca_file`` is a setting, kept with the settings: see :class:`Http`."""

    homeserver: str
    user: UserId
    device_id: str
    token: Secret
    ca_file: Path | None = None

    def http(self) -> Http:
        """A new connection pool; the caller closes it."""
        return Http(self.homeserver, self.token.reveal(), ca_file=self.ca_file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seeds:
    """Rule 1; 32 bytes each."""

    master: SecretBytes
    self_signing: SecretBytes
    user_signing: SecretBytes

    @classmethod
    def load_or_make(cls, key_dir: Path) -> Self:
        """From ``cross_signing.json``, made there the first time. Raises :class:`StorageError`."""
        path = key_dir / SEEDS_FILE
        if read_private(path) is None:
            names = ("master", "self_signing", "user_signing")
            write_private(path, {name: secrets.token_bytes(_SEED_BYTES).hex() for name in names})
        return cls.load(key_dir)

    @classmethod
    def load(cls, key_dir: Path) -> Self:
        """Raises :class:`StorageError`."""
        stored = read_private(key_dir / SEEDS_FILE)
        if stored is None:
            raise StorageError("the bot has no cross-signing identity", mend="log in again: pli login")
        try:
            seeds = {name: SecretBytes(bytes.fromhex(value)) for name, value in stored.items()}
            made = cls(**seeds)
        except (TypeError, ValueError) as error:
            raise StorageError("the file of the cross-signing identity is damaged") from error
        if {len(seed) for seed in seeds.values()} != {_SEED_BYTES}:
            raise StorageError("the file of the cross-signing identity is damaged")
        return made

    @property
    def master_key(self) -> str:
        """The public master key, unpadded base64: what clients pin and people compare by voice."""
        return _public(self.master)


async def login(
    homeserver_url: str, user: str, password: Secret, key_dir: Path, *, ca_file: Path | None = None
) -> Session:
    """Log a new device in and write ``session.json`` (rule 4).

    Raises :class:`Refused` where the password is wrong, :class:`ChannelError` where the homeserver does not
    answer.
    """
    http = Http(homeserver_url, ca_file=ca_file)
    try:
        answer = await http.call(
            "POST",
            f"{CLIENT}/login",
            {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": user},
                "password": password.reveal(),
                "initial_device_display_name": "bot",
            },
        )
    except MatrixError as error:
        if error.status == 403:
            raise Refused(
                "the homeserver refused the login", mend="check the user id and the password"
            ) from None
        raise
    finally:
        await http.close()
    session = Session(
        homeserver=homeserver_url,
        user=UserId(as_text(answer.get("user_id"))),
        device_id=as_text(answer.get("device_id")),
        token=Secret(as_text(answer.get("access_token"))),
        ca_file=ca_file,
    )
    if not (session.user and session.device_id and session.token.reveal()):
        raise ChannelError("the homeserver's answer to the login is incomplete", permanent=True)
    content = {
        "homeserver": session.homeserver,
        "user_id": session.user,
        "device_id": session.device_id,
        "access_token": session.token.reveal(),
    }
    write_private(key_dir / SESSION_FILE, content)
    return session


def load_session(key_dir: Path, *, ca_file: Path | None = None) -> Session:
    """From ``session.json``. Raises :class:`StorageError` or :class:`WrongUse`."""
    stored = read_private(key_dir / SESSION_FILE)
    if stored is None:
        raise WrongUse(
            "the bot is not logged in", mend="run pli homeserver run, or pli login --user … --password-file …"
        )
    values = {
        name: as_text(stored.get(name)) for name in ("homeserver", "user_id", "device_id", "access_token")
    }
    if not all(values.values()):
        raise StorageError("session.json is damaged", mend="log in again: pli login")
    return Session(
        homeserver=values["homeserver"],
        user=UserId(values["user_id"]),
        device_id=values["device_id"],
        token=Secret(values["access_token"]),
        ca_file=ca_file,
    )


async def publish_identity(
    http: Http, seeds: Seeds, machine: Machine, *, password: Secret | None = None
) -> None:
    """Publish the identity and sign this device with it; idempotent. The device's keys are uploaded already.

    Raises :class:`Refused` where another
    identity is published and no password is at hand, :class:`ChannelError`, :class:`Untrusted`.
    """
    if not _is_published(await _query(http, machine.user), machine.user, seeds):
        await _upload(http, machine.user, seeds, password)
    await _sign(http, seeds, machine)
    await verify_published(http, machine.user, seeds.master_key, machine.device_id)


async def verify_published(http: Http, user: UserId, master_key: str, device_id: str) -> None:
    """Check with any account's token that ``user`` looks to others as it should (rule 5).

    Raises :class:`Untrusted`: ``identity`` for another or no master key, ``own_device`` where ``device_id``
    is not signed or a device is listed that nobody signed; :class:`ChannelError`.
    """
    answer = await _query(http, user)
    if trust.master_key_of(answer, user) != master_key:
        raise Untrusted("identity")
    devices = {device.device_id: device for device in trust.devices_of(answer, user)}
    unsigned = [d for d in devices.values() if d.master_key != master_key]
    if device_id not in devices or unsigned or trust.listed_devices(answer, user) != frozenset(devices):
        raise Untrusted("own_device")


async def _query(http: Http, user: UserId) -> JsonObject:
    body = {"device_keys": {user: []}, "timeout": 10_000}
    return await http.call("POST", f"{CLIENT}/keys/query", body)


def _is_published(answer: JsonObject, user: UserId, seeds: Seeds) -> bool:
    master = trust.cross_signing_key(answer, user, "master")
    self_signing = trust.cross_signing_key(answer, user, "self_signing")
    ours = (_public(seeds.master), _public(seeds.self_signing))
    return (master and master[0], self_signing and self_signing[0]) == ours


async def _upload(http: Http, user: UserId, seeds: Seeds, password: Secret | None) -> None:
    body: JsonObject = {
        "master_key": _key_object(user, "master", seeds.master),
        "self_signing_key": _signed(
            _key_object(user, "self_signing", seeds.self_signing), user, seeds.master
        ),
        "user_signing_key": _signed(
            _key_object(user, "user_signing", seeds.user_signing), user, seeds.master
        ),
    }
    path = f"{CLIENT}/keys/device_signing/upload"
    try:
        await http.call("POST", path, body)
    except MatrixError as error:
        ticket = as_text(error.body.get("session"))
        if error.status != 401 or not ticket:
            raise
        if password is None:
            raise Refused(
                "the homeserver asks for the password before it takes the bot's identity",
                mend="log in again: pli login",
            ) from None
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password.reveal(),
            "session": ticket,
        }
        await _upload_with(http, path, {**body, "auth": auth})


async def _upload_with(http: Http, path: str, body: JsonObject) -> None:
    try:
        await http.call("POST", path, body)
    except MatrixError as error:
        if error.status == 401:
            raise Refused("the homeserver did not take the password for the bot's identity") from None
        raise


async def _sign(http: Http, seeds: Seeds, machine: Machine) -> None:
    """Rule 2: the device by the self-signing key, the master key by the device."""
    user = machine.user
    body: JsonObject = {
        user: {
            machine.device_id: _signed(machine.device_keys(), user, seeds.self_signing),
            seeds.master_key: machine.sign(_key_object(user, "master", seeds.master)),
        }
    }
    answer = await http.call("POST", f"{CLIENT}/keys/signatures/upload", body)
    if as_object(as_object(answer.get("failures")).get(user)):
        raise ChannelError("the homeserver refused the signature of the bot's device", permanent=True)


def _key_object(user: UserId, usage: str, seed: SecretBytes) -> JsonObject:
    public = _public(seed)
    return {"user_id": user, "usage": [usage], "keys": {f"ed25519:{public}": public}}


def _signed(value: JsonObject, user: UserId, seed: SecretBytes) -> JsonObject:
    body = {name: part for name, part in value.items() if name not in {"signatures", "unsigned"}}
    signature = Ed25519PrivateKey.from_private_bytes(seed.reveal()).sign(canonical(body))
    signatures = {owner: dict(made) for owner, made in as_object(value.get("signatures")).items()}
    signatures.setdefault(user, {})[f"ed25519:{_public(seed)}"] = _unpadded(signature)
    return {**value, "signatures": signatures}


def _public(seed: SecretBytes) -> str:
    return _unpadded(Ed25519PrivateKey.from_private_bytes(seed.reveal()).public_key().public_bytes_raw())


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()
