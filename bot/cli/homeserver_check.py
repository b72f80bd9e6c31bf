"""``pli homeserver check``: the rules over a configuration and a running server."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.table import Table
from rich.text import Text

from bot.app import Installation
from bot.cli.common import DONE, PARTLY, REFUSED, Json, out, print_json, say
from bot.domain.values import Secret, UserId
from bot.errors import WrongUse
from bot.homeserver.admin import HomeserverAdmin
from bot.homeserver.check import check as judge
from bot.homeserver.check import worst
from bot.homeserver.facts import Facts, Trial, read_configuration
from bot.homeserver.outside import look
from bot.homeserver.plan import BOT_NAME
from bot.homeserver.rule import Finding, Level
from bot.homeserver.trial import GATEWAY, try_out
from config.settings import locate

_WIDE = 140  # narrower, a table would break the words that are to be copied
_COPIED = 54  # the longest word of a mend
_MARK = {None: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.FAULT: ("✗", "red")}


def check(
    config: Annotated[Path | None, typer.Option(help="Synapse's homeserver.yaml.")] = None,
    url: Annotated[str, typer.Option(help="The running server, as apps reach it: https://…")] = "",
    domain: Annotated[
        str, typer.Option(help="What stands behind the colon; from --config, or the address, if left out.")
    ] = "",
    bot: Annotated[str, typer.Option(help="The bot's name before the colon.")] = "",
    admin_token_file: Annotated[
        Path | None, typer.Option(help="An administrator's token, for what an account alone can see.")
    ] = None,
    admin_url: Annotated[str, typer.Option(help="Where the admin API answers: http://127.0.0.1:8008")] = "",
    push_gateway: Annotated[
        str, typer.Option(help="The gateway to which a push is tried; empty: none.")
    ] = GATEWAY,
    plain_url: Annotated[
        str, typer.Option(help="Where http without TLS would answer; port 80 if left out.")
    ] = "",
    ca_file: Annotated[
        Path | None, typer.Option(help="The one authority whose certificates are believed (PEM).")
    ] = None,
    all_rules: Annotated[
        bool, typer.Option("--all", help="Show what is well, too, with the reasons.")
    ] = False,
    json: Json = False,
) -> None:
    """Judge a homeserver by its configuration, and from outside. What a practice's settings say is taken from there.

    With an administrator's token two accounts are made, try a room and a push, and are erased again.
    Exit code: 0 all is well, 1 a fault, 3 warnings alone.

    Example: pli homeserver check --config /etc/pli-homeserver/homeserver.yaml --url https://accueil.example
    """
    if config is None and not url:
        raise WrongUse("there is nothing to look at", mend="give --config FILE, --url URL, or both")
    if config is not None and config.is_dir():
        config /= "homeserver.yaml"
    home = Installation.at(file) if (file := locate(None)).is_file() else None
    configured = read_configuration(config) if config is not None else None
    named = configured.keys.get("server_name") if configured is not None else None
    host = urlsplit(url).hostname or ""
    domain = domain or (str(named) if named else host)
    bot = bot or _bot_of(home) or BOT_NAME
    seen = None
    if url:
        believed = ca_file or (home.ca_file if home else None)
        seen = look(url, domain=domain, bot=bot, plain_url=plain_url, ca_file=believed)
        admin = _admin(home, url, admin_url, admin_token_file, believed)
        if admin is not None and (seen.tls is None or not seen.tls.error):
            trial = asyncio.run(_try(url, admin, domain, UserId(f"@{bot}:{domain}"), push_gateway, believed))
            seen = dataclasses.replace(seen, trial=trial)
    names = tuple(dict.fromkeys(filter(None, (domain, host, bot))))
    findings = judge(Facts(config=configured, seen=seen, names=names))
    if json:
        print_json([_as_data(each) for each in findings])
    else:
        _show(findings, everything=all_rules)
    raise typer.Exit({None: DONE, Level.FAULT: REFUSED, Level.WARNING: PARTLY}[worst(findings)])


def _bot_of(home: Installation | None) -> str:
    """The name of the practice's bot, where it is logged in."""
    if home is None or not (home.bot_dir / "session.json").is_file():
        return ""
    return home.session().user.split(":")[0].removeprefix("@")


def _admin(
    home: Installation | None, url: str, admin_url: str, token_file: Path | None, ca_file: Path | None
) -> HomeserverAdmin | None:
    """None where no administrator's token is named."""
    if token_file is None:
        if home is None or not home.settings.homeserver.admin_token_file:
            return None
        return home.homeserver_admin()
    try:
        token = Secret(token_file.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise WrongUse("the administrator's token cannot be read", mend="check --admin-token-file") from None
    address = admin_url or (home.settings.homeserver.admin_url if home else "") or url
    return HomeserverAdmin(address, token, ca_file=ca_file)


async def _try(
    url: str, admin: HomeserverAdmin, domain: str, bot: UserId, gateway: str, ca_file: Path | None
) -> Trial:
    async with admin:
        return await try_out(url, admin, domain=domain, bot=bot, gateway=gateway, ca_file=ca_file)


def _as_data(finding: Finding) -> dict[str, object]:
    rule = finding.rule
    return {
        "id": rule.id,
        "what": rule.what,
        "why": rule.why,
        "level": rule.level,
        "ok": finding.verdict.ok,
        "found": finding.verdict.found,
        "mend": "" if finding.verdict.ok else rule.mend,
    }


def _show(findings: tuple[Finding, ...], *, everything: bool) -> None:
    shown = [each for each in findings if everything or not each.verdict.ok]
    if shown and out.width < _WIDE:
        for each in shown:
            mark, style = _MARK[each.level]
            head = f"{mark} {each.rule.what}: {each.verdict.found}"
            say(head, f"bold {style}")
            say(f"    why: {each.rule.why}")
            if not each.verdict.ok:
                say(f"    {each.level}, mend: {each.rule.mend}")
    elif shown:
        drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
        drawn.add_column("level", no_wrap=True)
        for heading, most in (("what", 27), ("why", 26), ("found", 18), ("mend", None)):
            drawn.add_column(heading, overflow="fold", max_width=most, min_width=None if most else _COPIED)
        for each in shown:
            mark, style = _MARK[each.level]
            mend = "" if each.verdict.ok else each.rule.mend
            cells = (each.rule.what, each.rule.why, each.verdict.found, mend)
            level = Text(f"{mark} {each.level or ''}", style=f"bold {style}")
            drawn.add_row(level, *(Text(cell) for cell in cells))
        out.print(drawn)
    well = sum(bool(each.verdict.ok) for each in findings)
    faults = sum(each.level is Level.FAULT for each in findings)
    warnings = len(findings) - well - faults
    say(f"{len(findings)} rules: {well} well, {faults} fault(s) (✗), {warnings} warning(s) (!)", "bold")
