"""The embedded homeserver: what it lets nobody do, what it keeps, and the administration of its accounts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from synapse.config.homeserver import HomeServerConfig

from bot.domain.values import RoomId, Secret, UserId
from bot.errors import ChannelError, PliError, Refused, StorageError, WrongUse
from bot.homeserver.admin import HomeserverAdmin, register_with_shared_secret
from bot.homeserver.bootstrap import administer
from bot.homeserver.embedded import EmbeddedHomeserver, require_synapse
from bot.homeserver.settings import ServerOptions, ServerSecrets, synapse_settings

_PASSWORD = Secret("first-password-of-many")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHomeserver]:
    """A homeserver as an operator gets it: no option set."""
    with EmbeddedHomeserver(tmp_path_factory.mktemp("closed")) as running:
        yield running


@pytest.fixture
async def admin(closed: EmbeddedHomeserver) -> AsyncIterator[HomeserverAdmin]:
    async with await administer(closed) as found:
        yield found


class Api:
    """Raw requests as a client would send them, with or without a token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(method, self._url + path, json=body) as response,
        ):
            return response.status, await response.json(content_type=None)


async def _log_in(url: str, user: str, password: Secret) -> Api | None:
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password.reveal(),
    }
    status, answer = await Api(url)("POST", "/_matrix/client/v3/login", body)
    return Api(url, answer["access_token"]) if status == 200 else None


async def _member(closed: EmbeddedHomeserver, admin: HomeserverAdmin, name: str) -> tuple[UserId, Api]:
    """An account and a session, without spending the few log-ins that the limits allow."""
    made = await register_with_shared_secret(
        closed.url, closed.registration_secret(), localpart=name, password=_PASSWORD
    )
    assert await admin.has_user(made.user)
    return made.user, Api(closed.url, made.token.reveal())


# What it lets nobody do


def _own_sockets(port: int) -> list[str]:
    """Local addresses that listen on ``port``, as the kernel writes them."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]


async def test_rule_1_only_the_client_listener_and_only_on_loopback(closed: EmbeddedHomeserver) -> None:
    anyone = Api(closed.url)
    assert (await anyone("GET", "/_matrix/client/versions"))[0] == 200
    for path in (
        "federation/v1/version",
        "key/v2/server",
        "federation/v1/publicRooms",
        "federation/v1/query/profile",
    ):
        assert (await anyone("GET", f"/_matrix/{path}"))[0] == 404
    assert _own_sockets(int(closed.url.rpartition(":")[2])) == ["0100007F"]


@pytest.mark.parametrize("kind", ["user", "guest"])
@pytest.mark.parametrize(
    "auth",
    [None, {"type": "m.login.dummy"}, {"type": "m.login.registration_token", "token": "guessed"}],
    ids=["bare", "dummy", "token"],
)
async def test_rule_2_nobody_registers(
    closed: EmbeddedHomeserver, kind: str, auth: dict[str, str] | None
) -> None:
    body = {"username": "intruder", "password": "long enough to pass", **({"auth": auth} if auth else {})}
    status, answer = await Api(closed.url)("POST", f"/_matrix/client/v3/register?kind={kind}", body)
    assert status == 403
    assert "access_token" not in answer


async def test_rule_2_the_shared_secret_registers_and_a_wrong_one_does_not(
    closed: EmbeddedHomeserver,
) -> None:
    with pytest.raises(Refused):
        await register_with_shared_secret(closed.url, Secret("wrong"), localpart="second", password=_PASSWORD)
    secret = closed.registration_secret()
    made = await register_with_shared_secret(closed.url, secret, localpart="second", password=_PASSWORD)
    assert made.user == "@second:pli.localhost"
    with pytest.raises(Refused, match="exists"):
        await register_with_shared_secret(closed.url, secret, localpart="second", password=_PASSWORD)


async def test_rule_3_members_find_and_show_nothing(
    closed: EmbeddedHomeserver, admin: HomeserverAdmin
) -> None:
    user, api = await _member(closed, admin, "member")
    other, _ = await _member(closed, admin, "other")
    client = "/_matrix/client/v3"
    assert (await Api(closed.url)("GET", f"{client}/profile/{other}"))[0] == 401
    assert (await api("GET", f"{client}/profile/{other}"))[0] == 403
    assert (await api("PUT", f"{client}/profile/{user}/displayname", {"displayname": "Marie"}))[0] == 403
    found = await api("POST", f"{client}/user_directory/search", {"search_term": "other"})
    assert found == (200, {"limited": False, "results": []})
    assert (await api("POST", f"{client}/search", {"search_categories": {}}))[0] == 400
    assert (await api("GET", f"/_matrix/client/v1/media/preview_url?url={closed.url}"))[0] == 404
    assert (await Api(closed.url)("GET", f"{client}/publicRooms"))[0] == 401
    status, room = await api("POST", f"{client}/createRoom", {"preset": "private_chat"})
    assert status == 200
    alias = {"room_id": room["room_id"]}
    assert (await api("PUT", f"{client}/directory/room/%23named:pli.localhost", alias))[0] == 403
    status, encryption = await api("GET", f"{client}/rooms/{room['room_id']}/state/m.room.encryption/")
    assert (status, encryption["algorithm"]) == (200, "m.megolm.v1.aes-sha2")
    _, unlisted = await api("POST", f"{client}/createRoom", {"visibility": "public"})
    listed = await api("GET", f"{client}/directory/list/room/{unlisted['room_id']}")
    assert listed == (200, {"visibility": "private"})


def _parsed(folder: Path, options: ServerOptions) -> HomeServerConfig:
    """The settings as Synapse itself reads them: a mistyped key would leave its default."""
    (folder / "signing.key").write_text("ed25519 a_test " + "A" * 43 + "\n")
    secrets = ServerSecrets(registration=Secret("r" * 9), macaroon=Secret("m" * 9), form=Secret("f" * 9))
    settings = synapse_settings(folder, port=8008, secrets=secrets, options=options)
    config = HomeServerConfig()
    config.parse_config_dict(settings, str(folder), str(folder))
    return config


@pytest.mark.parametrize("options", [ServerOptions(), ServerOptions(generous_limits=True, access_log=True)])
def test_rules_3_to_5_as_synapse_reads_them(tmp_path: Path, options: ServerOptions) -> None:
    config = _parsed(tmp_path, options)
    assert config.federation.federation_domain_whitelist == {}
    assert config.key.key_servers == []
    assert not config.server.presence_enabled
    assert not config.server.enable_search
    assert not config.server.include_profile_data_on_invite
    assert not config.registration.enable_registration
    assert not config.registration.allow_guest_access
    assert not config.registration.enable_3pid_lookup
    assert not config.registration.enable_3pid_changes
    assert not config.registration.enable_set_displayname
    assert config.registration.session_lifetime is None
    assert not config.userdirectory.user_directory_search_enabled
    assert not config.roomdirectory.enable_room_list_search
    assert not config.media.url_preview_enabled
    assert not config.metrics.report_stats
    assert config.push.enable_push
    assert not config.push.push_include_content
    assert "127.0.0.1" in config.server.ip_range_blocklist
    assert "127.0.0.1" not in config.server.ip_range_allowlist
    minute, day = 60_000, 86_400_000
    assert config.server.redaction_retention_period == 5 * minute
    assert config.server.forgotten_room_retention_period == day
    assert config.server.user_ips_max_age == day
    assert config.server.delete_stale_devices_after
    assert config.server.delete_stale_devices_after >= 730 * day
    assert config.room.forget_on_leave
    assert config.retention.retention_enabled
    assert config.retention.retention_default_max_lifetime == 180 * day
    assert "private_chat" in config.room.encryption_enabled_by_default_for_room_presets
    generous = config.ratelimiting.rc_message.per_second > 1000
    assert generous is options.generous_limits


def test_rule_4_loopback_push_is_a_choice(tmp_path: Path) -> None:
    config = _parsed(tmp_path, ServerOptions(allow_loopback_push=True))
    assert "127.0.0.1" in config.server.ip_range_allowlist
    assert "10.0.0.1" not in config.server.ip_range_allowlist


async def test_rule_6_the_log_holds_templates_only(
    closed: EmbeddedHomeserver, admin: HomeserverAdmin
) -> None:
    user, api = await _member(closed, admin, "logged")
    assert await _log_in(closed.url, user, Secret("wrong")) is None
    assert (await api("GET", "/_matrix/client/v3/rooms/!nowhere:pli.localhost/messages"))[0] == 403
    log = (closed.folder / "homeserver.log").read_text()
    assert "Server %s version %s" in log, "a positive control: this template is filled at every start"
    assert not (closed.folder / "access.log").exists()
    for said in (closed.server_name, "127.0.0.1", "logged", "nowhere"):
        assert said not in log
    assert (closed.folder / "start.log").read_bytes() == b""


# What it keeps


def test_rule_1_everything_is_private_and_inside_the_folder(closed: EmbeddedHomeserver) -> None:
    assert stat.S_IMODE(closed.folder.stat().st_mode) == 0o700
    for path in closed.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name
    with sqlite3.connect(f"file:{closed.folder / 'homeserver.db'}?mode=ro", uri=True) as database:
        assert database.execute("SELECT count(*) FROM users").fetchone()[0] >= 0


async def test_rules_2_and_3_a_folder_is_started_again_and_by_one_only(tmp_path: Path) -> None:
    options = ServerOptions(generous_limits=True)
    user = UserId("@kept:pli.localhost")
    first = EmbeddedHomeserver(tmp_path / "made", options=options)
    with first:
        async with await administer(first) as known:
            assert await known.put_user(user, _PASSWORD) is True
        with pytest.raises(Refused, match="already running"):
            EmbeddedHomeserver(first.folder, options=options).start()
        assert first.running, "the refused second start leaves the first one alone"
        secret, key = first.registration_secret().reveal(), (first.folder / "signing.key").read_bytes()
    assert not first.running
    first.stop()
    with pytest.raises(Refused, match="another name"):
        EmbeddedHomeserver(first.folder, options=ServerOptions(server_name="other.localhost")).start()
    with EmbeddedHomeserver(first.folder, options=options) as again:
        assert again.registration_secret().reveal() == secret
        assert (again.folder / "signing.key").read_bytes() == key
        async with await administer(again) as known:
            accounts = await _admins(again)
            assert await known.put_user(user, _PASSWORD) is False
        async with await administer(again):
            assert await _admins(again) == accounts == 1, "the administrator is made once"
        assert await _log_in(again.url, user, _PASSWORD) is not None
        assert again.wait(0) is None
        # A token that no longer works (here: cut short) is replaced by a new administrator's.
        (again.folder / "admin.token").write_text("no token")
        async with await administer(again) as renewed:
            assert await renewed.is_admin()
        assert await _admins(again) == 2


_START_AND_DIE = """
import os, signal, sys
from pathlib import Path
from bot.homeserver.embedded import EmbeddedHomeserver

homeserver = EmbeddedHomeserver(Path(sys.argv[1]))
homeserver.start()
print(homeserver._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_rule_3_a_homeserver_that_outlives_its_starter_still_holds_its_folder(tmp_path: Path) -> None:
    starter = subprocess.run(
        [sys.executable, "-c", _START_AND_DIE, str(tmp_path)],
        stdout=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    assert starter.returncode == -signal.SIGKILL
    orphan = int(starter.stdout)
    again = EmbeddedHomeserver(tmp_path)
    try:
        with pytest.raises(Refused, match="already running"):
            again.start()
    finally:
        os.kill(orphan, signal.SIGKILL)
    end = time.monotonic() + 30
    while True:  # the kernel drops the lock once the process is gone
        try:
            again.start()
            break
        except Refused:
            assert time.monotonic() < end
    assert again.running
    again.stop()


async def _admins(homeserver: EmbeddedHomeserver) -> int:
    with sqlite3.connect(f"file:{homeserver.folder / 'homeserver.db'}?mode=ro", uri=True) as database:
        count: int = database.execute("SELECT count(*) FROM users WHERE admin = 1").fetchone()[0]
        return count


def test_a_taken_port_is_refused_and_leaves_the_folder_free(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for _ in range(2):
            with pytest.raises(Refused, match="port is taken"):
                EmbeddedHomeserver(tmp_path, port=port).start()


def test_a_homeserver_that_cannot_start_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "homeserver.db").write_bytes(b"this is no database, and longer than its header" * 3)
    broken = EmbeddedHomeserver(tmp_path)
    with pytest.raises(Refused, match="did not start") as caught:
        broken.start()
    assert "start.log" in caught.value.mend
    assert not broken.running
    with pytest.raises(Refused, match="did not start"):
        broken.start()


def test_a_damaged_configuration_is_refused(tmp_path: Path) -> None:
    for damage in ("", "[]", '{"server_name": "pli.localhost"}'):
        (tmp_path / "homeserver.json").write_text(damage)
        with pytest.raises(StorageError, match="damaged"):
            EmbeddedHomeserver(tmp_path).start()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError):
        EmbeddedHomeserver(tmp_path / "file" / "below").start()


def test_without_synapse_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "synapse", None)  # how Python itself marks a package as absent
    with pytest.raises(Refused) as caught:
        require_synapse()
    assert "homeserver" in caught.value.mend


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_wrong_use(tmp_path: Path, port: int) -> None:
    with pytest.raises(WrongUse):
        EmbeddedHomeserver(tmp_path, port=port)


# The administration of its accounts


async def test_an_account_is_made_changed_and_closed(
    closed: EmbeddedHomeserver, admin: HomeserverAdmin
) -> None:
    user = UserId("@life:pli.localhost")
    assert not await admin.has_user(user)
    assert await admin.put_user(user, _PASSWORD, display_name="Practice") is True
    assert await admin.has_user(user)
    session = await _log_in(closed.url, user, _PASSWORD)
    assert session is not None
    assert (await session("GET", "/_matrix/client/v3/account/whoami"))[0] == 200
    assert await admin.put_user(user, Secret("another-password"), display_name="Practice") is False
    assert (await session("GET", "/_matrix/client/v3/account/whoami"))[0] == 200, "devices stay logged in"
    await admin.reset_password(user, Secret("a-third-password"))
    assert (await session("GET", "/_matrix/client/v3/account/whoami"))[0] == 401
    assert await admin.devices(user) == ()
    assert await _log_in(closed.url, user, Secret("a-third-password")) is not None
    for _ in range(2):
        await admin.deactivate(user, erase=True)
    assert await admin.has_user(user)
    assert await _log_in(closed.url, user, Secret("a-third-password")) is None


async def test_devices_are_logged_out_but_the_kept_one(
    closed: EmbeddedHomeserver, admin: HomeserverAdmin
) -> None:
    user, api = await _member(closed, admin, "devices")
    (kept,) = await admin.devices(user)
    other = await _log_in(closed.url, user, _PASSWORD)
    assert other is not None
    assert len(await admin.devices(user)) == 2
    assert await admin.delete_devices(user, keep=(kept,)) == 1
    assert await admin.delete_devices(user, keep=(kept,)) == 0
    assert await admin.devices(user) == (kept,)
    assert (await api("GET", "/_matrix/client/v3/account/whoami"))[0] == 200
    assert (await other("GET", "/_matrix/client/v3/account/whoami"))[0] == 401


async def test_lifted_rate_limits_let_many_messages_pass(
    closed: EmbeddedHomeserver, admin: HomeserverAdmin
) -> None:
    user, api = await _member(closed, admin, "hasty")
    _, room = await api("POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat"})

    async def send(number: int) -> int:
        path = f"/_matrix/client/v3/rooms/{room['room_id']}/send/m.room.message/{number}"
        return (await api("PUT", path, {"msgtype": "m.text", "body": "x"}))[0]

    assert 429 in [await send(number) for number in range(15)]
    await admin.lift_rate_limits(user)
    assert [await send(number) for number in range(100, 130)] == [200] * 30


async def test_a_deleted_room_is_gone(closed: EmbeddedHomeserver, admin: HomeserverAdmin) -> None:
    _, api = await _member(closed, admin, "roomy")
    _, room = await api("POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat"})
    await admin.delete_room(RoomId(room["room_id"]))
    assert (await api("GET", "/_matrix/client/v3/joined_rooms"))[1]["joined_rooms"] == []
    with sqlite3.connect(f"file:{closed.folder / 'homeserver.db'}?mode=ro", uri=True) as database:
        query = "SELECT count(*) FROM events WHERE room_id = ?"
        assert database.execute(query, (room["room_id"],)).fetchone()[0] == 0
    await admin.delete_room(RoomId(room["room_id"]))


# Its errors

_NAME = UserId("@someone:pli.localhost")
_CALLS: dict[str, Callable[[HomeserverAdmin], Any]] = {
    "put_user": lambda admin: admin.put_user(_NAME, _PASSWORD),
    "reset_password": lambda admin: admin.reset_password(_NAME, _PASSWORD),
    "deactivate": lambda admin: admin.deactivate(_NAME, erase=True),
    "lift_rate_limits": lambda admin: admin.lift_rate_limits(_NAME),
    "delete_devices": lambda admin: admin.delete_devices(_NAME),
    "delete_room": lambda admin: admin.delete_room(RoomId("!someone:pli.localhost")),
    "has_user": lambda admin: admin.has_user(_NAME),
}


def _says_nothing(error: PliError) -> bool:
    text = f"{error!r} {error} {error.mend} {error.args} {error.__cause__!r}"
    return not any(
        told in text for told in ("someone", "localhost", "127.0.0.1", _PASSWORD.reveal(), "s3cret")
    )


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
async def test_rules_1_and_2_a_refused_token_names_nobody(
    closed: EmbeddedHomeserver, call: Callable[[HomeserverAdmin], Any]
) -> None:
    async with HomeserverAdmin(closed.url, Secret("s3cret")) as stranger:
        with pytest.raises(Refused, match="M_UNKNOWN_TOKEN") as caught:
            await call(stranger)
        assert caught.value.mend
        assert _says_nothing(caught.value)
        assert not await stranger.is_admin()


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
async def test_rules_1_and_2_an_absent_homeserver_is_a_passing_error(
    call: Callable[[HomeserverAdmin], Any],
) -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed_port.getsockname()[1]}"
        async with HomeserverAdmin(url, Secret("s3cret")) as admin:
            with pytest.raises(ChannelError) as caught:
                await call(admin)
    assert not caught.value.permanent
    assert _says_nothing(caught.value)


async def test_rule_1_an_unknown_account_is_not_named(admin: HomeserverAdmin) -> None:
    for name in ("lift_rate_limits", "delete_devices", "reset_password", "deactivate"):
        with pytest.raises(Refused) as caught:
            await _CALLS[name](admin)
        assert _says_nothing(caught.value), name


@pytest.mark.parametrize(
    ("status", "body", "permanent", "retry_after"),
    [
        (502, "<html>someone's proxy</html>", False, None),
        (500, '{"errcode": "M_UNKNOWN", "error": "someone"}', False, None),
        (429, '{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}', False, 1.5),
        (429, '{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": "someone"}', False, None),
        (200, '["someone"]', True, None),
        (200, "", True, None),
        (200, '{"devices": "someone", "delete_id": 7}', True, None),
    ],
)
async def test_rule_1_strange_answers_are_channel_errors(
    status: int, body: str, permanent: bool, retry_after: float | None
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with HomeserverAdmin(f"http://127.0.0.1:{runner.addresses[0][1]}", Secret("s3cret")) as admin:
            with pytest.raises(ChannelError) as caught:
                await admin.delete_room(RoomId("!someone:pli.localhost"))
    finally:
        await runner.cleanup()
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, retry_after)
    assert _says_nothing(caught.value)


async def test_rule_1_an_error_code_that_is_no_code_is_not_repeated() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"errcode": "@someone:pli.localhost is unknown"}, status=400)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with HomeserverAdmin(f"http://127.0.0.1:{runner.addresses[0][1]}", Secret("s3cret")) as admin:
            with pytest.raises(Refused, match="no code") as caught:
                await admin.lift_rate_limits(_NAME)
    finally:
        await runner.cleanup()
    assert _says_nothing(caught.value)


async def test_many_accounts_at_once(admin: HomeserverAdmin) -> None:
    users = [UserId(f"@many-{number}:pli.localhost") for number in range(5)]
    assert await asyncio.gather(*(admin.put_user(user, _PASSWORD) for user in users)) == [True] * 5
