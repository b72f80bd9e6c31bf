"""``pli backup``, ``restore``, ``upgrade``, ``status``, ``pause`` and ``resume`` as a shell sees them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bot.app import Installation
from bot.cli.common import DONE, REFUSED, WRONG, size_of
from bot.upgrade import COPY
from tests.cli.shell import Done, pli

LANGUAGE = "en"


def complaint(done: Done, code: int) -> str:
    assert done.code == code, done.err
    assert "mend:" in done.err
    return done.err


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    """Private and public file."""
    done = pli("backup", "keygen", str(tmp_path / "backup.key"))
    assert done.code == DONE, done.err
    return str(tmp_path / "backup.key"), str(tmp_path / "backup.key.pub")


@pytest.fixture
def words(tmp_path: Path) -> str:
    file = tmp_path / "words"
    file.touch(mode=0o600)
    file.write_text("sixteen or more characters\n", encoding="utf-8")
    return str(file)


def test_keys_are_private_and_never_written_over(keys: tuple[str, str]) -> None:
    for file in keys:
        assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    before = [Path(file).read_bytes() for file in keys]
    assert "exists already" in complaint(pli("backup", "keygen", keys[0]), REFUSED)
    Path(keys[0]).unlink()
    assert "exists already" in complaint(pli("backup", "keygen", keys[0]), REFUSED)
    assert not Path(keys[0]).exists()
    assert Path(keys[1]).read_bytes() == before[1]


@pytest.mark.parametrize("by", ["key", "words"])
def test_there_and_back(
    by: str, home: Installation, keys: tuple[str, str], words: str, tmp_path: Path
) -> None:
    assert home
    pli("patient", "add", "P-1")
    closes = ("--public-key", keys[1]) if by == "key" else ("--passphrase-file", words)
    opens = ("--key-file", keys[0]) if by == "key" else ("--passphrase-file", words)
    done = pli("backup", str(tmp_path / "to"), *closes)
    assert done.code == DONE, done.err
    (file,) = (tmp_path / "to").iterdir()
    assert str(file) in done.out
    assert "unbroken" in done.out
    assert "invited again" in done.out
    done = pli("restore", str(file), str(tmp_path / "new"), *opens)
    assert done.code == DONE, done.err
    for said in (
        "1 patient(s)",
        "paused",
        "pli resume",
        "login",
        "homeserver's own data",
        "to be invited again: 0",
    ):
        assert said in done.out
    assert pli("--config", str(tmp_path / "new"), "patient", "show", "P-1").code == DONE
    assert pli("--config", str(tmp_path / "new"), "status", "--json").json()["paused_since"]
    assert "not logged in" in pli("--config", str(tmp_path / "new"), "run").err


def test_with_the_vault_both_say_what_that_means(home: Installation, words: str, tmp_path: Path) -> None:
    assert home
    done = pli("backup", str(tmp_path / "to"), "--passphrase-file", words, "--with-vault")
    assert "undo a leave" in done.out
    (file,) = (tmp_path / "to").iterdir()
    done = pli("restore", str(file), str(tmp_path / "new"), "--passphrase-file", words)
    assert "five tries are used" in done.out
    assert "keys destroyed since then are there again" in done.out


def test_a_backup_without_the_import_sides_keys_says_so(
    home: Installation, words: str, tmp_path: Path
) -> None:
    home.import_dir.rename(tmp_path / "elsewhere")
    done = pli("backup", str(tmp_path / "to"), "--passphrase-file", words)
    assert done.code == DONE
    assert "import side's keys are not in it" in done.err
    (file,) = (tmp_path / "to").iterdir()
    done = pli("restore", str(file), str(tmp_path / "new"), "--passphrase-file", words)
    assert "import side's keys were not in it" in done.err
    assert not (tmp_path / "new" / "import").exists()


def test_a_wrong_passphrase_says_what_to_do(home: Installation, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    for file in (right, wrong):
        file.touch(mode=0o600)
        file.write_text(f"{file.name}: six words that nobody guesses")
    pli("backup", str(tmp_path / "to"), "--passphrase-file", str(right))
    (made,) = (tmp_path / "to").iterdir()
    new = tmp_path / "new"
    told = complaint(pli("restore", str(made), str(new), "--passphrase-file", str(wrong)), REFUSED)
    assert "check the passphrase's file" in told
    assert not new.exists()
    assert home


def test_one_lock_and_one_key_are_wanted(
    home: Installation, keys: tuple[str, str], words: str, tmp_path: Path
) -> None:
    assert home
    for options in ((), ("--public-key", keys[1], "--passphrase-file", words)):
        assert "sealed to one thing" in complaint(pli("backup", str(tmp_path / "to"), *options), WRONG)
    assert not (tmp_path / "to").exists()
    pli("backup", str(tmp_path / "to"), "--passphrase-file", words)
    (file,) = (tmp_path / "to").iterdir()
    new = str(tmp_path / "new")
    for options in ((), ("--key-file", keys[0], "--passphrase-file", words)):
        assert "not named" in complaint(pli("restore", str(file), new, *options), WRONG)
    assert "--passphrase-file" in complaint(pli("restore", str(file), new, "--key-file", keys[0]), REFUSED)
    assert "no public key" in complaint(pli("backup", new, "--public-key", keys[0]), WRONG)
    assert "cannot be read" in complaint(pli("backup", new, "--public-key", str(tmp_path / "no")), WRONG)
    assert "cannot be read" in complaint(
        pli("restore", str(tmp_path / "no"), new, "--key-file", keys[0]), REFUSED
    )
    Path(words).chmod(0o644)
    assert "chmod 600" in complaint(pli("restore", str(file), new, "--passphrase-file", words), WRONG)
    Path(words).chmod(0o600)
    Path(words).write_text("short", encoding="utf-8")
    assert "16 characters" in complaint(pli("backup", new, "--passphrase-file", words), WRONG)
    assert not Path(new).exists()


def test_settings_that_cannot_be_changed_are_found_when_the_backup_is_made(
    home: Installation, words: str, tmp_path: Path
) -> None:
    file = home.settings.folder / "pli.toml"
    text = file.read_text(encoding="utf-8")
    kept = text.split("[storage]")[0]
    file.write_text(f'storage = {{vault = "vault/vault.db"}}\n{kept}', encoding="utf-8")
    assert "[storage]" in complaint(pli("backup", str(tmp_path / "to"), "--passphrase-file", words), REFUSED)
    assert list((tmp_path / "to").iterdir()) == []


def test_upgrade_says_what_was_looked_through_and_removes_what_a_kill_left(home: Installation) -> None:
    left = home.vault_path.with_name(home.vault_path.name + COPY)
    left.touch(mode=0o600)
    found = {check["check"]: check for check in pli("doctor", "--json").json()}
    assert "pli upgrade" in found["vault"]["mend"]
    done = pli("upgrade")
    assert done.code == DONE, done.err
    assert "the form of this version" in done.out
    assert "looked through" in done.out
    assert not left.exists()


def test_status(home: Installation) -> None:
    assert home
    assert "not running" in pli("status").out
    assert pli("status", "--json").json()["bot"] == "not running"


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1.5e6, "1.5 MB"), (2e12, "2000.0 GB")],
)
def test_sizes(number: float, told: str) -> None:
    assert size_of(number) == told
