"""``pli homeserver``: ``run`` for the embedded one; ``init``, ``check`` and ``accounts`` for one of your own."""

from __future__ import annotations

import asyncio
import secrets
import signal
import threading
from pathlib import Path
from types import FrameType

import typer

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.channel import set_up_device
from bot.channels.matrix.identity import login
from bot.channels.matrix.session import SEEDS_FILE, SESSION_FILE
from bot.cli import homeserver_accounts, homeserver_check, homeserver_init
from bot.cli.common import REFUSED, installation, put, say
from bot.domain.values import Secret, UserId
from bot.errors import Refused
from bot.homeserver.bootstrap import administer
from bot.homeserver.embedded import EmbeddedHomeserver
from bot.homeserver.plan import BOT_NAME
from bot.homeserver.settings import ServerOptions

group = typer.Typer(
    no_args_is_help=True,
    help="The homeserver: the embedded one, or the files, checks and accounts of one of your own.",
)
group.command("init")(homeserver_init.init)
group.command("check")(homeserver_check.check)
group.add_typer(homeserver_accounts.group, name="accounts")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="homeserver")


@group.command("run")
def run() -> None:
    """Run the embedded homeserver until stopped. The first time, make the bot's account and log it in.

    Example: pli homeserver run
    """
    home = installation()
    settings = home.settings.homeserver
    server = EmbeddedHomeserver(
        home.settings.path(settings.folder),
        port=settings.port,
        options=ServerOptions(server_name=settings.server_name),
    )
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    with server:
        asyncio.run(prepare_bot(home, server))
        put(f"homeserver ready: {server.url} (stop with Ctrl-C); next, in another terminal: pli run")
        while not stopping.is_set():
            if server.wait(0.5) is not None:
                say("the homeserver ended by itself; its log is in its folder")
                raise typer.Exit(REFUSED)


def is_set_up(bot_dir: Path) -> bool:
    """Logged in, and its identity made: a first start that was cut off begins again."""
    return (bot_dir / SESSION_FILE).exists() and (bot_dir / SEEDS_FILE).exists()


async def prepare_bot(home: Installation, server: EmbeddedHomeserver) -> None:
    """The bot's account with rate limits lifted, logged in with its identity published. Idempotent."""
    user = UserId(f"@{BOT_NAME}:{server.server_name}")
    if home.settings.matrix.homeserver.rstrip("/") != server.url:
        raise Refused(
            "[matrix] homeserver is not the embedded one", mend=f'set it to "{server.url}" in pli.toml'
        )
    async with await administer(server) as admin:
        if not is_set_up(home.bot_dir):
            password = Secret(secrets.token_urlsafe(32))  # used once, kept nowhere
            await admin.put_user(user, password)
            await admin.lift_rate_limits(user)
            session = await login(server.url, user, password, home.bot_dir)
            await set_up_device(
                session,
                key_dir=home.bot_dir,
                store_dir=home.bot_dir / CRYPTO_STORE,
                pickle_key=home.keys.pickle,
                password=password,
            )
        else:
            await admin.lift_rate_limits(user)
