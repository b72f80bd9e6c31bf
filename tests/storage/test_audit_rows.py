"""The audit log in the database, anchored in the vault: what is cut off stays to be seen (P10)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from bot.app import Installation
from bot.cli.main import main
from bot.domain.records import AuditKind
from storage.audit_chain import BrokenChain
from storage.audit_rows import verify_audit
from storage.tables import audit


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    assert main(["init", str(tmp_path / "practice"), "--json"]) == 0
    return Installation.at(tmp_path / "practice" / "pli.toml")


def _add(home: Installation, rows: int) -> None:
    for _ in range(rows):
        with home.uow() as uow:
            uow.audit.add(AuditKind.IMPORTED, home.clock.now(), count=rows)
            uow.commit()


def _verify(home: Installation) -> int:
    return verify_audit(home.engine, home.audit_chain, home.vault)


def test_what_was_written_verifies(home: Installation) -> None:
    _add(home, 5)
    assert _verify(home) == 5


def test_a_log_that_was_cut_and_grew_again_shows_the_gap(home: Installation) -> None:
    """Rows cut off while the bot runs, more written afterwards than were cut: the log never heals over the wound."""
    _add(home, 8)
    with home.engine.begin() as connection:
        connection.execute(delete(audit).where(audit.c.seq > 5))
    _add(home, 6)
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 6


def test_an_emptied_log_shows_the_gap(home: Installation) -> None:
    _add(home, 3)
    with home.engine.begin() as connection:
        connection.execute(delete(audit))
    _add(home, 4)
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 1


def test_a_changed_row_is_named(home: Installation) -> None:
    _add(home, 4)
    with home.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.seq == 3).values(count=99))
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 3


def test_what_was_not_committed_is_not_anchored(home: Installation) -> None:
    _add(home, 2)
    with home.uow() as uow:
        uow.audit.add(AuditKind.IMPORTED, home.clock.now())
    _add(home, 1)
    assert _verify(home) == 3
