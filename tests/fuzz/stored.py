"""Files that others can write or that break: settings, the device's private files, the vault, the practice's keys."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from bot.channels.matrix.channel import FileSyncStore
from bot.channels.matrix.files import read_private
from bot.channels.matrix.session import Seeds, load_session
from bot.errors import Refused, StorageError, WrongUse
from bot.services.record_answer import read_content
from config.settings import FILE_NAME, load
from storage.vault import Vault
from storage.vault_file import create_vault
from tests.fuzz.kind import Parser
from tests.storage.vault_rig import CODE, KEY, PIN, WHO, HandClock, InMemory

_KEPT: tempfile.TemporaryDirectory[str] = tempfile.TemporaryDirectory(
    prefix="pli-fuzz-"
)  # until the process ends
_FOLDER = Path(_KEPT.name)


def _file(name: str, data: bytes) -> Path:
    path = _FOLDER / name
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return path


def _read_from(name: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    def parse(data: bytes) -> None:
        _file(name, data)
        read(_FOLDER)

    return parse


def _sync_token(folder: Path) -> None:
    token = asyncio.run(FileSyncStore(folder).load())
    assert token is None or token.encode()


def _vault(data: bytes) -> None:
    """A vault that somebody wrote in answers or refuses; it never gives more than ten tries."""
    vault = Vault(_file("vault.db", data), HandClock(), InMemory())
    vault.anchor()
    for secret in (CODE, PIN):
        try:
            vault.unlock(WHO, KEY, 0, secret)
        except Refused:
            continue


def _new_vault() -> Sequence[bytes]:
    path = _FOLDER / "new.db"
    path.unlink(missing_ok=True)
    create_vault(path)
    empty = path.read_bytes()
    Vault(path, HandClock(), InMemory()).create(WHO, KEY, CODE)
    return empty, path.read_bytes()


def _seeds(**given: str) -> Callable[[], Sequence[bytes]]:
    return lambda: (json.dumps(given).encode(), b"{}")


def _settings_seeds() -> Sequence[bytes]:
    example = (resources.files("config") / "pli.example.toml").read_bytes()
    return example, b'[practice]\nname = "Cabinet"\n[agenda.csv.mine]\nseparator = ","\n'


def _answers() -> Sequence[bytes]:
    full = {
        "source": "u-1",
        "patient": "P-1",
        "at": "2026-09-08T14:30+02:00",
        "with": "",
        "text": "plut\u00f4t jeudi",
    }
    return json.dumps(full).encode(), json.dumps({**full, "at": "", "text": ""}).encode()


def _content(data: bytes) -> None:
    found = read_content(data)
    assert set(found) == {"source", "patient", "at", "with", "text"}
    assert all(text.isprintable() for text in "".join(found.values()).split("\n"))


PARSERS: dict[str, Parser] = {
    "private-json": (
        _read_from("x.json", lambda folder: read_private(folder / "x.json")),
        _seeds(a="b"),
        (StorageError,),
        0.3,
    ),
    "session": (
        _read_from("session.json", load_session),
        _seeds(
            homeserver="http://127.0.0.1:8008", user_id="@bot:pli.localhost", device_id="D", access_token="t"
        ),
        (StorageError, WrongUse),
        0.1,
    ),
    "cross-signing": (
        _read_from("cross_signing.json", Seeds.load),
        _seeds(master="00" * 32, self_signing="11" * 32, user_signing="22" * 32),
        (StorageError,),
        0.1,
    ),
    "sync-token": (_read_from("sync.json", _sync_token), _seeds(token="s1_2"), (StorageError,), 0.1),
    "settings": (
        _read_from(FILE_NAME, lambda folder: load(folder / FILE_NAME)),
        _settings_seeds,
        (WrongUse,),
        0.2,
    ),
    "answer-content": (_content, _answers, (ValueError,), 1.0),
    "vault": (_vault, _new_vault, (StorageError,), 0.1),
}
