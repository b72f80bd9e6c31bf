"""``pli homeserver init``: the files of a homeserver of one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

import bot
from bot.cli.common import Json, print_json, say, warn
from bot.domain.values import Secret
from bot.errors import PliError, WrongUse
from bot.homeserver.deployed import SYNAPSE_ADDRESS
from bot.homeserver.files import folders, generate
from bot.homeserver.made import File, Secrets
from bot.homeserver.plan import (
    BOT_NAME,
    LONGEST_NOTICE_DAYS,
    Certificates,
    Database,
    Deployment,
    Engine,
    Plan,
    Ports,
    Proxy,
    retention_days,
)
from bot.homeserver.telling import telling_word
from bot.homeserver.writing import write
from config.settings import load, locate

_Port = Annotated[int, typer.Option(min=1, max=65535)]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")],
    domain: Annotated[str, typer.Option(help="Stands behind the colon of every account; never changes.")],
    host: Annotated[
        str, typer.Option(help="Name under which apps connect; the domain itself if left out.")
    ] = "",
    web_host: Annotated[
        str, typer.Option(help="Name of Element Web (compose); app.DOMAIN if left out.")
    ] = "",
    database: Annotated[
        Engine | None, typer.Option(help="postgresql with --compose, else sqlite, if left out.")
    ] = None,
    database_host: Annotated[str, typer.Option(help="Name, or folder of a Unix socket.")] = "/run/postgresql",
    database_port: _Port = 5432,
    database_name: Annotated[str, typer.Option()] = "synapse",
    database_user: Annotated[str, typer.Option()] = "pli-synapse",
    database_password_file: Annotated[
        Path | None, typer.Option(help="None for a Unix socket that knows its users.")
    ] = None,
    proxy: Annotated[
        Proxy, typer.Option(help="The reverse proxy to write a configuration for.")
    ] = Proxy.CADDY,
    compose: Annotated[bool, typer.Option("--compose", help="A compose file for everything.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Units for bot and Synapse.")] = False,
    certificates: Annotated[
        Certificates, typer.Option(help="internal: the proxy signs for itself (trials, closed networks).")
    ] = Certificates.PUBLIC,
    port: _Port = 8008,
    https_port: _Port = 443,
    http_port: _Port = 80,
    print_only: Annotated[bool, typer.Option("--print", help="Show the files, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Write a hardened homeserver's files, each setting under its reason. Overwrites nothing.

    Example: pli homeserver init /etc/pli-homeserver --domain accueil.example --database postgresql --systemd
    """
    if compose and systemd:
        raise WrongUse("--compose and --systemd are two ways to start the same", mend="choose one")
    deployment = Deployment.COMPOSE if compose else Deployment.SYSTEMD if systemd else Deployment.HAND
    plan = Plan(
        domain=domain,
        host=host,
        web_host=web_host,
        folder=folder.expanduser().absolute(),
        database=Database(
            engine=database or (Engine.POSTGRESQL if compose else Engine.SQLITE),
            host=database_host,
            port=database_port,
            name=database_name,
            user=database_user,
            password=_password(database_password_file),
        ),
        proxy=proxy,
        deployment=deployment,
        certificates=certificates,
        ports=Ports(synapse=port, https=https_port, http=http_port),
        retention_days=retention_days(_days_before()),
        python=Path(sys.executable),
        source=Path(bot.__path__[0]).parent,
        synapse_version=_synapse_version(),
        owner=(os.getuid() or 991, os.getgid() or 991),
    )
    files = generate(plan, Secrets.placeholders() if print_only else Secrets.new())
    if not print_only:
        as_root = compose and os.getuid() == 0
        write(plan.folder, files, folders=folders(plan), owner=plan.owner if as_root else None)
    if json:
        texts = {"files": {name: file.text for name, file in files.items()}} if print_only else {}
        print_json({"folder": str(plan.folder), "written": [] if print_only else list(files), **texts})
    elif print_only:
        _show(files)
    else:
        say(f"written to {plan.folder}: {', '.join(files)}")
        for number, step in enumerate(_next_steps(plan), 1):
            say(f"  {number}. {step}")
    for name in (plan.domain, plan.api_host):
        if word := telling_word(name):
            warn(f"the name {name} tells what it is about ({word}): networks and push providers read it")
            break
    if systemd and any(plan.python.is_relative_to(home) for home in ("/home", "/root")):
        warn(f"the units cannot see {plan.python}: install Pli outside of home folders, /opt/pli for example")


def _password(file: Path | None) -> Secret | None:
    if file is None:
        return None
    try:
        return Secret(file.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        raise WrongUse("the password file cannot be read", mend="check --database-password-file") from None


def _days_before() -> tuple[int, ...]:
    """As the practice has set it, where its folder is at hand; else the most that it may set."""
    file = locate(None)
    if not file.is_file():
        return (LONGEST_NOTICE_DAYS,)
    try:
        return load(file).nudges.days_before
    except PliError as error:
        error.mend = f"{error.mend}; or leave the practice's folder out of this command"
        raise


def _synapse_version() -> str:
    try:
        return f"v{version('matrix-synapse')}"
    except PackageNotFoundError:
        return "latest"


def _show(files: Mapping[str, File]) -> None:
    for name, file in files.items():
        typer.echo(f"==== {name} (mode {file.mode:o}) ====")
        typer.echo(file.text)


def _next_steps(plan: Plan) -> tuple[str, ...]:
    folder = plan.folder
    address = f"http://127.0.0.1:{plan.ports.synapse}"
    password = (
        "/var/lib/pli/bot.password" if plan.deployment is Deployment.SYSTEMD else f"{folder}/bot.password"
    )
    bot_login = f"--homeserver {address} --user @{BOT_NAME}:{plan.domain} --password-file {password}"
    match plan.deployment:
        case Deployment.COMPOSE:
            inside = "docker compose run --rm -v $PWD:/files bot"
            address = f"http://{SYNAPSE_ADDRESS}:{plan.ports.synapse}"
            return (
                f"cd {folder}; docker compose build; docker compose up -d proxy synapse element",
                f"{inside} homeserver accounts admin /files; {inside} homeserver accounts bot /files",
                f"{inside} init /pli --homeserver {address} --user @{BOT_NAME}:{plan.domain}"
                " --password-file /files/bot.password …; rm bot.password; mv admin.token data/bot/",
                'in data/bot/pli.toml: [homeserver] admin_token_file = "admin.token"; docker compose up -d',
                f"pli homeserver check --config {folder}/homeserver.yaml --url {plan.public_url}",
            )
        case Deployment.SYSTEMD:
            return (
                f"copy {folder}/pli.sysusers.conf to /etc/sysusers.d/pli.conf and {folder}/pli.tmpfiles.conf to"
                " /etc/tmpfiles.d/pli.conf; systemd-sysusers; systemd-tmpfiles --create",
                f"copy {folder}/*.service to /etc/systemd/system and {folder}/Caddyfile to /etc/caddy;"
                " systemctl daemon-reload; systemctl enable --now pli-synapse; systemctl restart caddy",
                f"pli homeserver accounts admin {folder}; pli homeserver accounts bot {folder};"
                f" install -o pli -g pli -m 600 {folder}/admin.token {folder}/bot.password /var/lib/pli",
                "sudo -u pli-vault pli vault create /var/lib/pli-vault/vault.db;"
                " systemctl enable --now pli-vault",
                "sudo -u pli pli init /var/lib/pli/cabinet --vault-socket /run/pli-vault/vault.sock"
                f" {bot_login} …;"
                f" rm {folder}/bot.password /var/lib/pli/bot.password",
                'in /var/lib/pli/cabinet/pli.toml: [homeserver] admin_token_file = "/var/lib/pli/admin.token";'
                " systemctl enable --now pli-desk pli",
                f"pli homeserver check --config {folder}/homeserver.yaml --url {plan.public_url}",
            )
    return (
        f"start Synapse: {plan.python} -m synapse.app.homeserver -c {folder}/homeserver.yaml",
        f"start the proxy: caddy run --adapter caddyfile --config {folder}/Caddyfile",
        f"pli homeserver accounts admin {folder}; pli homeserver accounts bot {folder}",
        f"pli init cabinet {bot_login} …; rm {password}",
        f"pli homeserver check --config {folder}/homeserver.yaml --url {plan.public_url}",
    )
