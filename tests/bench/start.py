"""From nothing to ready with 10,000 rooms: a store with a session of each patient and a homeserver's first answer.

Each start is a process of its own, so that its peak memory is its own. The answer is made up, of the size that Synapse
gives; a process on loopback hands it out. Beside it stand the same with ten rooms, parsing that answer alone, and
unpickling every session as nio does at its start.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vodozemac
from aiohttp import web
from nio.crypto import InboundGroupSession, Session  # type: ignore[import-untyped]  # nio ships no types
from nio.store import SqliteStore  # type: ignore[import-untyped]  # as above

from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.client import Health
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.rooms import creation
from bot.channels.matrix.safejson import parse
from bot.channels.matrix.session import Seeds
from bot.channels.matrix.session import Session as Login
from bot.domain.values import RoomId, Secret, SecretBytes, UserId
from tests.bench.figures import Figure, Result
from tests.channels.bot_rig import TEXTS, Ears
from tests.rig.waiting import until

ROOMS, FEW = 10_000, 10
BOT = UserId("@bot:pli.localhost")
DEVICE = "DEVICE"
KEY = SecretBytes(bytes(range(32)))
UNITS = {"to ready": "s", "peak memory": "MiB"}
Json = dict[str, Any]


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    for rooms in (FEW, ROOMS):
        write_store(folder / f"{rooms}", rooms)
        (folder / f"{rooms}.json").write_text(json.dumps(first_answer(rooms)), encoding="utf-8")
    many, few, parsing, unpickling = [], [], [], []
    with _homeserver(folder) as url:
        for _ in range(runs):
            few.append(_child("start", folder / f"{FEW}", url))
            many.append(_child("start", folder / f"{ROOMS}", url))
            parsing.append(_child("parse", folder / f"{ROOMS}.json"))
            unpickling.append(_child("unpickle", folder / f"{ROOMS}"))
    size = (folder / f"{ROOMS}.json").stat().st_size / 2**20

    def figure(name: str, unit: str, value: Callable[[int], float], goal: str = "") -> Figure:
        return Figure(name=name, unit=unit, runs=tuple(value(run) for run in range(runs)), goal=goal)

    figures = [
        Figure(name=f"{rooms:,} rooms: {name}", unit=unit, runs=tuple(run[name] for run in measured))
        for rooms, measured in ((FEW, few), (ROOMS, many))
        for name, unit in UNITS.items()
    ]
    figures += [
        figure("parsing the answer alone", "s", lambda run: parsing[run]["seconds"]),
        figure("parsing the answer alone: peak memory", "MiB", lambda run: parsing[run]["peak memory"]),
        figure(
            "to ready, to parsing alone",
            "ratio",
            lambda run: many[run]["to ready"] / parsing[run]["seconds"],
            "parsing alone = 1",
        ),
        figure(
            "peak memory, to parsing alone",
            "ratio",
            lambda run: many[run]["peak memory"] / parsing[run]["peak memory"],
            "parsing alone = 1",
        ),
        figure(
            "peak memory, to ten rooms",
            "ratio",
            lambda run: many[run]["peak memory"] / few[run]["peak memory"],
        ),
        figure("kept once ready, above ten rooms", "MiB", lambda run: many[run]["kept"] - few[run]["kept"]),
        figure("unpickling every session, which is not done", "s", lambda run: unpickling[run]["seconds"]),
    ]
    what = f"{ROOMS:,} rooms, one Olm and one Megolm session each, first answer of {size:.0f} MiB"
    return Result(name="start", what=what, figures=tuple(figures))


# -- what is started -----------------------------------------------------------------------------------------


def room_and_patient(number: int) -> tuple[RoomId, UserId]:
    return RoomId(f"!roomroomroom{number:06}:pli.localhost"), UserId(f"@patient-{number:06}:pli.localhost")


def write_store(folder: Path, rooms: int) -> None:
    """Keys and sessions of a device that has talked in ``rooms`` rooms."""
    folder.mkdir(mode=0o700)
    Seeds.load_or_make(folder)
    machine = Machine(user=BOT, device_id=DEVICE, folder=folder, pickle_key=KEY)
    machine.prepare_one_time_keys(50, fallback=True)
    machine.mark_published()
    peer = vodozemac.Account()
    peer.generate_one_time_keys(1)
    (theirs,) = peer.one_time_keys.values()
    with machine.batch():
        for number in range(rooms):
            room, patient = room_and_patient(number)
            place, owner = machine._blind(room), machine._blind(patient)
            sender = machine._blind(f"key {number}")[:43]
            mine = machine._olm.account._account
            olm = Session(mine.create_outbound_session(peer.curve25519_key, theirs))
            olm._session.encrypt(b"hello")
            machine._store.save_session(sender, olm, owner)
            group = vodozemac.GroupSession()
            machine._store.save_inbound_group_session(
                InboundGroupSession(group.session_key.to_base64(), sender, sender, place)
            )
    machine.close()


def first_answer(rooms: int) -> Json:
    """An answer to ``/sync?full_state=true``."""
    joined = {}
    for number in range(rooms):
        room, patient = room_and_patient(number)
        joined[room] = {
            "timeline": {"events": [], "limited": False, "prev_batch": f"s{number}_1_2_3"},
            "state": {"events": list(_state(patient, number))},
            "account_data": {"events": []},
            "ephemeral": {"events": []},
            "unread_notifications": {"notification_count": 0, "highlight_count": 0},
            "summary": {},
        }
    return {
        "next_batch": "s1",
        "rooms": {"join": joined},
        "device_one_time_keys_count": {"signed_curve25519": 50},
        "device_unused_fallback_key_types": ["signed_curve25519"],
        "to_device": {"events": []},
    }


def _state(patient: UserId, number: int) -> Iterator[Json]:
    asked = creation(user=patient, name="Pli")
    levels = {"users": {BOT: 100}, **asked["power_level_content_override"]}
    states = [
        ("m.room.create", "", {"room_version": "10", "creator": BOT}),
        ("m.room.member", BOT, {"membership": "join", "displayname": "bot"}),
        ("m.room.member", patient, {"membership": "join", "displayname": f"patient {number}"}),
        ("m.room.power_levels", "", levels),
        *((one["type"], one["state_key"], one["content"]) for one in asked["initial_state"]),
    ]
    for place, (kind, key, content) in enumerate(states):
        yield {
            "type": kind,
            "state_key": key,
            "content": content,
            "sender": patient if key == patient else BOT,
            "origin_server_ts": 1_790_000_000_000 + number,
            "event_id": f"${number:08}{place:02}{'e' * 33}",
            "unsigned": {"age": 86_400_000, "replaces_state": f"${'r' * 43}", "prev_sender": BOT},
        }


# -- the homeserver, in a process of its own -----------------------------------------------------------------


@contextmanager
def _homeserver(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.start", "serve", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def _serve(folder: Path) -> None:
    answers = {str(rooms): (folder / f"{rooms}.json").read_bytes() for rooms in (FEW, ROOMS)}

    async def sync(request: web.Request) -> web.Response:
        """The access token says how many rooms there are."""
        if "since" in request.query:
            await asyncio.sleep(60)
        rooms = request.headers["Authorization"].rpartition(" ")[2]
        return web.Response(body=answers[rooms], content_type="application/json")

    async def other(_: web.Request) -> web.Response:
        return web.json_response({}, status=503)

    app = web.Application()
    app.router.add_get("/_matrix/client/v3/sync", sync)
    app.router.add_route("*", "/{rest:.*}", other)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


# -- what is measured, each in a process of its own ----------------------------------------------------------


def _child(what: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.start", what, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {str(k): float(v) for k, v in json.loads(done.stdout).items()}


async def _start(template: Path, url: str) -> dict[str, float]:
    folder = template.with_name("started")
    shutil.copytree(template, folder)
    login = Login(homeserver=url, user=BOT, device_id=DEVICE, token=Secret(template.name))
    channel = MatrixChannel(session=login, key_dir=folder, store_dir=folder, pickle_key=KEY, texts=TEXTS)
    began = time.perf_counter()
    await channel.start(Ears().listener())
    await channel.wait_ready()
    took = time.perf_counter() - began
    peak = _peak()

    async def done_with_it() -> bool:
        return channel.health is Health.CONNECTED

    await until(done_with_it, "the answer to be let go of", seconds=120)
    kept = _resident()
    await channel.stop()
    shutil.rmtree(folder)
    return {"to ready": took, "peak memory": peak, "kept": kept}


def _parse(file: Path) -> dict[str, float]:
    data = file.read_bytes()
    began = time.perf_counter()
    parsed = parse(data)
    took = time.perf_counter() - began
    assert parsed
    return {"seconds": took, "peak memory": _peak()}


def _unpickle(folder: Path) -> dict[str, float]:
    store = SqliteStore(BOT, DEVICE, str(folder), KEY.reveal().hex(), database_name="olm.db")
    began = time.perf_counter()
    store.load_sessions()
    store.load_inbound_group_sessions()
    return {"seconds": time.perf_counter() - began}


def _peak() -> float:
    """MiB; of this program alone, where ``getrusage`` begins with what started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _resident() -> float:
    """MiB now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(_serve(Path(sys.argv[2])))
    elif sys.argv[1] == "start":
        sys.stdout.write(json.dumps(asyncio.run(_start(Path(sys.argv[2]), sys.argv[3]))))
    elif sys.argv[1] == "parse":
        sys.stdout.write(json.dumps(_parse(Path(sys.argv[2]))))
    else:
        sys.stdout.write(json.dumps(_unpickle(Path(sys.argv[2]))))
