"""``pli keys``: which keys there are and how old, and new ones in their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import typer

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.files import DeviceLock
from bot.cli.common import Json, caution, installation, print_json, say, say_count, table, tongue, warn
from storage.data_key import rotate_data_key
from storage.engine import truncate_wal
from storage.import_keys import rotate_import_keys
from storage.keys import BOT_FILES, IMPORT_FILES

group = typer.Typer(no_args_is_help=True, help="The practice's keys.")
rotate = typer.Typer(no_args_is_help=True, help="Take a new key in the place of one.")
PURPOSE = {
    "data.key": "seals who the patients are; audit log",
    "pickle.key": "seals the Matrix device's keys",
    "importer.pub": "verifies what was imported",
    "answer.pub": "seals what patients answer",
    "signer.key": "signs what is imported",
    "digest.key": "knows the agenda's entries again",
    "answer.key": "opens what patients answered",
}


def register(app: typer.Typer) -> None:
    group.add_typer(rotate, name="rotate")
    app.add_typer(group, name="keys")


@group.command("list")
def list_keys(json: Json = False) -> None:
    """List the keys, where they lie, and since when.

    Example: pli keys list
    """
    home = installation()
    rows = list(_rows(home))
    older = len(home.keys.audit_older)
    if json:
        print_json({"keys": rows, "older_audit_keys": older})
        return
    words = tongue()
    drawn = [
        [
            r["key"],
            words.own("not here")
            if r["age_days"] is None
            else words.counted("{number} day", "{number} days", int(str(r["age_days"]))),
            words.own(str(r["purpose"])),
            r["folder"],
        ]
        for r in rows
    ]
    headings = (words.own("key"), words.own("age"), words.own("what for"), words.own("folder"))
    table(headings, drawn, empty=words.own("no keys"))
    if older:
        say_count(
            "the data key was changed once; the older audit key is kept to verify older rows",
            "the data key was changed {number} times; the older audit keys are kept to verify older rows",
            older,
        )


def _rows(home: Installation) -> Iterator[dict[str, object]]:
    for side, folder, names in (
        ("bot", home.bot_dir, BOT_FILES),
        ("import", home.import_dir, IMPORT_FILES),
    ):
        for name in names:
            since = _since(folder / name)
            yield {
                "key": name,
                "side": side,
                "folder": str(folder),
                "purpose": PURPOSE[name],
                "since": since.isoformat(timespec="seconds") if since else None,
                "age_days": (home.clock.now() - since).days if since else None,
            }


def _since(file: Path) -> datetime | None:
    """None where it is not, or not to be seen: the import side may live under another account."""
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError:
        return None


@rotate.command("data")
def rotate_data(json: Json = False) -> None:
    """A new practice data key: seal again who the patients are, and go on with the audit log under a new key.

    Stop the bot before. Killed in the middle, the next command finishes it or leaves all as it was. Copies of the
    database from before open with the older key alone, so make a new one. Example: pli keys rotate data
    """
    home = installation()
    lock = DeviceLock(home.bot_dir / CRYPTO_STORE).take()  # refuses while the bot runs
    try:
        count = rotate_data_key(home.bot_dir, home.engine, home.vault, home.clock.now())
        emptied = truncate_wal(home.engine)
    finally:
        lock.release()
    if json:
        print_json({"sealed_again": count, "log_emptied": emptied})
    else:
        say(f"the data key is new; {count} values were sealed again")
        say("next: pli run; and a new copy of the database and of the folder with the bot's keys")
    if not emptied:
        warn("the database's write-ahead log could not be emptied: somebody reads; run pli purge")


@rotate.command("import")
def rotate_import(json: Json = False) -> None:
    """New keys of the import side: the one that signs, the one of digests, the one that opens answers.

    What is stored is signed, sealed and indexed again, so the next import knows every entry. Stop the bot, and whatever
    imports, before. Killed in the middle, the next command finishes it or leaves all as it was.
    Example: pli keys rotate import
    """
    home = installation()
    lock = DeviceLock(home.bot_dir / CRYPTO_STORE).take()  # refuses while the bot runs
    try:
        home.import_side()  # what was broken off is settled on both sides
        changed = rotate_import_keys(home.bot_dir, home.import_dir, home.engine, home.vault, home.clock.now())
        emptied = truncate_wal(home.engine)
    finally:
        lock.release()
    if json:
        print_json({**asdict(changed), "log_emptied": emptied})
    else:
        say(
            f"the import side's keys are new; again signed: {changed.recipients} people, {changed.envelopes} sealed"
            f" details; again sealed: {changed.answers} answers; again indexed: {changed.appointments} appointments"
        )
        say("next: pli run; and a new copy of the database and of both folders with keys")
    if changed.doubtful:
        caution(
            tongue().counted(
                "{number} value did not verify under the older keys and was left: nobody opens it;"
                " import the agenda again",
                "{number} values did not verify under the older keys and were left: nobody opens them;"
                " import the agenda again",
                changed.doubtful,
            )
        )
    if not emptied:
        warn("the database's write-ahead log could not be emptied: somebody reads; run pli purge")
