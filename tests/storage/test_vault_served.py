"""The vault in a process of its own: the same contract as in one process, and what only a socket can do wrong."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.domain.values import RecipientId
from bot.errors import KeyDestroyed, Refused, StaleGeneration, StorageError, WrongSecret
from storage.vault import TRIES, Noted, Now
from storage.vault_file import create_vault
from storage.vault_remote import RemoteVault
from storage.vault_server import VaultServer
from storage.vault_wire import LONGEST, receive, send
from tests.storage import test_vault, vault_rig
from tests.storage.vault_rig import CODE, KEY, PIN, WHO, HandClock, InMemory, h, raw

_INSIDE = {  # these reach behind the interface
    "test_destroying_forgets_what_a_killed_process_had_typed",
    "test_rule_1_the_count_is_on_the_disk_before_the_comparison",
    "test_rule_11_what_somebody_else_counted_in_between_is_noted_first",
}
CONTRACT = [
    test
    for name, test in inspect.getmembers(test_vault, inspect.isfunction)
    if name.startswith("test_") and name not in _INSIDE and not hasattr(test, "pytestmark")
]


class Served:
    """Vaults as the tests make them, each behind a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, itertools.count()
        self.servers: list[VaultServer] = []
        self.asked = False

    def __call__(self, path: Path, clock: Now, noted: Noted) -> RemoteVault:
        self.asked = True
        where = self._folder / f"{next(self._number)}.sock"
        server = VaultServer(path, where, clock)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.servers.append(server)
        return RemoteVault(where, noted)


@pytest.fixture
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="pli-") as folder:  # a socket's path is short
        made = Served(Path(folder))
        yield made
        for server in made.servers:
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize("test", CONTRACT, ids=lambda test: test.__name__)
def test_the_contract(
    test: Callable[..., None], served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (test_vault, vault_rig):
        monkeypatch.setattr(module, "Vault", served)
    wanted = inspect.signature(test).parameters
    test(
        **{
            name: value
            for name, value in (("tmp_path", tmp_path), ("monkeypatch", monkeypatch))
            if name in wanted
        }
    )
    assert served.asked or "Vault" not in inspect.getsource(test)


@pytest.fixture
def vault(served: Served, tmp_path: Path) -> RemoteVault:
    """With WHO at generation 1 under PIN."""
    create_vault(tmp_path / "vault.db")
    made = served(tmp_path / "vault.db", HandClock(), InMemory())
    made.create(WHO, KEY, CODE)
    made.commit(WHO, KEY, made.unlock_and_stage(WHO, KEY, 0, CODE, PIN).generation)
    return made


def _stream(vault: RemoteVault) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(10)
    stream.connect(vault._path)
    return stream


def _ended(stream: socket.socket) -> bool:
    with contextlib.suppress(ConnectionResetError):
        return stream.recv(1) == b""
    return True


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\x00",
        struct.pack(">I", LONGEST + 1) + b"{}",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 3) + b"{\xff}",
        struct.pack(">I", 4000) + b"[" * 4000,
        *(
            struct.pack(">I", len(body)) + body
            for body in (
                b'{"call": "_count", "with": []}',
                b'{"call": "unlock", "with": ["r-1", "k-1", true, "00"]}',
                b'{"call": "unlock", "with": ["r-1", "k-1", 1, "no hex"]}',
                b'{"call": "unlock", "with": ["r-1", "k-1", 1]}',
                b'{"call": ["unlock"], "with": {}}',
                b'{"call": "set_anchor", "with": [1.5, ""]}',
            )
        ),
    ],
)
def test_rule_3_nonsense_ends_its_own_call_alone(vault: RemoteVault, tmp_path: Path, nonsense: bytes) -> None:
    before = raw(tmp_path, "SELECT * FROM recipient")
    with _stream(vault) as stream:
        stream.sendall(nonsense)
        stream.shutdown(socket.SHUT_WR)
        assert _ended(stream)
    assert raw(tmp_path, "SELECT * FROM recipient") == before
    assert vault.unlock(WHO, KEY, 1, PIN)


def test_rule_3_a_caller_that_waits_keeps_nobody_out(vault: RemoteVault, tmp_path: Path) -> None:
    with _stream(vault) as slow:
        send(slow, {"call": "unlock", "with": [WHO, KEY, 1, h(1).reveal().hex()]})
        assert "note" in receive(slow)  # and says nothing more
        assert vault.unlock(WHO, KEY, 1, PIN)
    assert raw(tmp_path, "SELECT wrong FROM recipient") == [(0,)]


@pytest.mark.parametrize("answer", [{"noted": "much"}, {"noted": True}, {"noted": 1.0}, {}])
def test_rule_2_nothing_is_compared_before_the_caller_has_noted(
    vault: RemoteVault, tmp_path: Path, answer: dict[str, object]
) -> None:
    with _stream(vault) as stream:
        send(stream, {"call": "unlock", "with": [WHO, KEY, 1, PIN.reveal().hex()]})
        frame = receive(stream)
        while "note" in frame and frame["serial"] >> 32 == 0:  # as before: the attempt is not counted yet
            send(stream, {"noted": frame["serial"]})
            frame = receive(stream)
        assert frame["serial"] >> 32 == 1
        assert raw(tmp_path, "SELECT wrong FROM recipient") == [(1,)]
        send(stream, answer)
        assert receive(stream)["error"] in {"StorageError", "StaleGeneration"}
    assert vault.unlock(WHO, KEY, 1, PIN)
    assert vault.tries_left(WHO) == TRIES


def test_a_refusal_of_the_database_reaches_the_caller_and_costs_no_right_pin(
    served: Served, tmp_path: Path, vault: RemoteVault
) -> None:
    def refuses(recipient: RecipientId, serial: int) -> int:  # noqa: ARG001 - the protocol's names
        raise StorageError("locked")

    def unknown(recipient: RecipientId, serial: int) -> int:  # noqa: ARG001 - as above
        raise StaleGeneration

    for noted, error in ((refuses, StorageError), (unknown, StaleGeneration)):
        with pytest.raises(error):
            served(tmp_path / "vault.db", HandClock(), noted).unlock(WHO, KEY, 1, PIN)
    assert vault.tries_left(WHO) == TRIES


def test_many_at_once_buy_no_eleventh_guess(vault: RemoteVault) -> None:
    """Rule 10, over the socket: threads as many callers; waits keep most of them from being counted at all."""
    start = threading.Barrier(8)
    found: list[str] = []

    def guess(number: int) -> None:
        start.wait()
        for each in range(4):
            try:
                vault.unlock(WHO, KEY, 1, h(number * 10 + each))
            except (WrongSecret, Refused) as refusal:
                found.append(type(refusal).__name__)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 32
    assert 1 <= found.count("WrongSecret") <= 4  # then a wait of a minute runs, and the clock stands still
    assert vault.tries_left(WHO) == TRIES - found.count("WrongSecret")


def test_rule_1_the_socket_is_private_from_its_first_moment(served: Served, tmp_path: Path) -> None:
    create_vault(tmp_path / "vault.db")
    where = served._folder / "one.sock"
    for mode in (0o660, 0o600):
        server = VaultServer(tmp_path / "vault.db", where, HandClock(), mode=mode)
        assert stat.S_IMODE(where.stat().st_mode) == mode
        server.server_close()  # as after a kill: the socket stays, and nobody serves it


def test_a_second_server_or_a_file_in_the_way_is_refused(
    served: Served, tmp_path: Path, vault: RemoteVault
) -> None:
    with pytest.raises(Refused, match="served there already"):
        VaultServer(tmp_path / "vault.db", Path(vault._path), HandClock())
    (served._folder / "file").write_text("mine")
    with pytest.raises(Refused, match="something else"):
        VaultServer(tmp_path / "vault.db", served._folder / "file", HandClock())
    assert (served._folder / "file").read_text() == "mine"
    with pytest.raises(StorageError, match="cannot be made"):
        VaultServer(tmp_path / "vault.db", served._folder / ("x" * 200), HandClock())
    with pytest.raises(StorageError):
        VaultServer(tmp_path / "gone.db", served._folder / "s", HandClock())


@pytest.mark.parametrize(
    "answer", [b"", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x0f" + b'{"error": "Odd"}'[:15]]
)
def test_rule_1_a_vault_that_is_away_or_talks_nonsense_refuses(answer: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pli-") as folder:
        where = Path(folder) / "s"
        nobody = RemoteVault(where, InMemory())
        with pytest.raises(StorageError, match="does not answer"):
            nobody.known(WHO)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(str(where))
            listening.listen()

            def odd() -> None:
                with listening.accept()[0] as stream:
                    receive(stream)
                    stream.sendall(answer)

            thread = threading.Thread(target=odd)
            thread.start()
            with pytest.raises(StorageError, match="does not answer"):
                nobody.unlock(WHO, KEY, 1, PIN)
            thread.join()


def test_pli_vault_serves_stops_and_is_replaced_after_a_kill(tmp_path: Path) -> None:
    """The commands, as processes."""
    with tempfile.TemporaryDirectory(prefix="pli-") as folder:
        file, where = tmp_path / "vault.db", Path(folder) / "s"

        def pli(*words: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-m", "bot", "vault", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )

        assert pli("create", str(file)).wait() == 0
        assert pli("create", str(file)).wait() == 1
        assert pli("upgrade", str(file)).wait() == 0
        vault = RemoteVault(where, InMemory())
        for ending in (signal.SIGKILL, signal.SIGTERM):
            running = pli("run", str(file), "--socket", str(where))
            assert running.stdout is not None
            assert b"serving" in running.stdout.readline()
            if ending is signal.SIGKILL:
                vault.create(WHO, KEY, CODE)
            else:
                vault.destroy(WHO)
                with pytest.raises(KeyDestroyed):
                    vault.unlock(WHO, KEY, 0, CODE)
            os.kill(running.pid, ending)
            running.communicate()
            assert running.returncode == (-9 if ending is signal.SIGKILL else 0)
        assert not where.exists()
