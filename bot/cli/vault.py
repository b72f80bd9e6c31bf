"""``pli vault``: the vault as a process of its own, under an account of its own."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from bot.cli.common import Json, print_json, put, say
from bot.clock import SystemClock
from bot.logs import set_up_logs
from storage.vault_file import create_vault, upgrade_vault
from storage.vault_server import VaultServer

log = logging.getLogger("pli.vault")

group = typer.Typer(
    no_args_is_help=True,
    help="The vault in a process of its own: nobody but its account reads or copies the file.",
)
VaultPath = Annotated[Path, typer.Argument(metavar="FILE", help="The vault's file.")]


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="vault")


@group.command("create")
def create(file: VaultPath, json: Json = False) -> None:
    """Make an empty vault, as the account that will serve it. Never writes over one.

    Example: pli vault create /var/lib/pli-vault/vault.db
    """
    create_vault(file)
    if json:
        print_json({"created": str(file)})
    else:
        say(f"made: {file}; next: pli vault run {file} --socket PATH")


@group.command("run")
def run(
    file: VaultPath,
    socket: Annotated[
        Path,
        typer.Option(help="Where it is asked; its folder says which accounts may ask.", show_default=False),
    ],
    *,
    group_may_ask: Annotated[
        bool, typer.Option(help="The socket is open to its group; otherwise to its account alone.")
    ] = True,
) -> None:
    """Serve the vault until stopped (Ctrl-C or SIGTERM). It needs its file and nothing else: no settings, no network.

    Example: pli vault run /var/lib/pli-vault/vault.db --socket /run/pli-vault/vault.sock
    """
    set_up_logs()
    server = VaultServer(file, socket, SystemClock(), mode=0o660 if group_may_ask else 0o600)

    def stop(_: int, __: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()  # it waits for the loop, which this thread runs

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    put("serving; stop with Ctrl-C")
    log.info("started")
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
        socket.unlink(missing_ok=True)
        log.info("stopped")
    put("stopped")


@group.command("upgrade")
def upgrade(file: VaultPath, json: Json = False) -> None:
    """Bring a vault of an older version to the form that this one needs. Stop it before.

    Example: pli vault upgrade /var/lib/pli-vault/vault.db
    """
    done = upgrade_vault(file)
    if json:
        print_json({"upgraded": done})
    else:
        say("the vault was brought to this version" if done else "the vault has the form of this version")
