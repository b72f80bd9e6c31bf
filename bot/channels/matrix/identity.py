"""The bot's cross-signing identity: without it, strict clients give the bot no key and it is deaf.

1. Three Ed25519 seeds, made once, in one private file (:mod:`bot.channels.matrix.session`).
2. The master key signs the self-signing and the user-signing key, this device signs the master key, the self-
   signing key signs this device. Nothing else is ever signed: no other device, no other person.
3. An identity that is published already and is another one is never replaced without the account's password.
4. The password is used for one request and kept nowhere.
5. What was published is read back and checked as an outside client would.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.channels.matrix import trust
from bot.channels.matrix.files import write_private
from bot.channels.matrix.http import CLIENT, Http, MatrixError
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import JsonObject, as_object, as_text, canonical
from bot.channels.matrix.session import SESSION_FILE, Seeds, Session, public_key, unpadded
from bot.domain.values import Secret, SecretBytes, UserId
from bot.errors import ChannelError, Refused, Untrusted


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
    ours = (public_key(seeds.master), public_key(seeds.self_signing))
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
    public = public_key(seed)
    return {"user_id": user, "usage": [usage], "keys": {f"ed25519:{public}": public}}


def _signed(value: JsonObject, user: UserId, seed: SecretBytes) -> JsonObject:
    body = {name: part for name, part in value.items() if name not in {"signatures", "unsigned"}}
    signature = Ed25519PrivateKey.from_private_bytes(seed.reveal()).sign(canonical(body))
    signatures = {owner: dict(made) for owner, made in as_object(value.get("signatures")).items()}
    signatures.setdefault(user, {})[f"ed25519:{public_key(seed)}"] = unpadded(signature)
    return {**value, "signatures": signatures}
