"""What the rules judge: a configuration as it was read, and a running server as it was seen. Values only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import WrongUse
from bot.homeserver.yaml_text import parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Configured:
    """``keys`` as Synapse reads them; ``log`` its log configuration, None where it cannot be read from here.

    ``modes`` has the permission bits of each file with secrets that can be seen from here.
    """

    keys: Mapping[str, object]
    log: Mapping[str, object] | None = None
    modes: Mapping[str, int] = field(default_factory=dict)

    def get(self, path: str) -> object:
        """``a.b.c``, None where any of it is missing."""
        found: object = self.keys
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """To one request. ``status`` 0: none came. ``body`` is the JSON object, empty where it is none."""

    status: int
    body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def errcode(self) -> str:
        code = self.body.get("errcode")
        return code if isinstance(code, str) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """``error`` is empty where the certificate was believed; ``old`` names old versions that were spoken,
    ``life_left`` is the share of its lifetime that the certificate has still before it."""

    error: str
    version: str = ""
    life_left: float = 0.0
    old: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What an account of the check's own went through; None: not tried, or not seen."""

    pushed: bool | None = None
    encrypted: bool | None = None
    token_expires: bool | None = None
    limits_lifted: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """From outside. ``answers`` by the name of the request (see :mod:`bot.homeserver.outside`)."""

    url: str
    answers: Mapping[str, Answer]
    admin: Mapping[str, Answer]
    tls: Tls | None
    plain: Answer
    federation_port: bool
    trial: Trial = Trial()


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One of ``config`` and ``seen`` at least. ``names`` are those that others read: domain, host, the bot's."""

    config: Configured | None = None
    seen: Seen | None = None
    names: tuple[str, ...] = ()


def read_configuration(file: Path) -> Configured:
    """Synapse's ``homeserver.yaml`` and what it names. Raises :class:`WrongUse`."""
    try:
        keys = parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise WrongUse(
            "the homeserver's configuration cannot be read",
            mend="--config names its homeserver.yaml; read it as its owner, or as root",
        ) from None
    modes = {file.name: file.stat().st_mode & 0o777}
    if (key := _beside(file, keys.get("signing_key_path"))) is not None:
        modes[key.name] = key.stat().st_mode & 0o777
    return Configured(keys=keys, log=_log(_beside(file, keys.get("log_config"))), modes=modes)


def _log(file: Path | None) -> Mapping[str, object] | None:
    if file is None:
        return None
    try:
        return parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, WrongUse):
        return None


def _beside(file: Path, named: object) -> Path | None:
    """What the configuration names; a container or a unit sees it under another path, here it lies beside."""
    if not isinstance(named, str):
        return None
    here = file.parent / os.path.basename(named)  # noqa: PTH119 - a path of another machine, not of this one
    return next((path for path in (Path(named), here) if path.is_file()), None)
