"""The desk as a process of its own, on a real practice: rules of :mod:`bot.cli.desk_server` and the wire by number."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.app import Installation
from bot.cli.desk_server import DeskServer, allowed_accounts, peer_of, serve_socket
from bot.domain.staff import MemberId, StaffFile, StaffOrder, StaffReply
from bot.errors import DeskError, Refused, StorageError, WrongUse
from bot.staff.client import DeskClient, Link, to_socket
from bot.staff.wire import MAX_JSON, Frame, order_frame, order_of, read_frame, reply_frame, reply_of
from config.settings import FILE_NAME
from storage.audit_rows import verify_audit
from tests.cli.staff_room import ADMINISTRATOR, SECRETARY, hire, order, staff_audit
from tests.rig.waiting import until

LANGUAGE = "en"

MAX_FILE = 1000


# -- the wire -------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
FILES = st.builds(StaffFile, name=TEXT, media_type=TEXT, data=st.binary(max_size=100))


@given(line=TEXT | st.just(""), key=TEXT, file=st.none() | FILES)
def test_an_order_arrives_as_it_was(line: str, key: str, file: StaffFile | None) -> None:
    sent = StaffOrder(member=MemberId("m-1"), key=key, line=line, file=file)
    assert order_of(_through(order_frame(sent))) == sent


@given(texts=st.lists(TEXT, max_size=3), files=st.lists(FILES, max_size=3), private=st.booleans())
def test_a_reply_arrives_as_it_was(texts: list[str], files: list[StaffFile], private: bool) -> None:
    sent = StaffReply(texts=tuple(texts), files=tuple(files), private=private, token="t")
    assert reply_of(_through(reply_frame(sent))) == sent


def _through(frame: Frame) -> Frame:
    async def read() -> Frame | None:
        reader = asyncio.StreamReader()
        reader.feed_data(frame.encode())
        reader.feed_eof()
        return await read_frame(reader, max_blob=MAX_FILE)

    found = asyncio.run(read())
    assert found is not None
    return found


GOOD = {"do": "order", "member": "m", "key": "k", "line": "x", "files": []}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda c: st.lists(c, max_size=2) | st.dictionaries(TEXT, c, max_size=2),
)


@pytest.mark.parametrize(
    "head",
    [
        {},
        {**GOOD, "more": 1},
        {**GOOD, "member": ""},
        {**GOOD, "member": 5},
        {**GOOD, "key": ""},
        {**GOOD, "key": "k" * 513},
        {**GOOD, "line": None},
        {**GOOD, "line": "x" * 8001},
        {**GOOD, "files": {}},
        {**GOOD, "files": [5]},
        {**GOOD, "files": [{"name": "a", "type": "b"}]},
        {**GOOD, "files": [{"name": "a", "type": "b", "size": True}]},
        {**GOOD, "files": [{"name": "a", "type": "b", "size": -1}]},
        {**GOOD, "files": [{"name": "a", "type": "b", "size": 5}]},
        {**GOOD, "files": [{"name": "a", "type": "b", "size": 3}]},
        {**GOOD, "files": [{"name": "a", "type": "b", "size": 2}, {"name": "a", "type": "b", "size": 2}]},
    ],
)
def test_wire_rule_2_an_order_of_another_form_is_none(head: dict[str, Any]) -> None:
    with pytest.raises(DeskError) as refused:
        order_of(Frame(head=head, blob=b"1234"))
    assert "1234" not in str(refused.value)


@given(
    head=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("texts", "private", "token", "files", "error", "do"), _JSON)
    )
)
def test_wire_rule_2_a_reply_of_another_form_is_a_desk_error(head: dict[str, Any]) -> None:
    with contextlib.suppress(DeskError):
        assert isinstance(reply_of(Frame(head=head)), StaffReply)


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        struct.pack(">II", 10, 0),
        struct.pack(">II", 10, 0) + b"{}",
        struct.pack(">II", 2, 5) + b"{}abc",
        struct.pack(">II", MAX_JSON + 1, 0),
        struct.pack(">II", 2, MAX_FILE + 1) + b"{}",
        struct.pack(">II", 2**32 - 1, 2**32 - 1),
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 1, 0) + b"x",
        struct.pack(">II", 200_000, 0) + b"[" * 200_000,
        struct.pack(">II", 2, 0) + b"\xff\xff",
    ],
)
async def test_wire_rules_1_and_2_bad_frames(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    with pytest.raises(DeskError):
        await read_frame(reader, max_blob=MAX_FILE)


@pytest.mark.parametrize("lengths", [(MAX_JSON + 1, 0), (2, MAX_FILE + 1), (2**32 - 1, 2**32 - 1)])
async def test_wire_rule_1_a_frame_that_is_too_long_is_not_waited_for(lengths: tuple[int, int]) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(struct.pack(">II", *lengths))  # and more to come
    with pytest.raises(DeskError, match="too long"):
        await read_frame(reader, max_blob=MAX_FILE, seconds=1.0)


async def test_wire_rule_3_a_frame_that_is_never_finished_is_given_up() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\0\0")  # and nothing more, for ever
    with pytest.raises(DeskError, match="whole"):
        await read_frame(reader, max_blob=MAX_FILE, seconds=0.0)


# -- a child, as `pli run` starts it --------------------------------------------------------------------------------


@pytest.fixture
async def desk(home: Installation) -> AsyncIterator[DeskClient]:
    hire(home)
    client = home.desk()
    yield client
    await client.close()


def child_of(desk: DeskClient) -> asyncio.subprocess.Process:
    assert desk._link is not None
    assert desk._link.child is not None
    return desk._link.child


async def test_a_child_does_what_the_room_asks_for(desk: DeskClient, home: Installation) -> None:
    assert await desk.alive() is True
    added = await desk.order(order("Patient ajouter P-1 nom « Léa ».", ADMINISTRATOR))
    assert "rôle (administrateur)" in added.texts[0]
    added = await desk.order(order("Patient ajouter P-1 nom « Léa »."))
    assert added.texts == ("Ajouté : P-1. Ensuite : inviter P-1, puis importer l’agenda.",)
    assert added.private
    invited = await desk.order(order("inviter P-1"))
    assert "code : " in invited.texts[0]
    assert await desk.order(order("patients", ADMINISTRATOR)) == StaffReply(
        texts=("• P-1 · Léa\n  prévenus 1 · prêts 0",), private=True
    )
    assert staff_audit(home) == [
        ("staff_refused", ADMINISTRATOR, "patient add"),
        ("staff_act", SECRETARY, "patient add"),
        ("staff_act", SECRETARY, "invite"),
        ("staff_act", ADMINISTRATOR, "patients"),
    ]
    assert verify_audit(home.engine, home.audit_chain, home.vault) == 6, "with those of the services"


async def test_rule_3_nothing_that_was_typed_is_kept(desk: DeskClient, home: Installation) -> None:
    await desk.order(order("patients canary-typed"))
    await desk.order(order("canary-typed is unknown"))
    stored = b"".join(p.read_bytes() for p in home.settings.folder.rglob("*") if p.is_file())
    assert b"canary" not in stored


async def test_a_file_over_the_limit_is_not_even_sent(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_AGENDA__MAX_BYTES", "100")
    desk = Installation.at(home.settings.folder / FILE_NAME).desk()
    file = StaffFile(name="a.ics", media_type="text/calendar", data=b"x" * 101)
    with pytest.raises(DeskError, match="too large"):
        await desk.order(order("", file=file))
    assert desk._link is None


async def test_rule_2_the_same_order_is_never_carried_out_twice(desk: DeskClient, home: Installation) -> None:
    first = order("inviter P-1")
    await desk.order(order("patient ajouter P-1"))
    told = await desk.order(first)
    assert await desk.order(first) == told, "the answer that was lost on the way is given again"
    await desk.order(order("aide"))
    again = await desk.order(first)
    assert "pas exécutée deux fois" in again.texts[0]
    child = child_of(desk)
    await desk.close()
    assert child.returncode == 0
    assert "pas exécutée deux fois" in (await desk.order(first)).texts[0], "nor by another process"
    with home.uow() as uow:
        assert len(uow.recipients.all()) == 1


async def test_a_child_that_is_killed_is_away_and_comes_back(desk: DeskClient) -> None:
    await desk.alive()
    child_of(desk).kill()
    await child_of(desk).wait()
    with pytest.raises(DeskError) as away:
        await desk.order(order("patients"))
    assert away.value.mend
    assert (await desk.order(order("patients"))).texts


async def test_a_child_ends_with_its_parent(desk: DeskClient) -> None:
    """Rule 4: nobody closes anything; the parent's end of the connection is gone with it."""
    await desk.alive()
    link = desk._link
    assert link is not None
    link.writer.transport.abort()
    assert await asyncio.wait_for(child_of(desk).wait(), 30) == 0


async def test_a_parent_that_is_killed_takes_its_child_along(home: Installation) -> None:
    hire(home)
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from bot.app import Installation\n"
        "async def main():\n"
        "    desk = Installation.at(Path(sys.argv[1])).desk()\n"
        "    await desk.alive()\n"
        "    print(desk._link.child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(home.settings.folder / FILE_NAME)), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 60))
    assert _runs(pid)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not _runs(pid)

    await until(gone, "the desk to end")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_a_child_leaves_signals_to_its_parent(desk: DeskClient, sign: signal.Signals) -> None:
    """A Ctrl-C reaches both: what the parent is still waiting for is finished."""
    await desk.alive()
    child_of(desk).send_signal(sign)
    assert (await desk.order(order("aide"))).texts
    assert child_of(desk).returncode is None


async def test_without_the_import_sides_keys_there_is_no_desk(home: Installation) -> None:
    hire(home)
    (home.settings.folder / "import" / "signer.key").unlink()
    desk = home.desk()
    with pytest.raises(DeskError):
        await desk.alive()
    await desk.close()


class Mortal:
    """A desk that is killed the moment before its n-th commit."""

    def __init__(self, home: Installation, commits: int) -> None:
        self._home, self._commits = home, commits

    async def connect(self) -> Link:
        ours, theirs = socket.socketpair()
        program = (
            "import os, signal, sys\n"
            "from storage.unit_of_work import SqlUnitOfWork\n"
            "left, commit = [int(sys.argv.pop(1))], SqlUnitOfWork.commit\n"
            "def dying(self):\n"
            "    left[0] -= 1\n"
            "    if left[0] < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
            "    commit(self)\n"
            "SqlUnitOfWork.commit = dying\n"
            "from bot.cli.main import run_and_exit\n"
            "run_and_exit()\n"
        )
        with theirs:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program, str(self._commits)),
                *("--config", str(self._home.settings.folder), "desk", "--inherited", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return Link(reader=reader, writer=writer, child=child)


@pytest.mark.parametrize("commits", range(3))
async def test_rule_2_killed_in_the_middle_an_order_is_done_at_most_once(
    home: Installation, commits: int
) -> None:
    """Before it is noted: nothing is done, and it is done when it is said again. After: it is not done again."""
    hire(home)
    with home.uow() as uow:
        uow.commit()
    mortal = DeskClient(Mortal(home, commits).connect, max_file=MAX_FILE)
    asked = order("patient ajouter P-1")
    if commits < 2:
        with pytest.raises(DeskError):
            await mortal.order(asked)
    else:
        assert "Ajouté" in (await mortal.order(asked)).texts[0]
    await mortal.close()
    desk = home.desk()
    told = (await desk.order(asked)).texts[0]
    await desk.close()
    assert ("Ajouté" in told) is (commits == 0)
    assert ("pas exécutée deux fois" in told) is (commits > 0)
    with home.uow() as uow:
        assert (uow.patients.by_reference("P-1") is not None) is (commits != 1)
    acts = [row for row in staff_audit(home) if row[0] == "staff_act"]
    assert acts == [("staff_act", SECRETARY, "patient add")], "noted once, whatever became of it"
    verify_audit(home.engine, home.audit_chain, home.vault)


# -- a desk that listens --------------------------------------------------------------------------------------------


class Listening:
    """``pli desk`` behind a socket."""

    def __init__(self, home: Installation) -> None:
        self.home = home
        self.path = home.settings.folder / "desk.sock"
        self.environment = {"PLI_STAFF__DESK_SOCKET": "desk.sock"}

    def start(self, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bot", "--config", str(self.home.settings.folder), "desk"],
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def client(self) -> DeskClient:
        return DeskClient(to_socket(self.path), max_file=MAX_FILE)

    async def ready(self) -> None:
        await until(_made(self.path), "the socket")


@pytest.fixture
def listening(home: Installation) -> Listening:
    hire(home)
    return Listening(home)


@pytest.fixture
def running(listening: Listening) -> Iterator[subprocess.Popen[str]]:
    process = listening.start()
    yield process
    process.kill()
    process.communicate()


async def test_a_desk_that_listens(listening: Listening, running: subprocess.Popen[str]) -> None:
    await listening.ready()
    mode = listening.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    client = listening.client()
    assert await client.alive() is True
    assert "Aucun patient" in (await client.order(order("patients"))).texts[0]
    second = listening.start()
    assert second.wait(60) == 1
    assert "listens there already" in second.communicate()[1]
    await client.close()
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0
    assert not listening.path.exists()


async def test_what_a_killed_desk_left_is_taken_away(
    listening: Listening, running: subprocess.Popen[str]
) -> None:
    await listening.ready()
    running.kill()
    running.wait(30)
    assert listening.path.exists()
    again = listening.start()
    client = listening.client()

    async def answers() -> bool:
        with contextlib.suppress(DeskError):
            return await client.alive()
        return False

    await until(answers, "the new desk")
    await client.close()
    again.kill()
    again.communicate()


async def test_rule_2_bad_frames_end_their_connection_and_nothing_else(
    listening: Listening, running: subprocess.Popen[str]
) -> None:
    await listening.ready()
    assert running.poll() is None
    bad = [
        struct.pack(">II", MAX_JSON + 1, 0),
        struct.pack(">II", 2, 2**31) + b"{}",
        struct.pack(">II", 4, 0) + b"[[[[",
        Frame(head={"do": "shutdown"}).encode(),
        Frame(head={**GOOD, "more": 1}).encode(),
        order_frame(order("patients")).encode()[:20],
    ]
    for data in bad:
        reader, writer = await asyncio.open_unix_connection(listening.path)
        writer.write(data)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 30) == b"", "no answer, and the end"
        writer.close()
    client = listening.client()
    assert await client.alive() is True
    await client.close()


async def test_a_file_that_is_no_socket_is_left_alone(listening: Listening) -> None:
    listening.path.write_text("mine")
    process = listening.start()
    assert process.wait(60) == 1
    assert "mend: " in process.communicate()[1]
    assert listening.path.read_text() == "mine"


@pytest.mark.parametrize(
    "environment",
    [
        {"PLI_STAFF__DESK_GROUP": "no-such-group"},
        {"PLI_STAFF__DESK_USERS": '["no-such-account"]'},
        {"PLI_STAFF__DESK_SOCKET": "nowhere/desk.sock"},
        {"PLI_STAFF__DESK_SOCKET": ""},
    ],
)
def test_settings_that_cannot_work(listening: Listening, environment: dict[str, str]) -> None:
    process = listening.start(**environment)
    assert process.wait(60) in (1, 2)
    assert "mend: " in process.communicate()[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take another account")
async def test_rule_1_another_account_gets_no_answer(listening: Listening, tmp_path: Path) -> None:
    """The kernel says who connects; the file's mode would have kept it out as well, so it is opened here."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    process = listening.start(PLI_STAFF__DESK_SOCKET=str(folder / "desk.sock"))
    await until(_made(folder / "desk.sock"), "the socket")
    (folder / "desk.sock").chmod(0o666)
    answers = [
        await asyncio.to_thread(_connect_as, uid, folder) for uid in (pwd.getpwnam("nobody").pw_uid, 0)
    ]
    process.kill()
    process.communicate()
    assert answers == ["0", "10"]


def _made(path: Path) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return os.access(path, os.F_OK)

    return there


def _connect_as(uid: int, folder: Path) -> str:
    """How many bytes come back. The folder is entered before the account is taken: those above it may be closed."""
    program = (
        "import os, socket, sys\n"
        "os.chdir(sys.argv[1]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))\n"
        "s = socket.socket(socket.AF_UNIX); s.connect('desk.sock')\n"
        "try:\n"
        "    s.sendall(bytes.fromhex(sys.argv[3])); s.shutdown(socket.SHUT_WR)\n"
        "    print(len(s.recv(10)))\n"
        "except ConnectionError:\n"  # closed while we were still speaking
        "    print(0)\n"
    )
    frame = Frame(head={"do": "alive"}).encode().hex()
    return subprocess.run(
        [sys.executable, "-c", program, str(folder), str(uid), frame],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


def test_accounts_by_name_and_number() -> None:
    me = os.geteuid()
    assert allowed_accounts(()) == {me}
    assert allowed_accounts(["nobody", "4711"]) == {me, 4711, pwd.getpwnam("nobody").pw_uid}
    with pytest.raises(WrongUse):
        allowed_accounts(["no-such-account"])


# -- the server, in this process ------------------------------------------------------------------------------------


async def ask(server: DeskServer, *frames: Frame) -> list[dict[str, Any]]:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    served = asyncio.create_task(server.serve(reader, writer))
    mine, out = await asyncio.open_unix_connection(sock=ours)
    for frame in frames:
        out.write(frame.encode())
    out.write_eof()
    found = []
    while (answer := await read_frame(mine, max_blob=MAX_FILE)) is not None:
        found.append(answer.head)
    await served
    out.close()
    return found


async def test_rule_3_orders_wait_for_one_another_and_not_for_ever() -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_: StaffOrder) -> StaffReply:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()
        return StaffReply(texts=("done",))

    server = DeskServer(slow, {}, max_file=MAX_FILE, busy=0.1)
    first = asyncio.create_task(ask(server, order_frame(order("x"))))
    await begun.wait()
    assert await ask(server, Frame(head={"do": "alive"})) == [{"error": "failed"}]
    go.set()
    assert (await first)[0]["texts"] == ["done"]
    assert (await ask(server, Frame(head={"do": "alive"})))[0]["texts"] == []


@pytest.mark.parametrize("error", [StorageError("canary"), RuntimeError("canary"), Refused("canary")])
async def test_whatever_fails_is_no_answer_and_no_end(error: Exception) -> None:
    def fails(_: StaffOrder) -> StaffReply:
        raise error

    server = DeskServer(fails, {}, max_file=MAX_FILE)
    found = await ask(server, order_frame(order("x")), Frame(head={"do": "alive"}))
    assert found[0] == {"error": "failed"}
    assert found[1]["texts"] == []


async def test_what_else_may_be_asked_is_named() -> None:
    server = DeskServer(
        lambda _: StaffReply(), {"morning": lambda _: StaffReply(texts=("3",))}, max_file=MAX_FILE
    )
    assert (await ask(server, Frame(head={"do": "morning"})))[0]["texts"] == ["3"]
    assert await ask(server, Frame(head={"do": "night"}), Frame(head={"do": "morning"})) == []


async def test_an_answer_that_comes_too_late_is_never_the_next_ones(tmp_path: Path) -> None:
    """Rule 3 of the client."""
    connections = 0

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_frame(reader, max_blob=MAX_FILE)
        if connections > 1:
            writer.write(reply_frame(StaffReply(texts=("second",))).encode())
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(late, tmp_path / "s"):
        client = DeskClient(to_socket(tmp_path / "s"), max_file=MAX_FILE, seconds=0.2)
        with pytest.raises(DeskError):
            await client.alive()
        client._seconds = 30.0
        assert (await client.order(order("x"))).texts == ("second",)
        await client.close()


async def test_a_desk_that_is_not_there(tmp_path: Path) -> None:
    client = DeskClient(to_socket(tmp_path / "none"), max_file=MAX_FILE)
    with pytest.raises(DeskError) as away:
        await client.alive()
    assert "pli desk" in away.value.mend
    await client.close()


async def test_stopping_takes_the_socket_away(tmp_path: Path) -> None:
    stopping = asyncio.Event()
    server = DeskServer(lambda _: StaffReply(), {}, max_file=MAX_FILE)
    path = tmp_path / "s"
    task = asyncio.create_task(serve_socket(server, path, group="", users=(), stopping=stopping))
    client = DeskClient(to_socket(path), max_file=MAX_FILE)

    async def alive() -> bool:
        with contextlib.suppress(DeskError):
            return await client.alive()
        return False

    await until(alive, "the server")
    await client.close()
    stopping.set()
    await task
    assert not path.exists()


async def test_who_connects_is_asked_of_the_kernel() -> None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_unix_connection(sock=ours)
    assert peer_of(writer) == os.geteuid()
    writer.close()
    theirs.close()


def test_inherited_names_a_socket(home: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "--config", str(home.settings.folder), "desk", "--inherited", "99"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "mend: " in done.stderr
