"""``pli doctor``: each check in order, green or red with its mend. Looks only; the probe's own account aside.

1. A check that cannot be made is red: nothing unknown is called well.
2. No check prints a key, a token, a name, a user or room id.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import aiohttp

from bot.app import Installation
from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.identity import verify_published
from bot.channels.matrix.session import Seeds
from bot.doctor_telegram import Bad, examine_telegram
from bot.errors import PliError
from bot.probe import Probe
from bot.services.pause_nudges import is_paused
from bot.services.reconcile_stores import WITHOUT_KEY
from bot.status import ANOTHER, NOT_RUNNING, READY, running
from bot.tls import trusting
from bot.upgrade import copies
from storage.audit_rows import verify_audit

CLOCK_SECONDS = 30.0
ROUND_TRIP_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """``found`` says what was seen, ``mend`` what to do where it is not ``ok``."""

    name: str
    ok: bool
    found: str
    mend: str = ""


async def examine(home: Installation) -> list[Check]:
    """Every check, in the order in which one depends on those before."""
    doctor = _Doctor(home)
    checks: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("files and modes", doctor.files),
        ("database", doctor.database),
        ("vault", doctor.vault),
        ("audit log", doctor.audit),
        ("homeserver", doctor.homeserver),
        ("login", doctor.login),
        ("identity as others see it", doctor.identity),
        ("keys for new devices", doctor.one_time_keys),
        ("the bot is running", doctor.running),
        ("encrypted round trip", doctor.round_trip),
        ("clock", doctor.clock),
        ("time zone data", doctor.zones),
    )
    found = [await _one(name, check) for name, check in checks]
    if home.uses_telegram():
        found += [
            Check(name=f.name, ok=not f.mend, found=f.found, mend=f.mend)
            for f in await examine_telegram(home)
        ]
    return found


async def _one(name: str, check: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name=name, ok=True, found=await check())
    except Bad as bad:
        return Check(name=name, ok=False, found=bad.found, mend=bad.mend)
    except PliError as error:
        return Check(name=name, ok=False, found=str(error), mend=error.mend or "see the checks above")
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Check(name=name, ok=False, found=type(error).__name__, mend="see the checks above")


def _people(number: int) -> str:
    return {0: "no recipient", 1: "1 recipient"}.get(number, f"{number} recipients")


class _Doctor:
    def __init__(self, home: Installation) -> None:
        self._home = home
        self._is_running = False

    async def files(self) -> str:
        checked = 0
        for path in self._private():
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                raise Bad(f"{path} is a link", "put the file itself there")
            if status.st_uid != os.geteuid():
                raise Bad(f"{path} belongs to another account", f"chown it, or run pli as its owner: {path}")
            if status.st_mode & 0o077:
                mode = "700" if path.is_dir() else "600"
                raise Bad(f"{path} is open to other accounts", f"chmod {mode} {path}")
            checked += 1
        _ = self._home.keys
        return f"{checked} files and folders, private to this account"

    def _private(self) -> Iterator[Path]:
        home = self._home
        yield home.settings.folder / "pli.toml"
        folders = [home.bot_dir, home.import_dir]
        if home.vault_socket is None:
            folders.append(home.vault_path.parent)
        if home.engine.dialect.name == "sqlite" and home.engine.url.database:
            folders.append(Path(home.engine.url.database).parent)
        for folder in folders:
            if not folder.exists():
                if folder == home.import_dir:
                    continue  # the import side may live under another account
                raise Bad(f"{folder} is not there", "restore it, or run: pli init")
            yield folder
            yield from (p for p in sorted(folder.rglob("*")) if p.name != "lock")

    async def database(self) -> str:
        if not self._home.schema_is_current():
            raise Bad(
                "the database has another schema",
                "stop the bot and run: pli upgrade; or use the newer version of pli that made it",
            )
        with self._home.uow() as uow:
            return f"answers, {_people(len(uow.recipients.all()))}"

    async def vault(self) -> str:
        if left := copies(self._home):
            raise Bad(
                f"{left[0]} was left by an upgrade that was cut off", "stop the bot and run: pli upgrade"
            )
        with self._home.uow() as uow:
            recipients = uow.recipients.all()
        missing = sum(not self._home.vault.known(r.id) for r in recipients)
        if missing:
            raise Bad(
                f"not in it: {_people(missing)}",
                "an old database or another vault was put here: restore the right pair, or invite again",
            )
        old = sum(self._home.vault.is_old(r.id) for r in recipients if r.state not in WITHOUT_KEY)
        if old:
            raise Bad(
                f"it is older than the database, for {_people(old)}",
                "an old copy of the vault was put here: put the newest one back, or invite again",
            )
        return "answers, knows every recipient, and is no old copy"

    async def audit(self) -> str:
        rows = verify_audit(self._home.engine, self._home.audit_chain, self._home.vault)
        return "1 row, unbroken" if rows == 1 else f"{rows} rows, unbroken"

    def _outside(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=trusting(self._home.ca_file))
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), connector=connector)

    async def homeserver(self) -> str:
        async with self._outside() as session:
            url = self._home.settings.matrix.homeserver.rstrip("/") + "/_matrix/client/versions"
            try:
                async with session.get(url) as answer:
                    if answer.status != 200:
                        raise Bad(f"answers with status {answer.status}", "check [matrix] homeserver")
            except aiohttp.ClientSSLError:
                raise Bad("its certificate is not believed", "check [homeserver] ca_file") from None
            except aiohttp.ClientError:
                raise Bad(
                    "does not answer", "start it (pli homeserver run), or check [matrix] homeserver"
                ) from None
        return "answers"

    async def login(self) -> str:
        http = self._http()
        try:
            found = await http.call("GET", f"{CLIENT}/account/whoami", None)
        finally:
            await http.close()
        session = self._home.session()
        if found.get("user_id") != session.user or found.get("device_id") != session.device_id:
            raise Bad("the token belongs to another account or device", "log in again: pli login")
        return "the token is valid"

    def _http(self) -> Http:
        session = self._home.session()
        return session.http()

    async def identity(self) -> str:
        probe = await self._probe()
        session = self._home.session()
        http = probe.session.http()
        try:
            seeds = Seeds.load(self._home.bot_dir)
            await verify_published(http, session.user, seeds.master_key, session.device_id)
        finally:
            await http.close()
        return "cross-signed, and no unsigned device on the bot's account"

    async def one_time_keys(self) -> str:
        http = self._http()
        try:
            answer = await http.call("POST", f"{CLIENT}/keys/upload", {})
            sync = await http.call(
                "GET",
                f'{CLIENT}/sync?timeout=0&filter={{"room":{{"rooms":[]}},"presence":{{"types":[]}}}}',
                None,
            )
        finally:
            await http.close()
        counts = answer.get("one_time_key_counts")
        left = counts.get("signed_curve25519", 0) if isinstance(counts, dict) else 0
        unused = sync.get("device_unused_fallback_key_types")
        if not left and not unused:
            raise Bad("no one-time key and no fallback key are left", "start the bot: it uploads new ones")
        return f"{left} one-time keys, fallback key {'unused' if unused else 'in use'}"

    async def running(self) -> str:
        health = self._home.settings.health
        state, _ = await asyncio.to_thread(running, self._home)
        if state == NOT_RUNNING:
            raise Bad("it does not answer", "start it: pli run")
        if state == ANOTHER:
            raise Bad(
                "another program, or another practice's bot, answers on its port",
                "stop that one, or set another [health] port in pli.toml; then: pli run",
            )
        if state != READY:
            raise Bad("it runs, but is not ready", f"see http://{health.host}:{health.port}/readyz")
        self._is_running = True
        with self._home.uow() as uow:
            return "ready, but all nudges are paused: pli resume" if is_paused(uow) else "ready"

    async def round_trip(self) -> str:
        if not self._is_running:
            raise Bad("not tried: the bot is not ready", "see the check above")
        probe = await self._probe()
        started = time.monotonic()
        await probe.round_trip(seconds=ROUND_TRIP_SECONDS)
        return f"there and back in {time.monotonic() - started:.1f} s"

    async def _probe(self) -> Probe:
        return await Probe.prepared(self._home)

    async def clock(self) -> str:
        async with self._outside() as session:
            url = self._home.settings.matrix.homeserver.rstrip("/") + "/_matrix/client/versions"
            async with session.get(url) as answer:
                told = answer.headers.get("Date")
        if told is None:
            raise Bad("the homeserver does not tell the time", "check the reverse proxy")
        off = abs((datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds())
        if off > CLOCK_SECONDS:
            raise Bad(f"{off:.0f} s away from the homeserver's", "set the clock (timedatectl set-ntp true)")
        return "agrees with the homeserver's"

    async def zones(self) -> str:
        zone = self._home.settings.practice.timezone
        if zone not in available_timezones():
            raise Bad("the practice's zone is not known here", "install tzdata")
        return f"{zone}, now {datetime.now(ZoneInfo(zone)):UTC%z}"
