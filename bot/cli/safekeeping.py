"""``pli backup`` and ``pli restore``."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

import typer

from bot.backup import Made, make_backup
from bot.cli.common import Json, installation, print_json, say, size_of, warn
from bot.clock import SystemClock
from bot.domain.values import Secret
from bot.errors import Refused, WrongUse
from bot.restore import Restored, restore
from storage.agebox import Opener, Passphrase, PublicKey, new_pair, private_key_in, public_key_in
from storage.keys import write_new

PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with a passphrase of 16 characters or more, closed to other accounts."),
]

group = typer.Typer(
    no_args_is_help=True, help="One sealed file of everything: pli backup DIR, pli backup keygen FILE."
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="backup")
    app.command("restore")(restore_into)


@group.command("to")
def backup(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the file goes; made where it is not there.")
    ],
    public_key: Annotated[
        Path | None, typer.Option(help="Seal to this public key; its private half is not needed here.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    with_vault: Annotated[
        bool,
        typer.Option("--with-vault", help="The vault too. Read SECURITY.md before: leaving is undone by it."),
    ] = False,
    json: Json = False,
) -> None:
    """Write one sealed file: settings, keys, database; the vault only if asked for. The bot may run meanwhile.

    The file is opened again at once and looked through, before it gets its name. Never in it: the device's own keys.

    Example: pli backup /media/stick --public-key backup.key.pub

    For a key pair to seal to: pli backup keygen FILE
    """
    lock = _lock(public_key, passphrase_file)
    made = make_backup(installation(), folder.expanduser().absolute(), lock, with_vault=with_vault)
    if json:
        print_json(_made(made))
        return
    say(f"made: {made.file} ({size_of(made.size)})")
    say(
        f"opened again and looked through: {sum(made.rows.values())} rows, {made.audit_rows} of them of the audit"
        f" log, unbroken; {made.sealed} sealed cells"
    )
    if with_vault:
        say(
            "the vault is in it: whoever opens it can guess PINs without limit, and undo a leave",
            style="yellow",
        )
    else:
        say("the vault is not in it: after a restore everybody is invited again")
    if not made.import_keys:
        warn(
            "the import side's keys are not in it: this account cannot read them; keep a copy of their folder apart"
        )
    if not made.identity:
        warn("the bot has no identity yet, so none is in it")
    if any(name.startswith("PLI_") and "__" in name for name in os.environ):
        warn("settings in PLI_… variables are not in it")


@group.command("keygen")
def keygen(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The private key; FILE.pub gets the public one.")
    ],
) -> None:
    """Make a key pair for backups. Keep the private half away from this machine; write it down, or print it.

    Example: pli backup keygen backup.key
    """
    file = file.expanduser().absolute()
    private, public = new_pair()
    pub = file.with_name(file.name + ".pub")
    if os.path.lexists(pub):
        raise Refused(f"{pub}: exists already", mend="Keys are never written over.")
    note = "# opens Pli's backups; so does: age --decrypt\n"
    write_new(file, f"{note}{private.reveal()}\n".encode())
    write_new(pub, f"{public}\n".encode())
    say(f"made: {file} (opens; take it away from here) and {pub} (for: pli backup DIR --public-key {pub})")


def restore_into(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What pli backup wrote.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    key_file: Annotated[
        Path | None, typer.Option(help="The private key, where it was sealed to a public one.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    database: Annotated[
        str, typer.Option(help="SQLAlchemy URL of an empty database; SQLite in the folder by default.")
    ] = "",
    json: Json = False,
) -> None:
    """Make a practice's folder out of a backup: verified first, nudges paused, as a new device. Writes over nothing.

    Example: pli restore pli-20260301T020000Z.backup /srv/cabinet --key-file backup.key
    """
    opener = _opener(key_file, passphrase_file)
    try:
        source = file.expanduser().open("rb")
    except OSError as error:
        raise Refused(
            f"{file}: cannot be read ({type(error).__name__})", mend="name what pli backup wrote"
        ) from None
    with source:
        done = restore(source, opener, folder.expanduser().absolute(), database=database, clock=SystemClock())
    if json:
        print_json(_restored(done))
        return
    settled, back = done.settled, done.rows
    say(f"restored: {done.folder}, as of {done.made}")
    say(
        f"looked through: {back['patient']} patient(s), {back['recipient']} recipient(s), {back['appointment']}"
        f" appointment(s); {done.audit_rows} rows of the audit log, unbroken; {done.sealed} sealed cells"
    )
    if done.with_vault:
        say(
            "the vault came back: five tries are used for everybody, and keys destroyed since then are there again:"
        )
        say("  whoever left or was locked since: pli patient remove REF", style="yellow")
    if settled.to_invite or not done.with_vault:
        say(
            f"to be invited again: {settled.to_invite} (the list: pli problems), then import the agenda",
            style="yellow",
        )
    say(
        f"nothing of the past leaves: {settled.unknown} nudge(s) may have left and are on the list (of what was being"
        f" sent: {settled.claimed}), {settled.dropped} message(s) dropped; {settled.kept} nudge(s) are to come"
    )
    if not done.import_keys:
        warn("the import side's keys were not in it: put their folder back before the next import")
    say(
        "not in a backup: the homeserver's own data, tokens and passwords in files of their own, PLI_… variables"
    )
    say(
        f"nudges are paused; next: pli --config {done.folder} login --user … --password-file … (a new device; with"
    )
    say(
        "  the embedded homeserver: homeserver run), then pli run, pli doctor, and when all is well: pli resume"
    )


def _lock(public_key: Path | None, passphrase_file: Path | None) -> PublicKey | Passphrase:
    if public_key is not None and passphrase_file is None:
        return public_key_in(_text(public_key))
    if passphrase_file is not None and public_key is None:
        return Passphrase(secret=_secret(passphrase_file))
    raise WrongUse(
        "a backup is sealed to one thing",
        mend="give --public-key FILE (pli backup keygen) or --passphrase-file FILE",
    )


def _opener(key_file: Path | None, passphrase_file: Path | None) -> Opener:
    if key_file is not None and passphrase_file is None:
        return private_key_in(_secret(key_file).reveal())
    if passphrase_file is not None and key_file is None:
        return Passphrase(secret=_secret(passphrase_file))
    raise WrongUse(
        "what opens the backup is not named", mend="give --key-file FILE or --passphrase-file FILE"
    )


def _secret(file: Path) -> Secret:
    """A file of text that other accounts cannot read."""
    try:
        mode = file.expanduser().stat().st_mode
    except OSError:
        raise WrongUse(f"{file}: cannot be read", mend="check its name") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise WrongUse(f"{file}: open to other accounts", mend=f"chmod 600 {file}")
    return Secret(_text(file).strip())


def _text(file: Path) -> str:
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise WrongUse(f"{file}: cannot be read", mend="check its name") from None


def _made(made: Made) -> dict[str, object]:
    return {
        "file": str(made.file),
        "bytes": made.size,
        "rows": dict(made.rows),
        "audit_rows": made.audit_rows,
        "sealed_cells": made.sealed,
        "with_vault": made.with_vault,
        "import_keys": made.import_keys,
    }


def _restored(done: Restored) -> dict[str, object]:
    return {
        "folder": str(done.folder),
        "made": done.made,
        "rows": dict(done.rows),
        "audit_rows": done.audit_rows,
        "with_vault": done.with_vault,
        "import_keys": done.import_keys,
        **done.settled.counts(),
        "paused": True,
    }
