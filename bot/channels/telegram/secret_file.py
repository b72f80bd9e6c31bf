"""Secrets of one line, from a file that the bot alone may read, or from a systemd credential."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from bot.domain.values import Secret
from bot.errors import WrongUse

_TOKEN: Final = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}", re.ASCII)
_WEBHOOK: Final = re.compile(r"[A-Za-z0-9_-]{32,256}", re.ASCII)


def read_token(path: Path) -> Secret:
    """The bot's token. Raises :class:`WrongUse`."""
    return _read(path, _TOKEN, "token_file")


def read_webhook_secret(path: Path) -> Secret:
    """By which Telegram's own messages are known. Raises :class:`WrongUse`."""
    return _read(path, _WEBHOOK, "webhook_secret_file")


def _read(path: Path, form: re.Pattern[str], setting: str) -> Secret:
    try:
        if path.stat().st_mode & 0o077 and not _is_credential(path):
            raise WrongUse(
                f"[telegram] {setting}: the file is open to other accounts", mend=f"chmod 600 {path}"
            )
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise WrongUse(
            f"[telegram] {setting}: the file cannot be read", mend=f"set [telegram] {setting} in pli.toml"
        ) from None
    if form.fullmatch(text) is None:
        raise WrongUse(
            f"[telegram] {setting}: the file holds something else", mend="write the secret alone into it"
        )
    return Secret(text)


def _is_credential(path: Path) -> bool:
    """systemd lets the one account in by an access list, which shows as the group's rights."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder).resolve()
