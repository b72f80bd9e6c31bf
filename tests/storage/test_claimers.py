"""Several claimers at once: every row is somebody's, and nobody's twice. Rule 2 of :mod:`storage.outbox`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from bot.domain.records import OutboxKind
from bot.domain.values import RecipientId
from storage.outbox import OutboxRows
from storage.unit_of_work import SqlUnitOfWork
from tests.storage.emptied import emptied
from tests.storage.store import NOW, Store, recipient

ROWS, CLAIMERS = 60, 4


def plan(store: Store) -> Store:
    """Sixty nudges to as many people, due now."""
    people = [RecipientId(f"r-{n:03}") for n in range(ROWS)]
    with store.uow() as uow:
        for each in people:
            uow.recipients.add(recipient(each))
        uow.outbox.add_nudges({(each, NOW): NOW + timedelta(hours=6) for each in people})
        uow.commit()
    return store


@pytest.fixture
def planned(store: Store) -> Store:
    return plan(store)


def claim(outbox: OutboxRows, limit: int) -> list[int]:
    kinds = (OutboxKind.NUDGE,)
    return [row.id for row in outbox.claim(now=NOW, device="D", kinds=kinds, limit=limit)]


def test_rule_2_claimers_beside_one_another_share_the_rows(planned: Store) -> None:
    def all_that_is_left(_: int) -> list[int]:
        mine: list[int] = []
        while True:
            with planned.uow() as uow:
                taken = claim(uow.outbox, 3)
                uow.commit()
            if not taken:
                return mine
            mine += taken

    with ThreadPoolExecutor(CLAIMERS) as pool:
        claimed = [row for mine in pool.map(all_that_is_left, range(CLAIMERS)) for row in mine]
    assert len(claimed) == len(set(claimed)) == ROWS


def test_rule_2_what_was_not_committed_is_claimed_again(planned: Store) -> None:
    with planned.uow() as uow:
        first = claim(uow.outbox, 10)
    with planned.uow() as uow:
        assert isinstance(uow, SqlUnitOfWork)
        assert claim(uow.outbox, 10) == first


@pytest.fixture
def beside(tmp_path: Path, shared_postgres: str) -> Iterator[tuple[Connection, Connection]]:
    """Two transactions of PostgreSQL that no lock of ours keeps apart, and that would fail rather than wait."""
    planned = plan(Store(tmp_path, emptied(shared_postgres)))
    planned.engine.dispose()
    engine = create_engine(planned.url, hide_parameters=True)
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            connection.execute(text("SET lock_timeout = '3s'"))
        yield one, other
    engine.dispose()


def test_rule_2_rows_that_are_being_claimed_are_passed_over(beside: tuple[Connection, Connection]) -> None:
    one, other = beside
    first = claim(OutboxRows(one), 40)
    second = claim(OutboxRows(other), 40)
    assert len(first) == 40
    assert len(second) == ROWS - 40
    assert set(first).isdisjoint(second)
    one.rollback()
    assert set(claim(OutboxRows(one), ROWS)) == set(first), "given back"
