"""``pli homeserver check`` on what others write: a stock Synapse, as its file and as it runs, shows its faults."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from bot.homeserver.outside import look
from tests.homeserver.plans import DOMAIN, plan, written
from tests.journey.practice import free_port, run_here

# Faults that a stock configuration has by itself.
STOCK_FAULTS = {
    *("federation", "listeners", "key-servers", "encryption", "directory", "profiles", "profiles-shared"),
    *(
        "display-names",
        "contacts",
        "room-list",
        "presence",
        "push-content",
        "redaction",
        "retention",
        "public-url",
    ),
    *("log", "file-modes"),
}
STOCK_WARNINGS = {"room-publication", "search", "addresses", "left-rooms", "passwords"}
# What a stranger sees of it where no proxy stands in front.
STOCK_OUTSIDE = {"out-tls", "out-admin", "out-federation", "out-profiles", "out-plain"}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--generate-config`` writes."""
    folder = tmp_path_factory.mktemp("stock")
    folders = ("--config-directory", str(folder), "--data-directory", str(folder))
    before = os.umask(0o022)
    try:
        _synapse(
            folder, "--generate-config", "--report-stats=no", "--server-name", "example.org", *folders
        ).wait(120)
    finally:
        os.umask(before)
    return folder / "homeserver.yaml"


def _synapse(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "synapse.app.homeserver", "-c", str(folder / "homeserver.yaml")),
            *options,
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def _running(stock: Path) -> Iterator[str]:
    """With another port, and an address of IPv4 alone."""
    port = free_port()
    text = stock.read_text().replace("port: 8008", f"port: {port}").replace("    - ::1\n", "")
    stock.with_name("homeserver.yaml").write_text(text)
    process = _synapse(stock.parent)
    end = time.monotonic() + 90
    try:
        while not _healthy(port):
            assert process.poll() is None, "it ended"
            assert time.monotonic() < end, "it did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _healthy(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _levels(out: list[dict[str, object]], level: str) -> set[object]:
    return {each["id"] for each in out if not each["ok"] and each["level"] == level}


def test_a_stock_configuration_shows_its_faults(stock: Path) -> None:
    done = run_here("homeserver", "check", "--config", str(stock), "--json")
    assert done.code == 1
    assert _levels(done.json(), "fault") == STOCK_FAULTS
    assert _levels(done.json(), "warning") == STOCK_WARNINGS
    assert all(each["mend"] for each in done.json() if not each["ok"])


def test_a_stock_server_shows_its_faults_from_outside(stock: Path) -> None:
    with _running(stock) as url:
        done = run_here(
            "homeserver", "check", "--url", url, "--plain-url", url, "--domain", "example.org", "--json"
        )
    assert done.code == 1
    assert _levels(done.json(), "fault") >= STOCK_OUTSIDE
    found = {each["id"]: each["found"] for each in done.json()}
    assert found["out-admin"] == "answers at /_synapse/admin/v1/register"
    assert found["out-registration"] == "closed"
    assert found["out-push"] == "not tried"


def test_what_init_writes_is_green_and_says_so(tmp_path: Path) -> None:
    written(plan(tmp_path))
    done = run_here("homeserver", "check", "--config", str(tmp_path))
    assert (done.code, "0 fault(s)" in done.out) == (0, True)
    shown = run_here("homeserver", "check", "--config", str(tmp_path), "--all")
    assert shown.out.count("✓") >= 34


def test_warnings_alone_have_an_exit_code_of_their_own(tmp_path: Path) -> None:
    written(plan(tmp_path))
    file = tmp_path / "homeserver.yaml"
    file.write_text(file.read_text().replace("enable_search: false", "enable_search: true"))
    done = run_here("homeserver", "check", "--config", str(file))
    assert done.code == 3
    assert "enable_search: false" in done.out


@pytest.mark.parametrize("columns", ["80", "140"])
def test_what_is_to_be_written_can_be_copied(
    stock: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """At the width of a plain terminal nothing is broken in the middle of a word."""
    monkeypatch.setenv("COLUMNS", columns)
    done = run_here("homeserver", "check", "--config", str(stock))
    assert "presence: {enabled: false}" in done.out
    assert "limit_profile_requests_to_users_who_share_rooms: true" in done.out
    assert "encryption_enabled_by_default_for_room_type: all" in done.out


def test_wrong_use_is_told(tmp_path: Path) -> None:
    for arguments in (
        (),
        ("--config", str(tmp_path / "nothing.yaml")),
        ("--url", "example.org"),
        ("--url", "ftp://example.org"),
    ):
        done = run_here("homeserver", "check", *arguments)
        assert done.code == 2, arguments
        assert "mend" in done.err
    (tmp_path / "secret.yaml").write_text("registration_shared_secret: [telltale")
    done = run_here("homeserver", "check", "--config", str(tmp_path / "secret.yaml"))
    assert done.code == 2
    assert "telltale" not in done.out + done.err
    nobody = run_here("homeserver", "check", "--url", f"http://127.0.0.1:{free_port()}")
    assert nobody.code == 1
    assert "nobody answers" in nobody.err


def test_the_practices_file_and_synapses_are_told_apart(tmp_path: Path) -> None:
    """``--config`` before the command is the practice's, behind ``homeserver check`` it is Synapse's."""
    written(plan(tmp_path / "homeserver"))
    assert run_here("init", str(tmp_path / "practice")).code == 0
    both = (
        "--config",
        str(tmp_path / "practice"),
        "homeserver",
        "check",
        "--config",
        str(tmp_path / "homeserver"),
    )
    assert run_here(*both).code == 0
    elsewhere = run_here("patient", "list", "--config", str(tmp_path / "practice"))
    assert elsewhere.code == 0, "any other command takes it anywhere"


def test_rule_1_paths_go_out_byte_for_byte() -> None:
    """Else a proxy that is fooled would not be seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        lines: list[bytes] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    lines.append(connection.recv(4096).split(b"\r\n")[0])
                    connection.sendall(b"HTTP/1.1 404 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        look(f"http://127.0.0.1:{port}", domain=DOMAIN, bot="b", plain_url=f"http://127.0.0.1:{port}")
        server.close()
    for path in (b"//_synapse/admin/v1/register", b"/_matrix/client/../../_synapse/admin/v1/register"):
        assert b"GET " + path + b" HTTP/1.1" in lines
    assert not [line for line in lines if not line.startswith((b"GET ", b"POST /_matrix/client/v3/register"))]
