"""``pli desk``: the import side's process, which carries out what is typed in the staff room."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from bot.app import Installation
from bot.cli.common import installation, put
from bot.cli.desk_orders import DeskOrders
from bot.cli.desk_server import DeskServer, serve_inherited, serve_socket
from bot.cli.dropped import take_file
from bot.cli.unasked import Unasked
from bot.domain.staff import Member, MemberId
from bot.errors import WrongUse
from bot.logs import set_up_logs


def register(app: typer.Typer) -> None:
    app.command("desk")(desk)


def desk(
    inherited: Annotated[int | None, typer.Option(hidden=True, min=3)] = None,
) -> None:
    """Carry out what the staff room asks for, with the import side's keys, until stopped (Ctrl-C or SIGTERM).

    Needed only where \\[staff] desk_socket is set: else pli run starts it by itself. Run it under the account that may
    read the import side's keys; the bot's account needs them no more. Example: pli desk
    """
    set_up_logs()
    home = installation()
    if not home.schema_is_current():
        raise WrongUse("the database has another schema", mend="stop every pli and run: pli upgrade")
    home.import_side()  # what is missing is said now, and not at the first order
    orders = DeskOrders(home, lambda member: find_member(home, member), take_file=take_file)
    server = DeskServer(orders, Unasked(home).asks(), max_file=home.settings.agenda.max_bytes)
    if inherited is not None:
        asyncio.run(serve_inherited(server, inherited))
        return
    chosen = home.settings.staff
    if not chosen.desk_socket:
        raise WrongUse(
            "the desk has no socket of its own", mend="set [staff] desk_socket, or use pli run alone"
        )
    put("listening; stop with Ctrl-C")
    asyncio.run(_listen(home, server))
    put("stopped")


async def _listen(home: Installation, server: DeskServer) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopping.set)
    chosen = home.settings.staff
    path = home.settings.path(chosen.desk_socket)
    await serve_socket(server, path, group=chosen.desk_group, users=chosen.desk_users, stopping=stopping)


def find_member(home: Installation, member: MemberId) -> Member | None:
    """Who is a member now: nobody who was removed."""
    with home.uow() as uow:
        return next((m for m in uow.staff.all() if m.id == member and not m.leaving), None)
