"""The administrator of an embedded homeserver: made once, its token kept in the folder (0600)."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from bot.domain.values import Secret, new_id
from bot.errors import StorageError
from bot.homeserver.admin import HomeserverAdmin, register_with_shared_secret
from bot.homeserver.embedded import EmbeddedHomeserver

_TOKEN = "admin.token"  # noqa: S105 - a file's name


async def administer(homeserver: EmbeddedHomeserver) -> HomeserverAdmin:
    """An administrator of the running ``homeserver``; the caller closes it.

    The account is made at the first call, with a password that nobody knows. A token that no longer works is
    replaced by a new account's.
    """
    path = homeserver.folder / _TOKEN
    if token := await asyncio.to_thread(_load, path):
        async with HomeserverAdmin(homeserver.url, token) as known:
            still_works = await known.is_admin()
        if still_works:
            return HomeserverAdmin(homeserver.url, token)
    made = await register_with_shared_secret(
        homeserver.url,
        homeserver.registration_secret(),
        localpart=new_id("admin"),
        password=Secret(secrets.token_urlsafe(32)),
        admin=True,
    )
    await asyncio.to_thread(_save, path, made.token)
    return HomeserverAdmin(homeserver.url, made.token)


def _load(path: Path) -> Secret | None:
    try:
        return Secret(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError("the administrator's token cannot be read", mend="delete admin.token") from error


def _save(path: Path, token: Secret) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(token.reveal())
    except OSError as error:
        raise StorageError("the administrator's token cannot be written") from error
