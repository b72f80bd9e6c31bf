"""``pli homeserver accounts``: the bot's, the staff's, and tokens with which patients make theirs."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bot.app import Installation
from bot.cli.account_reset import new_password
from bot.cli.common import Json, installation, print_json, say, say_count, show, table, warn
from bot.cli.invitations import parse_duration
from bot.domain.values import Secret, UserId, new_id
from bot.errors import Refused, StorageError, WrongUse
from bot.homeserver.admin import HomeserverAdmin, register_with_shared_secret
from bot.homeserver.facts import Configured, read_configuration
from bot.homeserver.files import CONFIG_FILE
from bot.homeserver.plan import BOT_NAME
from bot.homeserver.telling import telling_word

TOKEN_FILE, PASSWORD_FILE = "admin.token", "bot.password"

group = typer.Typer(no_args_is_help=True, help="Accounts of a homeserver of your own, through its admin API.")
T = TypeVar("T")

Folder = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The folder that pli homeserver init wrote; it gets the new files."),
]
Url = Annotated[str, typer.Option(help="Where the admin API answers; from homeserver.yaml if left out.")]


@group.command("admin")
def admin(folder: Folder, url: Url = "", json: Json = False) -> None:
    """Make the first administrator with the secret of homeserver.yaml; its token goes to DIR/admin.token (0600).

    Nobody knows its password. Example: pli homeserver accounts admin /etc/pli-homeserver
    """
    config = read_configuration(folder / CONFIG_FILE)
    secret = config.get("registration_shared_secret")
    if not isinstance(secret, str):
        raise Refused(
            "homeserver.yaml has no shared secret",
            mend="put registration_shared_secret into it, restart Synapse",
        )
    target = folder / TOKEN_FILE
    _refuse_existing(target)
    made = asyncio.run(
        register_with_shared_secret(
            url or _address(config),
            Secret(secret),
            localpart=new_id("admin"),
            password=Secret(secrets.token_urlsafe(32)),
            admin=True,
        )
    )
    _write_secret(target, made.token)
    if json:
        print_json({"token_file": str(target)})
    else:
        say(f"made; its token is in {target}. In pli.toml, [homeserver]:")
        say(f'  admin_token_file = "{target.absolute()}"')
        say(f'  admin_url = "{url or _address(config)}"')


@group.command("bot")
def bot(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Its name before the colon, neutral.")] = BOT_NAME,
    url: Url = "",
    json: Json = False,
) -> None:
    """Make the bot's account and lift its rate limits; its password, for one log-in, goes to DIR/bot.password (0600).

    An account that is there keeps its password and devices; its limits are lifted again.
    Example: pli homeserver accounts bot /etc/pli-homeserver
    """
    config = read_configuration(folder / CONFIG_FILE)
    user = UserId(f"@{name}:{config.get('server_name')}")
    if word := telling_word(name):
        warn(f"the name {name} tells what it is about ({word}): it stands on locked telephones")
    target = folder / PASSWORD_FILE
    password = Secret(secrets.token_urlsafe(32))

    async def work(api: HomeserverAdmin) -> bool:
        new = not await api.has_user(user)
        if new:
            _refuse_existing(target)
            _write_secret(target, password)
            await api.put_user(user, password)
        await api.lift_rate_limits(user)
        return new

    async def with_admin() -> bool:
        async with HomeserverAdmin(url or _address(config), _token(folder)) as api:
            return await work(api)

    new = asyncio.run(with_admin())
    if json:
        print_json({"user": user, "new": new, "password_file": str(target) if new else None})
    elif new:
        say(f"made: {user}, its rate limits lifted; its password is in {target}")
        say(f"next: pli init … --user {user} --password-file {target}; then delete that file")
    else:
        say(f"{user} is there already; its rate limits are lifted")


@group.command("staff")
def staff(
    name: Annotated[str, typer.Argument(help="Name before the colon: initials rather than a name.")],
    json: Json = False,
) -> None:
    """Make an account for a member of the staff. Its password is shown once.

    Example: pli homeserver accounts staff ab
    """
    home = installation()
    user = UserId(f"@{name}:{_domain(home)}")
    password = new_password()

    async def work(api: HomeserverAdmin) -> None:
        if await api.has_user(user):
            raise Refused("the account exists already", mend="choose another name")
        await api.put_user(user, Secret(password))

    _with_practice(home, work)
    data = {"user": user, "password": password}
    if json:
        print_json(data)
        return
    show(data)
    say("shown once, stored nowhere", style="bold")


@group.command("token")
def token(
    uses: Annotated[int, typer.Option(help="For so many accounts.", min=1, max=1000)] = 1,
    expires: Annotated[str, typer.Option(help="How long it is valid: 14d, 12h.")] = "14d",
    json: Json = False,
) -> None:
    """Make a token with which a patient makes an account in an app that asks for one. Shown once.

    Where the app does not (Element X on Android): pli invite REF --account.
    Example: pli homeserver accounts token --expires 14d
    """
    home = installation()
    until = home.clock.now() + parse_duration(expires)
    made = _with_practice(home, lambda api: api.new_registration_token(uses=uses, expires=until))
    data = {"token": made.reveal(), "uses": uses, "expires": until.isoformat(timespec="minutes")}
    if json:
        print_json(data)
    else:
        show(data)


@group.command("tokens")
def tokens(json: Json = False) -> None:
    """List the tokens: how often each may be used, and was. What is shown of one is enough to revoke it.

    Example: pli homeserver accounts tokens
    """
    found = _with_practice(installation(), lambda api: api.registration_tokens())
    rows = [
        {
            "token": each.token.reveal()[:8],
            "uses": each.uses,
            "used": each.used,
            "expires": each.expires.isoformat(timespec="minutes") if each.expires else None,
        }
        for each in found
    ]
    if json:
        print_json(rows)
    else:
        table(
            ("begins with", "uses", "used", "expires"),
            [tuple("–" if cell is None else cell for cell in row.values()) for row in rows],
            empty="no tokens",
        )


@group.command("revoke")
def revoke(
    beginning: Annotated[
        str, typer.Argument(metavar="TOKEN", help="The token, or how it begins (8 characters).")
    ],
    json: Json = False,
) -> None:
    """Revoke a token. Accounts that were made with it stay.

    Example: pli homeserver accounts revoke a1b2c3d4
    """
    if len(beginning) < 8:
        raise WrongUse("eight characters of the token, at least", mend="see pli homeserver accounts tokens")

    async def work(api: HomeserverAdmin) -> int:
        chosen = [t.token for t in await api.registration_tokens() if t.token.reveal().startswith(beginning)]
        for each in chosen:
            await api.revoke_registration_token(each)
        return len(chosen)

    count = _with_practice(installation(), work)
    if not count:
        raise Refused("no token begins so", mend="see pli homeserver accounts tokens")
    if json:
        print_json({"revoked": count})
    else:
        say_count("{number} token revoked", "{number} tokens revoked", count)


@group.command("list")
def list_accounts(json: Json = False) -> None:
    """List the accounts: patients, staff, the bot, administrators.

    Example: pli homeserver accounts list
    """
    found = _with_practice(installation(), lambda api: api.users())
    rows = [{"user": a.user, "admin": a.admin, "closed": a.deactivated} for a in found]
    if json:
        print_json(rows)
    else:
        marks = [
            (a.user, "administrator" if a.admin else "", "closed" if a.deactivated else "") for a in found
        ]
        table(("account", "role", "state"), marks, empty="no accounts")


def _with_practice(home: Installation, work: Callable[[HomeserverAdmin], Awaitable[T]]) -> T:
    async def run() -> T:
        async with home.homeserver_admin() as api:
            return await work(api)

    return asyncio.run(run())


def _domain(home: Installation) -> str:
    return home.session().user.split(":", 1)[1]


def _address(config: Configured) -> str:
    """Of the first listener, as this machine reaches it."""
    listeners = config.get("listeners")
    first = listeners[0] if isinstance(listeners, list) and listeners else {}
    port = first.get("port") if isinstance(first, dict) else None
    bound = first.get("bind_addresses") if isinstance(first, dict) else None
    if not isinstance(port, int):
        raise WrongUse("homeserver.yaml has no listener with a port", mend="give --url http://127.0.0.1:8008")
    first_bound = ip_address(str(bound[0])) if isinstance(bound, list) and bound else ip_address("127.0.0.1")
    address = ip_address("127.0.0.1") if first_bound.is_unspecified else first_bound
    return f"http://{f'[{address}]' if address.version == 6 else address}:{port}"


def _token(folder: Path) -> Secret:
    try:
        return Secret((folder / TOKEN_FILE).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise Refused(
            "there is no administrator's token in the folder", mend="pli homeserver accounts admin DIR"
        ) from None


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise Refused(f"{path} is there already", mend="nothing is overwritten: move it away first")


def _write_secret(path: Path, secret: Secret) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as out:
            out.write(secret.reveal())
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({type(error).__name__})", mend="check the folder's owner and mode"
        ) from None
