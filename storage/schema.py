"""The schema of the database: brought to a revision, and looked at."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import StorageError


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the schema to the newest revision, or to an older one; a new database gets all of it."""
    try:
        _make_private(engine)
        with engine.begin() as connection:
            migrate_within(connection, to)
    except (SQLAlchemyError, OSError) as error:
        raise StorageError(f"the database could not be set up ({type(error).__name__})") from None
    except CommandError:
        raise StorageError("the database was made by a newer version", mend="install that version") from None


def migrate_within(connection: Connection, to: str = "head") -> None:
    """The same in the caller's transaction: both databases take a change of the schema back with it."""
    command.upgrade(_alembic(connection), to)


def is_known(revision: str) -> bool:
    """Whether this program has that revision of the schema."""
    return revision in {
        script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()
    }


def _make_private(engine: Engine) -> None:
    """A file of SQLite is private before it holds anything: its log has the mode that the file has then."""
    file = engine.url.database
    if engine.dialect.name != "sqlite" or not file or file.startswith((":", "file:")):
        return
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    Path(file).chmod(0o600)


def is_current(engine: Engine) -> bool:
    """Whether the schema is the one that this program knows."""
    try:
        with engine.begin() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise StorageError(f"the database does not answer ({type(error).__name__})") from None
    return found == ScriptDirectory.from_config(_alembic()).get_current_head()
