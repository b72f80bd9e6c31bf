"""Practices in a few states: made once, copied for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.vault import TRIES
from tests.rig.postgres import RigPostgres
from tests.storage.emptied import emptied, shared_database
from tests.stores.folder import ANNA, BORIS, Folder

OpenFolder = Callable[[str], Folder]


def make(state: str, path: Path, database: str = "") -> Folder:
    """``state``: new, invited, enrolled, or at-the-tenth (nine wrong PINs)."""
    folder = Folder.new(path, ANNA, BORIS, database=database)
    if state == "invited":
        folder.code = folder.start().do(folder.now, "invite", ANNA)
        folder.stop()
    elif state != "new":
        folder.enrolled()
    if state == "at-the-tenth":
        folder.guess_wrong(TRIES - 1)
    return folder


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> OpenFolder:
    made: dict[str, Folder] = {}

    def template(state: str) -> Folder:
        if state not in made:
            made[state] = make(state, tmp_path_factory.mktemp(state) / "practice")
        return made[state]

    return template


@pytest.fixture
def practice_in(templates: OpenFolder, tmp_path: Path) -> Iterator[OpenFolder]:
    """A practice of its own in a state, over SQLite."""
    opened: list[Folder] = []

    def copy(state: str) -> Folder:
        opened.append(templates(state).copied(tmp_path / f"practice-{len(opened)}"))
        return opened[-1]

    yield copy
    for folder in opened:
        folder.stop()


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: RigPostgres) -> Iterator[str]:
    with shared_database(postgres_server) as url:
        yield url


@pytest.fixture
def practice_over_postgresql(shared_postgres: str, tmp_path: Path) -> Iterator[OpenFolder]:
    opened: list[Folder] = []

    def fresh(state: str) -> Folder:
        opened.append(make(state, tmp_path / f"practice-{len(opened)}", emptied(shared_postgres)))
        return opened[-1]

    yield fresh
    for folder in opened:
        folder.stop()
