"""New databases of SQLite, migrated once a process and copied: what the migrations do has tests of its own."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from sqlalchemy import Engine

from storage.engine import connect, truncate_wal
from storage.schema import migrate


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed when this process ends."""
    return tempfile.TemporaryDirectory(prefix="pli-migrated-")


@functools.cache
def _made() -> Path:
    file = Path(_folder().name) / "migrated.db"
    engine = connect(f"sqlite:///{file}")
    migrate(engine)
    assert truncate_wal(engine)
    engine.dispose()
    return file


def migrated(engine: Engine) -> None:
    """The same as :func:`storage.schema.migrate`. A file that is not there yet comes out of the copy, as private."""
    file = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and not file.exists():
        shutil.copy(_made(), file)
    else:
        migrate(engine)
