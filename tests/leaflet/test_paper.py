"""The file is taken before there is a code, is private, and is nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from unittest import mock

import pytest

from bot.errors import Refused
from bot.leaflet.paper import paper


def test_rule_1_nothing_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    file.write_text("mine")
    with pytest.raises(Refused, match="exists already"), paper(file):
        pytest.fail("it was taken")
    assert file.read_text() == "mine"


def test_rule_1_nor_through_a_link(tmp_path: Path) -> None:
    aim, link = tmp_path / "aim", tmp_path / "sheet.pdf"
    link.symlink_to(aim)
    with pytest.raises(Refused, match="exists already"), paper(link):
        pytest.fail("it was taken")
    assert not aim.exists()


def test_rule_1_a_missing_folder_refuses(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be made"), paper(tmp_path / "none" / "sheet.pdf"):
        pytest.fail("it was taken")


def test_rule_1_a_full_disk_refuses_before_anything_is_made(tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    full = OSError(28, "No space left on device")
    with (
        mock.patch("os.posix_fallocate", side_effect=full),
        pytest.raises(Refused, match="no room"),
        paper(file),
    ):
        pytest.fail("it was taken")
    assert not file.exists()


def test_rule_2_it_is_private_from_its_first_moment(tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    before = os.umask(0o277)
    try:
        with paper(file) as sheet:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert [p.name for p in tmp_path.iterdir()] == ["sheet.pdf"], "and nothing beside it"
            sheet.write(b"words")
    finally:
        os.umask(before)
    assert file.read_bytes() == b"words"
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.pdf"]


def test_rule_3_what_was_not_written_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    with pytest.raises(RuntimeError), paper(file):
        raise RuntimeError
    assert not file.exists()
