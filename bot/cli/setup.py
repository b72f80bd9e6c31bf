"""``pli init``, ``pli login``, ``pli upgrade``: a practice's folder."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.channel import set_up_device
from bot.channels.matrix.files import DeviceLock
from bot.channels.matrix.identity import login
from bot.cli.common import Json, installation, print_json, say
from bot.domain.values import Language, Secret
from bot.errors import PliError, Refused, StorageError, WrongUse
from bot.tls import trusting
from bot.upgrade import upgrade as upgrade_stores
from config.settings import FILE_NAME, load
from config.template import fill_template
from storage.keys import create_keys
from storage.schema import migrate
from storage.vault_file import create_vault


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("login")(login_again)
    app.command("upgrade")(upgrade)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    homeserver: Annotated[str, typer.Option(help="Address of a homeserver that exists already.")] = "",
    user: Annotated[str, typer.Option(help="The bot's account there, @bot:server.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="File with that account's password; kept nowhere.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="The one authority whose certificates are believed there (PEM).")
    ] = None,
    name: Annotated[str, typer.Option(help="The practice's name.")] = "",
    phone: Annotated[str, typer.Option(help="The practice's telephone.")] = "",
    timezone: Annotated[str, typer.Option(help="IANA time zone.")] = "",
    language: Annotated[Language | None, typer.Option(help="Language of new people.")] = None,
    database: Annotated[str, typer.Option(help="SQLAlchemy URL; SQLite in the folder by default.")] = "",
    vault: Annotated[str, typer.Option(help="The vault's file; in the folder by default.")] = "",
    vault_socket: Annotated[
        str,
        typer.Option(help="Where a vault that runs already is asked (pli vault run); then no file is made."),
    ] = "",
    port: Annotated[int, typer.Option(help="Port of the embedded homeserver.", min=1, max=65535)] = 8008,
    health_port: Annotated[int, typer.Option(help="Port of /healthz and /readyz.", min=0, max=65535)] = 8470,
    json: Json = False,
) -> None:
    """Make a practice's folder: settings, keys, database, vault. Writes over nothing.

    Example: pli init cabinet --name "Cabinet du Parc" --phone "01 23 45 67 89"
    """
    folder = folder.expanduser().absolute()
    external = bool(homeserver or user or password_file)
    if external and not (homeserver and user and password_file):
        raise WrongUse("--homeserver, --user and --password-file go together", mend="give all three, or none")
    if vault and vault_socket:
        raise WrongUse("--vault and --vault-socket exclude each other", mend="give one of them")
    password = _password(password_file) if password_file else None
    trusting(ca_file)  # one that cannot be read is found before anything is made
    _refuse_to_overwrite(folder)
    values: dict[tuple[str, str], str | int] = {
        ("practice", "name"): name,
        ("practice", "phone"): phone,
        ("practice", "timezone"): timezone,
        ("practice", "language"): language.value if language else "",
        ("storage", "database"): database,
        ("storage", "vault"): str(Path(vault).expanduser().absolute()) if vault else "",
        ("storage", "vault_socket"): str(Path(vault_socket).expanduser().absolute()) if vault_socket else "",
        ("matrix", "homeserver"): homeserver or f"http://127.0.0.1:{port}",
        ("homeserver", "port"): port,
        ("homeserver", "ca_file"): str(ca_file.expanduser().absolute()) if ca_file else "",
        ("health", "port"): health_port,
    }
    text = fill_template({k: v for k, v in values.items() if v != ""})
    file = folder / FILE_NAME
    existed = folder.exists()
    try:
        _write_settings(file, text)
        home = Installation(load(file))
        _make(home)
    except PliError:
        _undo(folder, existed=existed)  # nothing half made is left behind
        raise
    if password is not None:
        try:
            asyncio.run(_log_in(home, homeserver.rstrip("/"), user, password))
        except PliError as error:
            error.mend = f"{error.mend or 'mend that'}; {folder} is made: then pli --config {folder} login …"
            raise
    if json:
        print_json({"config": str(file), "logged_in": password is not None})
        return
    say(f"made: {file} (every setting with its comment), keys, database and vault")
    if password is not None:
        say("the bot is logged in and its identity is published; next: pli patient add REF")
    else:
        say(f"next: pli --config {folder} homeserver run, or init with --homeserver for one of your own")


def _write_settings(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.chmod(0o700)
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{file.parent}: cannot be written ({type(error).__name__})", mend="choose another folder"
        ) from None


def _undo(folder: Path, *, existed: bool) -> None:
    """``folder`` was empty, or not there, before: take away what was put into it."""
    if not existed:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink(missing_ok=True)


def upgrade(json: Json = False) -> None:
    """Bring database and vault to the form that this version needs, or leave both as they are. Stop the bot before.

    Both are looked through before and after: rows, audit log, every sealed cell, and whether they fit together.

    Example: pli upgrade
    """
    done = upgrade_stores(installation())
    if json:
        print_json({"upgraded": done.database or done.vault, **asdict(done)})
        return
    changed = [name for name, was in (("database", done.database), ("vault", done.vault)) if was]
    if changed:
        say(f"{' and '.join(changed)} brought to the form of this version (schema {done.schema})")
    else:
        say("database and vault have the form of this version")
    say(
        f"looked through: {done.rows} rows, {done.audit_rows} of them of the audit log, {done.sealed} sealed cells"
    )


def login_again(
    user: Annotated[str, typer.Option(help="The bot's account, @bot:server.")],
    password_file: Annotated[Path, typer.Option(help="File with that account's password; kept nowhere.")],
) -> None:
    """Log the bot in again, as a new signed device: its token no longer works, or its device's keys are lost.

    Example: pli login --user @bot:example.org --password-file password.txt
    """
    home = installation()
    password = _password(password_file)
    store = home.bot_dir / CRYPTO_STORE
    DeviceLock(store).take().release()  # refuses while the bot runs
    asyncio.run(_log_in(home, home.settings.matrix.homeserver.rstrip("/"), user, password, forget=store))
    say("the bot is logged in as a new device; next: pli run")


def _refuse_to_overwrite(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused("the folder is not empty", mend="choose a new one: pli init writes over nothing")


def _password(file: Path) -> Secret:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise WrongUse("the password file cannot be read", mend="check --password-file") from None
    if not text:
        raise WrongUse("the password file is empty", mend="write the password into it")
    return Secret(text)


def _make(home: Installation) -> None:
    engine = home.engine  # first: an address that cannot be read is found before anything is made
    create_keys(home.bot_dir, home.import_dir)
    try:
        if home.vault_socket is None:
            home.vault_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if engine.dialect.name == "sqlite" and engine.url.database:
            Path(engine.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"a folder cannot be made ({type(error).__name__})",
            mend="choose another one for vault or database",
        ) from None
    if home.vault_socket is None:
        create_vault(home.vault_path)
    else:
        home.vault.anchor()  # does it answer?
    migrate(engine)
    engine.dispose()


async def _log_in(
    home: Installation, homeserver: str, user: str, password: Secret, *, forget: Path | None = None
) -> None:
    """``forget`` is the store of a device that is no more."""
    session = await login(homeserver, user, password, home.bot_dir, ca_file=home.ca_file)
    if forget is not None:
        await asyncio.to_thread(shutil.rmtree, forget)
    await set_up_device(
        session,
        key_dir=home.bot_dir,
        store_dir=home.bot_dir / CRYPTO_STORE,
        pickle_key=home.keys.pickle,
        password=password,
    )
