"""The audit log in the database, anchored in the vault: what is cut off stays to be seen (P10)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from bot.app import Installation
from bot.cli.main import main
from bot.domain.records import AuditKind
from bot.domain.staff import MemberId
from storage.audit_chain import BrokenChain
from storage.audit_rows import verify_audit
from storage.engine import migrate
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


# -- acts of the staff ----------------------------------------------------------------------------------------------


def _act(home: Installation, act: str = "invite", member: str = "m-1") -> None:
    with home.uow() as uow:
        uow.audit.add(AuditKind.STAFF_ACT, home.clock.now(), member=MemberId(member), act=act)
        uow.commit()


@pytest.mark.parametrize(
    "values",
    [
        {"member": "m-2"},
        {"member": ""},
        {"act": "patients"},
        {"act": ""},
        {"member": "", "act": ""},
        {"member": "m-1i", "act": "nvite"},
        {"member": "invite", "act": "m-1"},
        {"kind": "staff_refused"},
    ],
)
def test_who_acted_and_what_was_done_are_chained(home: Installation, values: dict[str, str]) -> None:
    _add(home, 1)
    _act(home)
    _add(home, 1)
    assert _verify(home) == 3
    with home.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.seq == 2).values(**values))
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 2


def test_a_member_is_not_given_to_a_row_that_had_none(home: Installation) -> None:
    _add(home, 2)
    with home.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.seq == 1).values(member="m-1", act="invite"))
    with pytest.raises(BrokenChain):
        _verify(home)


def test_a_log_from_before_the_staff_verifies_after_the_upgrade(home: Installation) -> None:
    """Rows of an older version are chained as they were written, and new ones behind them."""
    _add(home, 3)
    with home.engine.begin() as connection:
        for column in ("member", "act"):
            connection.exec_driver_sql(f"ALTER TABLE audit DROP COLUMN {column}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    migrate(home.engine)
    assert _verify(home) == 3
    _act(home)
    assert _verify(home) == 4
