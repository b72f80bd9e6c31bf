"""A practice's folder made by ``pli init``, and its bot as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from zoneinfo import ZoneInfo

from bot.app import Installation
from bot.cli.main import main
from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from bot.domain.values import Language, Secret, UserId, new_id
from config.settings import FILE_NAME, load
from storage.wrap import RFC_9106_SECOND, Profile
from tests.rig.cheap_hashing import hashing
from tests.rig.forked import Forked
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until
from tests.view.lines import why_not

PHONE = "01 23 45 67 89"
STOP_SECONDS = 10.0
# What lies in the memory of these is the point: they have one of their own from the beginning.
_LOOKED_INTO = frozenset({"tests.view.readable", "tests.view.loud", "tests.forgetful.runner"})
DELAY = 0.2

Values = Mapping[tuple[str, str], object]


def far_slot(hours: int = 6) -> str:
    """A moment of the day that does not come while the tests run, and at which no appointment of theirs begins: slots,
    and the hour behind them, lie in the database as they are.
    """
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%H:07")


def minute_slots(zone: ZoneInfo, minutes: int = 90) -> list[str]:
    """Every minute of the time to come: the next slot is never further away than that."""
    now = datetime.now(zone)
    return [(now + timedelta(minutes=n)).strftime("%H:%M") for n in range(minutes)]


# No quiet hours, no slot near: only what is urgent leaves, and it leaves at once, whatever the hour of the test.
QUICK: Values = {
    ("practice", "phone"): PHONE,
    ("practice", "timezone"): "UTC",
    ("nudges", "quiet_from"): "00:00",
    ("nudges", "quiet_to"): "00:00",
    ("delivery", "nudges_per_second"): 500.0,
    ("delivery", "minutes_apart"): 0,  # tests nudge the same person every minute
    ("release", "answer_delay_seconds"): DELAY,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a command gave back."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Practice:
    """One practice: its folder, its homeserver, its bot. ``log`` collects what the bot writes to both outputs.

    With ``python``, the bot is started as in life, by that; else it is forked.
    ``cheap`` is about Argon2id, for everybody who works on the practice through this object.
    """

    folder: Path
    homeserver: RigHomeserver
    bot_user: str
    health_port: int
    python: Sequence[str] = ()
    cheap: bool = False
    home: Installation = field(init=False)
    _process: subprocess.Popen[bytes] | Forked | None = None

    def __post_init__(self) -> None:
        profile = Profile.testing() if self.cheap else RFC_9106_SECOND
        self.home = Installation(load(self.folder / FILE_NAME), profile=profile)

    @classmethod
    def make(
        cls,
        folder: Path,
        homeserver: RigHomeserver,
        values: Values | None = None,
        options: Sequence[str] = (),
        *,
        cheap: bool = False,
    ) -> Self:
        """``pli init`` with ``options`` against ``homeserver``; ``values`` go into ``pli.toml`` on top of
        :data:`QUICK`.
        """
        port, secret = free_port(), folder.with_suffix(".password")
        user, password = asyncio.run(_bot_account(homeserver))
        secret.write_text(password, encoding="utf-8")
        done = run_here(
            *("init", str(folder), "--homeserver", homeserver.url, "--user", user),
            *("--password-file", str(secret), "--health-port", str(port)),
            *(("--ca-file", str(homeserver.ca_file)) if homeserver.ca_file else ()),
            *options,
        )
        assert done.code == 0, done.err
        settings: dict[tuple[str, str], object] = {
            **QUICK,
            ("nudges", "slots"): [far_slot()],
            ("homeserver", "admin_token_file"): str(homeserver.folder / "admin.token"),
            ("homeserver", "admin_url"): homeserver.admin_url,
            **(values or {}),
        }
        write_settings(folder / FILE_NAME, settings)
        return cls(folder=folder, homeserver=homeserver, bot_user=user, health_port=port, cheap=cheap)

    # -- the command --------------------------------------------------------------------------------------------

    async def pli(self, *arguments: str, expect: int = 0) -> Done:
        """One command, in this process: quicker, and the same code."""
        done = await asyncio.to_thread(run_here, "--config", str(self.folder), *arguments, cheap=self.cheap)
        assert done.code == expect, f"{arguments[:2]}: {done.code}, {done.err}"
        return done

    async def pli_process(self, *arguments: str) -> Done:
        """One command as a process of its own; any exit code."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *self._program("bot"), "--config", str(self.folder), *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 120)
        return Done(code=process.returncode or 0, out=out.decode(), err=err.decode())

    def _program(self, *command: str) -> list[str]:
        """For ``python -m``."""
        return ["tests.rig.cheap_hashing", *command] if self.cheap else list(command)

    # -- the bot ------------------------------------------------------------------------------------------------

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None

    async def start(self, **environment: str) -> None:
        """``pli run``, until it says that it is ready. ``environment`` wins over ``pli.toml``."""
        self.spawn(**environment)
        await self.wait_ready()

    async def wait_ready(self, *, ready: bool = True, seconds: float = 60.0) -> None:
        async def as_wanted() -> bool:
            return await asyncio.to_thread(self.ready) is ready

        await until(as_wanted, f"/readyz to say {ready}", seconds=seconds, every=0.1)

    def spawn(self, *, program: Sequence[str] = ("bot",), **environment: str) -> None:
        """``pli run``, without waiting. ``program`` is the module that stands for ``pli``, and its own arguments."""
        command, environment = [*program, "--config", str(self.folder), "run"], {**os.environ, **environment}
        if not self.python and program[0] not in _LOOKED_INTO:
            self._process = Forked(command, log=self.log, environment=environment, cheap=self.cheap)
            return
        command = self._program(*command)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*(self.python or (sys.executable,)), "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    async def stop(self) -> int:
        """SIGTERM, as systemd does it; the exit code."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("the bot did not stop within ten seconds") from None
        finally:
            self._process = None

    async def died(self, *, seconds: float = 60.0) -> int:
        """Wait until the bot has ended by itself; its exit code, negative for a signal."""
        process = self._process
        assert process is not None
        code = await asyncio.to_thread(process.wait, seconds)
        self._process = None
        return code

    def kill(self) -> None:
        """SIGKILL: a power cut."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /readyz; 0 where nobody answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            return refused.code, json.load(refused)
        except (URLError, OSError):
            return 0, {}

    def ready(self) -> bool | None:
        """None where nobody answers."""
        status, body = self.health()
        return bool(body["ready"]) if status else None

    # -- what lies in the database ------------------------------------------------------------------------------

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Look into the database beside the running bot."""
        return _query(self.database, sql, *values)

    def let_pin_delays_pass(self) -> None:
        """As if a day had gone by since the last wrong PIN of everybody."""
        _query(self.folder / "vault" / "vault.db", "UPDATE recipient SET counted_at = counted_at - 86400")

    def bring_forward(self, kind: str) -> int:
        """Let the time of what waits in the outbox come now; how many rows."""
        return len(
            self.query(
                "UPDATE outbox SET due = '2000-01-01T00:00:00.000000Z'"
                " WHERE kind = ? AND state = 'queued' RETURNING id",
                kind,
            )
        )

    async def settled(self, *, seconds: float = 30.0) -> None:
        """Wait until nothing that is due waits in the outbox."""

        async def empty() -> bool:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            waiting = self.query(
                "SELECT 1 FROM outbox WHERE state IN ('held', 'claimed') OR (state = 'queued' AND due <= ?)",
                now,
            )
            return not waiting

        await until(empty, "an empty outbox", seconds=seconds)

    def sessions(self) -> int:
        """How many inbound Megolm sessions the bot's device keeps."""
        rows = _query(self.folder / "bot" / "crypto" / "olm.db", "SELECT count(*) FROM megolminboundsessions")
        return int(rows[0][0])

    def can_reach(self, curve25519: str) -> bool:
        """Whether the bot's device has an Olm session with that one."""
        file = self.folder / "bot" / "crypto" / "olm.db"
        return bool(_query(file, "SELECT 1 FROM olmsessions WHERE sender_key = ?", curve25519))

    def seen_by_homeserver(self, sql: str, *values: object) -> list[Any]:
        """Look into the homeserver's own database."""
        return self.homeserver.rows(sql, *values)

    def redacted(self, room: str) -> set[str]:
        """Events of a room that the homeserver has redacted."""
        sql = "SELECT r.redacts FROM redactions r JOIN events e ON e.event_id = r.redacts WHERE e.room_id = ?"
        return {str(row["redacts"]) for row in self.seen_by_homeserver(sql, room)}

    def membership(self, room: str) -> str:
        """The bot's, as the homeserver has it."""
        sql = (
            "SELECT membership FROM current_state_events"
            " WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?"
        )
        rows = self.seen_by_homeserver(sql, room, self.bot_user)
        return str(rows[0]["membership"]) if rows else "none"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "pli.db"

    # -- the bot's words ----------------------------------------------------------------------------------------

    def text(self, *templates: Template, language: Language = Language.EN) -> str:
        return self.home.words[language].text(*templates)

    def sentence(self, sentence: OpenSentence, language: Language = Language.EN) -> str:
        return self.home.words[language].open_text(sentence)

    def nudge(self, language: Language = Language.EN) -> str:
        return self.home.words[language].nudge()


@contextlib.contextmanager
def running_practice(
    folder: Path,
    homeserver: RigHomeserver,
    values: Values | None = None,
    *,
    errors: bool = False,
    python: Sequence[str] = (),
    options: Sequence[str] = (),
    cheap: bool = False,
) -> Iterator[Practice]:
    """A practice whose bot runs, with ``python`` as in life. What it wrote is judged in the end: :func:`judge_log`."""
    made = Practice.make(folder, homeserver, values, options, cheap=cheap)
    made.python = python
    asyncio.run(made.start())
    try:
        yield made
    finally:
        made.kill()
    judge_log(made.log.read_text(encoding="utf-8"), errors=errors)


def judge_log(log: str, *, errors: bool) -> None:
    """Failure 17: constants of the code with allow-listed fields, no id of the homeserver's, no traceback.

    Nor an error, unless ``errors`` were provoked.
    """
    lines = [line for line in log.splitlines() if not line.startswith(_SAID)]
    assert lines
    for line in lines:
        written = json.loads(line)
        assert why_not(written) == "", line
        assert not set("@!$") & set(line), line
        assert errors or written["level"] != "ERROR", line


_SAID = ("starting; stop with Ctrl-C", "stopped", "dry: ", "would leave now: ", "nothing would leave now")


_ONE_COMMAND = threading.Lock()  # its output and its configuration are the process's


def run_here(*arguments: str, cheap: bool = False) -> Done:
    """``pli`` in this process; its output is caught."""
    out, err = io.StringIO(), io.StringIO()
    with _ONE_COMMAND:
        before = os.environ.get("PLI_CONFIG")
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), hashing(cheap=cheap):
                code = main(list(arguments))
        finally:
            if before is None:
                os.environ.pop("PLI_CONFIG", None)
            else:
                os.environ["PLI_CONFIG"] = before
    return Done(code=code, out=out.getvalue(), err=err.getvalue())


def write_settings(file: Path, values: Values) -> None:
    """Put ``values`` into the commented file that ``pli init`` wrote."""
    left = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    section, lines = "", []
    for line in file.read_text(encoding="utf-8").splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        key = line.split("=", 1)[0].strip()
        value = left.pop((section, key), None)
        lines.append(line if value is None else f"{key} = {value}")
    assert not left, f"not in the file: {sorted(left)}"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _query(file: Path, sql: str, *values: object) -> list[sqlite3.Row]:
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        with connection:
            return connection.execute(sql, values).fetchall()


async def _bot_account(homeserver: RigHomeserver) -> tuple[str, str]:
    user, password = UserId(f"@{new_id('messages')}:{homeserver.server_name}"), new_id("w")
    async with await homeserver.admin() as admin:
        await admin.put_user(user, Secret(password))
        await admin.lift_rate_limits(user)
    return user, password


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
