"""What ``pli homeserver init`` was asked for: one value, judged when it is made. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from bot.domain.retention import Retention
from bot.domain.values import Secret
from bot.errors import WrongUse

PAST = Retention().appointments
LONGEST_NOTICE_DAYS = 60  # the most that [nudges] days_before takes
BOT_NAME = "messages"  # neutral: push services and the homeserver see it
_NAME = re.compile(r"(?=.{1,200}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_DATABASE_WORD = re.compile(r"[A-Za-z0-9_.-]{1,63}")


class Engine(StrEnum):
    """Where Synapse keeps its rows."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Proxy(StrEnum):
    """What stands in front."""

    CADDY = "caddy"
    NONE = "none"


class Deployment(StrEnum):
    """What starts the programs."""

    HAND = "hand"
    COMPOSE = "compose"
    SYSTEMD = "systemd"


class Certificates(StrEnum):
    """Who signs the proxy's certificate: a public authority, or the proxy itself (trials, closed networks)."""

    PUBLIC = "public"
    INTERNAL = "internal"


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """``host`` is a name, or the folder of a Unix socket. Ignored for SQLite."""

    engine: Engine = Engine.SQLITE
    host: str = "/run/postgresql"
    port: int = 5432
    name: str = "synapse"
    user: str = "pli-synapse"
    password: Secret | None = None

    def __post_init__(self) -> None:
        if not (_DATABASE_WORD.fullmatch(self.name) and _DATABASE_WORD.fullmatch(self.user)):
            raise WrongUse("names of a database and of its user are letters, digits, _ . and -")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """``synapse`` is for the proxy and this machine alone."""

    synapse: int = 8008
    https: int = 443
    http: int = 80

    def __post_init__(self) -> None:
        if len({self.synapse, self.https, self.http}) != 3:
            raise WrongUse("the three ports are different ones")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One homeserver, not yet written.

    ``domain`` stands behind the colon of every account and never changes; ``host`` is where apps connect, the domain
    itself unless said otherwise; ``web_host`` serves Element Web (compose only). ``folder`` takes the files, absolute;
    ``python`` is the interpreter that has Pli and Synapse, ``source`` a checkout of Pli for its container, ``owner``
    the user and group under whose numbers the containers run.
    """

    domain: str
    host: str = ""
    web_host: str = ""
    folder: Path
    database: Database = Database()
    proxy: Proxy = Proxy.CADDY
    deployment: Deployment = Deployment.HAND
    certificates: Certificates = Certificates.PUBLIC
    ports: Ports = Ports()
    retention_days: int = LONGEST_NOTICE_DAYS + PAST.days
    python: Path = Path("/opt/pli/.venv/bin/python")
    source: Path = Path("/opt/pli")
    synapse_version: str = "latest"
    owner: tuple[int, int] = (991, 991)

    def __post_init__(self) -> None:
        for name in (self.domain, self.api_host, self.element_host):
            if not _NAME.fullmatch(name):
                raise WrongUse(
                    "a domain is written in small letters, digits, points and hyphens, without port or https://",
                    mend="for example: --domain accueil.example",
                )
        if self.element_host in {self.domain, self.api_host}:
            raise WrongUse(
                "Element Web needs a name of its own",
                mend="a fault in it must not reach the homeserver's pages: --web-host app.example.org",
            )
        if not self.folder.is_absolute():
            raise WrongUse("the folder's path is absolute")
        if self.retention_days < 1:
            raise WrongUse("messages are kept for a day at least")
        if any(re.search(r"[\s\"'\\%$`]", str(path)) for path in (self.folder, self.python, self.source)):
            raise WrongUse(
                "paths that go into the files have no spaces, quotes, % or $", mend="choose another folder"
            )
        if self.deployment is Deployment.COMPOSE and self.proxy is Proxy.NONE:
            raise WrongUse("the compose file has a proxy", mend="leave --proxy out, or take --systemd")

    @property
    def api_host(self) -> str:
        return self.host or self.domain

    @property
    def element_host(self) -> str:
        return self.web_host or f"app.{self.domain}"

    @property
    def public_url(self) -> str:
        """Where apps connect, no slash at the end."""
        port = "" if self.ports.https == 443 else f":{self.ports.https}"
        return f"https://{self.api_host}{port}"

    @property
    def config_dir(self) -> PurePosixPath:
        """Where Synapse sees its key and its log configuration: systemd hands them over as credentials."""
        match self.deployment:
            case Deployment.COMPOSE:
                return PurePosixPath("/config")
            case Deployment.SYSTEMD:
                return PurePosixPath("/run/credentials/pli-synapse.service")
        return PurePosixPath(self.folder)

    @property
    def data_dir(self) -> PurePosixPath:
        """Where Synapse writes."""
        match self.deployment:
            case Deployment.COMPOSE:
                return PurePosixPath("/data")
            case Deployment.SYSTEMD:
                return PurePosixPath("/var/lib/pli-synapse")
        return PurePosixPath(self.folder) / "data"


def retention_days(days_before: tuple[int, ...]) -> int:
    """As long as the earliest notice may be useful, and the week after which Pli forgets what is past."""
    return max(days_before, default=LONGEST_NOTICE_DAYS) + PAST.days
