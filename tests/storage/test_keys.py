"""Rules of storage/keys.py."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from bot.domain.values import RecipientId, SecretBytes
from bot.errors import Refused, StorageError
from storage.answer_box import open_answer, seal_answer
from storage.keys import BOT_FILES, IMPORT_FILES, BotKeys, ImportKeys, create_keys, derive, write_new
from storage.sealed_box import public_half
from tests.vectors import unhex, vectors

_WHO = RecipientId("r-1")
FILES = [("bot", name) for name in BOT_FILES] + [("import", name) for name in IMPORT_FILES]
LOAD: dict[str, Callable[[Path], object]] = {"bot": BotKeys.load, "import": ImportKeys.load}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_keys(tmp_path / "bot", tmp_path / "import")
    return tmp_path


def test_the_two_sides_fit_together(folder: Path) -> None:
    bot, importer = BotKeys.load(folder / "bot"), ImportKeys.load(folder / "import")
    bot.importer.verify(importer.signer.sign(b"message"), b"message")
    assert public_half(importer.answer_private) == bot.answer_public
    box = seal_answer(b"text", answer="w", recipient=_WHO, practice_public=bot.answer_public)
    assert open_answer(box, answer="w", recipient=_WHO, practice_private=importer.answer_private) == b"text"


def test_rule_1_the_bot_loads_without_the_import_side(folder: Path) -> None:
    for name in IMPORT_FILES:
        (folder / "import" / name).unlink()
    (folder / "import").rmdir()
    assert len(BotKeys.load(folder / "bot").data) == 32


def test_rule_1_no_secret_of_the_import_side_is_in_the_bots_folder(folder: Path) -> None:
    secrets = {(folder / "import" / name).read_bytes() for name in IMPORT_FILES}
    assert not secrets & {(folder / "bot" / name).read_bytes() for name in BOT_FILES}


def test_rule_2_everything_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        create_keys(tmp_path / "bot", tmp_path / "import")
    finally:
        os.umask(previous)
    for side, name in FILES:
        assert (tmp_path / side).stat().st_mode & 0o777 == 0o700
        assert (tmp_path / side / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("side", "name"), FILES)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_rule_2_a_loose_file_is_refused_by_name_with_the_mend(
    folder: Path, side: str, name: str, mode: int
) -> None:
    (folder / side / name).chmod(mode)
    with pytest.raises(StorageError, match=name) as caught:
        LOAD[side](folder / side)
    assert caught.value.mend == f"chmod 600 {folder / side / name}"


@pytest.mark.parametrize("side", ["bot", "import"])
def test_rule_2_a_loose_folder_is_refused(folder: Path, side: str) -> None:
    (folder / side).chmod(0o750)
    with pytest.raises(StorageError) as caught:
        LOAD[side](folder / side)
    assert caught.value.mend == f"chmod 700 {folder / side}"


@pytest.mark.parametrize(("side", "name"), FILES)
def test_rule_2_a_link_a_folder_and_a_gap_are_refused(folder: Path, side: str, name: str) -> None:
    path = folder / side / name
    kept = path.rename(folder / "elsewhere")
    makers: tuple[Callable[[], None], ...] = (
        lambda: path.symlink_to(kept),
        path.mkdir,
        lambda: os.mkfifo(path, 0o600),
    )
    for make in makers:
        make()
        with pytest.raises(StorageError, match=name):
            LOAD[side](folder / side)
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(StorageError, match=name):
        LOAD[side](folder / side)


@pytest.mark.parametrize(("side", "name"), FILES)
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_rule_3_a_file_of_another_size_is_refused(folder: Path, side: str, name: str, size: int) -> None:
    (folder / side / name).write_bytes(bytes(size))
    with pytest.raises(StorageError, match=name):
        LOAD[side](folder / side)


@pytest.mark.parametrize(("side", "name"), FILES)
def test_rule_3_nothing_is_written_over_nor_beside(tmp_path: Path, side: str, name: str) -> None:
    (tmp_path / side).mkdir(mode=0o700)
    (tmp_path / side / name).write_bytes(b"precious")
    with pytest.raises(Refused, match=name):
        create_keys(tmp_path / "bot", tmp_path / "import")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / side / name]
    assert files[0].read_bytes() == b"precious"


def test_rule_3_a_file_that_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "data.key"
    path.write_bytes(b"precious")
    with pytest.raises(Refused, match=r"data\.key"):
        write_new(path, bytes(32))
    assert path.read_bytes() == b"precious"


def test_no_key_shows_in_a_repr(folder: Path) -> None:
    bot, importer = BotKeys.load(folder / "bot"), ImportKeys.load(folder / "import")
    shown = repr(bot) + repr(importer) + repr(bot.data) + repr(importer.digest_key)
    for side, name in FILES:
        data = (folder / side / name).read_bytes()
        assert data.hex() not in shown
        assert repr(data) not in shown


def test_rule_4_every_purpose_has_its_own_key(folder: Path) -> None:
    keys = BotKeys.load(folder / "bot")
    derived = {keys.data.reveal(), keys.audit().reveal()}
    derived |= {derive(keys.data, purpose).reveal() for purpose in ("columns", "blind-index")}
    assert len(derived) == 4


def test_rule_4_every_digest_has_its_own_label(folder: Path) -> None:
    keys = ImportKeys.load(folder / "import")
    digests = {
        keys.source_index("2026-03-01"),
        keys.day_tag(date(2026, 3, 1)),
        keys.digest(b"2026-03-01"),
        keys.pair_index("2026-03-01", ""),
        keys.pair_index("", "2026-03-01"),
        keys.pair_index("2026", "-03-01"),
    }
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {64}
    assert keys.digest(b"2026-03-01") in digests


def test_published_hkdf_and_hmac_vectors() -> None:
    prk, okm = unhex(vectors("published")["hkdf"], "prk", "okm")
    assert HKDFExpand(algorithm=SHA256(), length=42, info=b"").derive(prk) == okm
    key, data, mac = unhex(vectors("published")["hmac"], "key", "data", "mac")
    assert hmac.new(key, data, hashlib.sha256).digest() == mac


def test_pinned_derived_keys_and_digests(folder: Path) -> None:
    v = vectors("pli_v1")["keys"]
    data_key, digest_key = unhex(v, "data_key", "digest_key")
    derived = {purpose: derive(SecretBytes(data_key), purpose).reveal().hex() for purpose in v["derived"]}
    assert derived == v["derived"]
    (folder / "import" / "digest.key").write_bytes(digest_key)
    keys = ImportKeys.load(folder / "import")
    assert keys.source_index("uid-1@agenda") == v["source_index"]
    assert keys.pair_index("P-17", "Dr Roux") == v["pair_index"]
    assert keys.day_tag(date(2026, 3, 1)) == v["day_tag"]
    assert keys.digest(b"detail") == v["digest"]
