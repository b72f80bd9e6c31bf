"""The proxy's configuration under Debian's caddy, before an upstream that answers all: whatever passes is seen."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from bot.homeserver.facts import Facts
from bot.homeserver.files import generate
from bot.homeserver.made import Secrets
from bot.homeserver.outside import ADMIN_PATHS, look
from bot.homeserver.plan import Certificates, Deployment, Plan, Ports
from bot.homeserver.rules_outside import OUTSIDE_RULES
from tests.journey.practice import free_port
from tests.rig.deployed import ensure_tool
from tests.rig.waiting import until

HOST = "localhost"


@dataclass
class Everything:
    """An upstream that answers each request as the shared-secret registration would. ``paths`` as they came."""

    paths: list[str] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.raw_path)
        return web.json_response({"nonce": "n"}, headers={"Server": "Synapse/1.0"})


@dataclass(frozen=True, kw_only=True)
class Proxied:
    upstream: Everything
    url: str
    plain_url: str
    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def said(self) -> str:
        return (self.folder / "caddy.out").read_text(encoding="utf-8")


@asynccontextmanager
async def proxied(folder: Path) -> AsyncIterator[Proxied]:
    caddy = ensure_tool("caddy", "caddy")
    upstream = Everything()
    await upstream.start()
    ports = Ports(synapse=upstream.port, https=free_port(), http=free_port())
    plan = Plan(
        domain="accueil.example", host=HOST, folder=folder, certificates=Certificates.INTERNAL, ports=ports
    )
    (folder / "Caddyfile").write_text(generate(plan, Secrets.placeholders())["Caddyfile"].text)
    with (folder / "caddy.out").open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220 - it runs beside the test, nothing is waited for
            [caddy, "run", "--adapter", "caddyfile", "--config", "Caddyfile"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "HOME": str(folder)},
        )
    made = Proxied(
        upstream=upstream, url=plan.public_url, plain_url=f"http://{HOST}:{ports.http}", folder=folder
    )

    async def open_() -> bool:
        assert process.poll() is None, made.said()
        try:
            context = ssl.create_default_context(cafile=str(made.ca_file))
            _, writer = await asyncio.open_connection(HOST, ports.https, ssl=context)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(open_, "the proxy")
        yield made
    finally:
        process.terminate()
        process.wait(30)
        await upstream.stop()


async def test_rule_1_the_proxy_passes_on_what_apps_need_and_nothing_else(tmp_path: Path) -> None:
    async with proxied(tmp_path) as made:
        seen = await asyncio.to_thread(
            look,
            made.url,
            domain="accueil.example",
            bot="messages",
            plain_url=made.plain_url,
            ca_file=made.ca_file,
        )
        assert {path: a.status for path, a in seen.admin.items() if a.status != 404} == {}
        assert not set(made.upstream.paths) & set(ADMIN_PATHS)
        assert not [path for path in made.upstream.paths if "_synapse" in path.casefold() or ".." in path]
        for name in ("federation", "keys", "server well-known"):
            assert seen.answers[name].status == 404
        assert {path.split("?")[0] for path in made.upstream.paths} == {
            "/_matrix/client/versions",
            "/_matrix/client/v3/publicRooms",
            "/_matrix/client/v3/register",
            "/_matrix/client/v3/register/available",
            "/_matrix/client/v3/profile/%40messages%3Aaccueil.example",
        }
        assert "server" not in seen.answers["versions"].headers, "no version is told"
        assert seen.plain.status in {301, 308}
        judged = {rule.id: rule.judge(Facts(seen=seen)) for rule in OUTSIDE_RULES}
        proxy_rules = ("out-tls", "out-renewal", "out-plain", "out-strict", "out-admin", "out-federation")
        assert [name for name in (*proxy_rules, "out-well-known") if not judged[name].ok] == []
        assert not judged["out-rooms"].ok, "this upstream shows its rooms to anybody: the rule sees it"
        assert not judged["out-guests"].ok


async def _get(made: Proxied, name: str, path: str) -> bytes:
    """Through the site of that ``name``, as its own client would find it."""
    context = ssl.create_default_context(cafile=str(made.ca_file))
    port = int(made.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


async def test_the_domain_of_the_accounts_tells_where_the_homeserver_is_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with proxied(tmp_path) as made:
        told = await _get(made, "accueil.example", "/.well-known/matrix/client")
        head, _, body = told.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"access-control-allow-origin: *" in head.lower()
        assert json.loads(body) == {"m.homeserver": {"base_url": made.url}}
        for path in (
            "/_matrix/client/versions",
            "/_synapse/admin/v1/register",
            "/.well-known/matrix/server",
            "/",
        ):
            assert (await _get(made, "accueil.example", path)).startswith(b"HTTP/1.1 404")
        assert made.upstream.paths == []


async def test_a_request_that_fails_leaves_no_trace_in_the_log(tmp_path: Path) -> None:
    async with proxied(tmp_path) as made:
        await made.upstream.stop()
        context = ssl.create_default_context(cafile=str(made.ca_file))
        reader, writer = await asyncio.open_connection(HOST, int(made.url.rpartition(":")[2]), ssl=context)
        writer.write(
            b"GET /_matrix/client/v3/rooms/!telltale:accueil.example/state HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer telltale\r\nConnection: close\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 502")
        assert "admin endpoint disabled" in made.said(), "so that there is a log to look at"
    assert "telltale" not in made.said()
    assert "127.0.0.1" not in made.said()


@pytest.mark.parametrize("deployment", list(Deployment))
@pytest.mark.parametrize("certificates", list(Certificates))
@pytest.mark.parametrize("host", ["", "m.accueil.example"])
def test_caddy_validates_each_configuration(
    tmp_path: Path, deployment: Deployment, certificates: Certificates, host: str
) -> None:
    caddy = ensure_tool("caddy", "caddy")
    plan = Plan(
        domain="accueil.example", host=host, folder=tmp_path, deployment=deployment, certificates=certificates
    )
    text = generate(plan, Secrets.placeholders())["Caddyfile"].text
    (tmp_path / "Caddyfile").write_text(text)
    done = subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Valid configuration" in done.stdout + done.stderr
    assert "not formatted" not in done.stderr
