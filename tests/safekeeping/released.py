"""Practices as earlier versions left them: database, vault and keys, as text, one folder a schema.

``python -m tests.safekeeping.released`` writes the folder of the present schema, once: it is never written again. In
each, anna is enrolled (three wrong PINs), boris invited, carl left, and some appointments and nudges wait.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, select

from bot.app import Installation
from config.settings import FILE_NAME, load
from storage.engine import connect
from storage.keys import BOT_FILES, IMPORT_FILES
from storage.schema import migrate
from storage.snapshot import Filling, schema_of, tables_of
from storage.wrap import Profile
from tests.safekeeping.scene import SETTINGS, Scene
from tests.services.kit import PIN, WRONG_PIN, HandClock
from tests.stores.bot import Bot

FOLDER = Path(__file__).parent / "released"
DATABASE, VAULT, KEYS = "database.sql", "vault.sql", "keys.json"


def schemas() -> list[str]:
    return sorted(p.name for p in FOLDER.iterdir() if p.is_dir())


def unpack(schema: str, folder: Path, url: str = "") -> Installation:
    """A practice of that schema in ``folder``, its database in ``url``."""
    folder.mkdir(mode=0o700)
    source = FOLDER / schema
    for place, files in json.loads((source / KEYS).read_text(encoding="ascii")).items():
        (folder / place).mkdir(mode=0o700)
        for name, data in files.items():
            (folder / place / name).touch(mode=0o600)
            (folder / place / name).write_bytes(bytes.fromhex(data))
    for script, name in ((DATABASE, "pli.db"), (VAULT, "vault.db")):
        (folder / name).touch(mode=0o600)
        with closing(sqlite3.connect(folder / name)) as db:
            db.executescript((source / script).read_text(encoding="utf-8"))
    settings = SETTINGS.format(database=url or "sqlite:///pli.db")
    (folder / FILE_NAME).write_text(settings, encoding="utf-8")
    if url:
        _move(folder / "pli.db", url, schema)
    return Installation(load(folder / FILE_NAME), clock=HandClock(), profile=Profile.testing())


def _move(file: Path, url: str, schema: str) -> None:
    """The same rows in another database of that schema."""
    engine, other = create_engine(f"sqlite:///{file}"), connect(url)
    migrate(other, schema)
    with engine.connect() as source, other.begin() as to:
        filling = Filling(to)
        for table in tables_of(source):
            filling.table(table.name, table.columns.keys())
            for row in source.execute(select(table)):
                filling.row(tuple(row))
        filling.end()
    engine.dispose()
    other.dispose()
    file.unlink()


def _peopled(bot: Bot) -> None:
    for name in ("anna", "boris", "carl"):
        bot.settle_in(name)
        code = bot.invite(name)
        if name != "boris":
            assert bot.enrol(name, code, PIN) == "PIN_SET"
    for _ in range(3):
        assert bot.guess("anna", WRONG_PIN).startswith("PIN_WRONG")
        bot.clock.forward(days=1)
    assert bot.leave("carl") == "LEFT"


def write(scene: Scene) -> Path:
    """The folder of the schema that ``scene`` has."""
    home = scene.bot.home
    with home.engine.connect() as db:
        folder = FOLDER / schema_of(db)
    folder.mkdir(parents=True)
    keys = {
        place: {name: (where / name).read_bytes().hex() for name in names}
        for place, where, names in (
            ("bot", home.bot_dir, BOT_FILES),
            ("import", home.import_dir, IMPORT_FILES),
        )
    }
    (folder / KEYS).write_text(json.dumps(keys, indent=1) + "\n", encoding="ascii")
    for script, file in ((DATABASE, scene.folder / "pli.db"), (VAULT, scene.folder / "vault.db")):
        with closing(sqlite3.connect(file)) as db:
            form = [
                f"PRAGMA {n} = {db.execute(f'PRAGMA {n}').fetchone()[0]};"
                for n in ("application_id", "user_version")
            ]
            lines = [*form, *db.iterdump()]
        (folder / script).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        scene = Scene(Path(place) / "practice")
        _peopled(scene.bot)
        write(scene)
        scene.bot.close()


if __name__ == "__main__":
    main()
