"""A Synapse of one's own in one folder: written, started, watched, stopped.

Rules (the tests cite the numbers):

1. Everything (database, media, signing key, secrets, logs) is inside the folder, mode 0700, its files 0600.
2. A second start on the folder finds the same accounts, keys and secrets; another server name is refused.
3. One process a folder: the lock is inherited by the homeserver itself and lives as long as it does.

The interface blocks; asynchronous callers use ``asyncio.to_thread``.
"""

from __future__ import annotations

import base64
import fcntl
import http.client
import importlib.util
import json
import os
import secrets as entropy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.domain.values import Secret
from bot.errors import Refused, StorageError, WrongUse
from bot.homeserver.settings import ServerOptions, ServerSecrets, log_settings, synapse_settings

_CONFIG = "homeserver.json"
_SECRET_FIELDS = ("registration_shared_secret", "macaroon_secret_key", "form_secret")


def require_synapse() -> None:
    """Raise :class:`Refused` where the package ``matrix-synapse`` is not installed."""
    if importlib.util.find_spec("synapse") is None:
        raise Refused(
            "the homeserver's software is not installed",
            mend='install it with the extra "homeserver": pip install "pli[homeserver]"',
        )


class EmbeddedHomeserver:
    """One homeserver in one folder.

    ``port`` 0 takes any free port, anew at each start. :attr:`url` holds once :meth:`start` has returned.
    """

    def __init__(self, folder: Path, *, port: int = 0, options: ServerOptions | None = None) -> None:
        if not 0 <= port <= 65535:
            raise WrongUse("a port lies between 0 and 65535")
        self.folder = folder.absolute()
        self.options = options or ServerOptions()
        self._wanted_port = port
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def server_name(self) -> str:
        return self.options.server_name

    @property
    def url(self) -> str:
        """Base address of the client API, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def registration_secret(self) -> Secret:
        """The secret with which accounts are made; read from the configuration of the last start."""
        return _read_secrets(self.folder / _CONFIG).registration

    def start(self, *, deadline_seconds: float = 90.0) -> None:
        """Write the configuration, start, return once ``/health`` answers.

        Raises :class:`Refused` where Synapse is missing, the folder is in use or belongs to another server
        name, the port is taken, or the homeserver ends or does not answer before the deadline;
        :class:`StorageError` where the folder cannot be written.
        """
        if self.running:
            return
        require_synapse()
        try:
            self._hold_lock()
            self._port = _reserve(self._wanted_port)
            self._write_configuration()
            self._process = self._spawn()
        except OSError as error:
            raise StorageError(
                "the homeserver's folder cannot be written", mend="check the folder's owner and mode"
            ) from error
        finally:
            self._release_lock()  # a homeserver that was started holds its own copy (rule 3)
        self._wait_until_healthy(deadline_seconds)

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """The exit code once the homeserver has ended by itself; None while it runs on after the time-out."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *, grace_seconds: float = 30.0) -> None:
        """SIGTERM, then SIGKILL after the grace. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _hold_lock(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                "a homeserver is already running on this folder", mend="stop the other one first"
            ) from None

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write_configuration(self) -> None:
        config = self.folder / _CONFIG
        if config.exists():
            if _read(config).get("server_name") != self.server_name:
                raise Refused(
                    "this folder belongs to a homeserver of another name",
                    mend="use the name it was made with, or an empty folder",
                )
            kept = _read_secrets(config)
        else:
            kept = ServerSecrets(registration=_new_secret(), macaroon=_new_secret(), form=_new_secret())
        key = self.folder / "signing.key"
        if not key.exists():
            seed = base64.b64encode(entropy.token_bytes(32)).decode().rstrip("=")
            _write(key, f"ed25519 a_{entropy.token_hex(3)} {seed}\n")
        _write(
            self.folder / "log.yaml", json.dumps(log_settings(self.folder, options=self.options), indent=1)
        )
        settings = synapse_settings(self.folder, port=self._port, secrets=kept, options=self.options)
        _write(config, json.dumps(settings, indent=1))

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "synapse.app.homeserver", "-c", str(self.folder / _CONFIG)]
        environment = dict(os.environ)
        if self.options.allow_loopback_push:
            environment.update({"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"})
        assert self._lock is not None  # noqa: S101 - start() takes the lock first; this narrows the type
        with os.fdopen(_private(self.folder / "start.log"), "wb") as out:
            return subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments, no shell
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                umask=0o077,
                pass_fds=(self._lock,),
                start_new_session=True,  # Ctrl-C in a terminal reaches us, and we stop it in order
            )

    def _wait_until_healthy(self, deadline_seconds: float) -> None:
        end = time.monotonic() + deadline_seconds
        while not _healthy(self._port):
            if not self.running or time.monotonic() > end:
                self.stop()
                raise Refused("the homeserver did not start", mend="start.log in its folder says why")
            time.sleep(0.1)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reserve(wanted: int) -> int:
    """A port that is free now. Another's ``/health`` must not pass for ours."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise Refused(
                "the homeserver's port is taken", mend="choose another port, or 0 for any"
            ) from None
        port: int = probe.getsockname()[1]
        return port


def _new_secret() -> Secret:
    return Secret(entropy.token_urlsafe(32))


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _write(path: Path, text: str) -> None:
    """Replace the file at once, so that a crash leaves the old one or the new one."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(_private(fresh), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def _read(config: Path) -> Mapping[str, object]:
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged() from error
    if not isinstance(settings, dict):
        raise _damaged()
    return settings


def _read_secrets(config: Path) -> ServerSecrets:
    settings = _read(config)
    found = [value for field in _SECRET_FIELDS if isinstance(value := settings.get(field), str)]
    if len(found) != len(_SECRET_FIELDS):
        raise _damaged()
    registration, macaroon, form = (Secret(value) for value in found)
    return ServerSecrets(registration=registration, macaroon=macaroon, form=form)


def _damaged() -> StorageError:
    return StorageError(
        "the homeserver's configuration is missing or damaged",
        mend="start it once, or put back homeserver.json",
    )
