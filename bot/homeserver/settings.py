"""What the embedded homeserver is told: one closed Synapse, SQLite, one client listener on loopback. Pure.

Rules (the tests cite the numbers):

1. The only listener is ``client`` on 127.0.0.1; nothing is sent to or taken from other homeservers.
2. Nobody makes an account for themselves; accounts come through the shared secret or the admin API.
3. No directory, no presence, no previews, no search, no third-party identifiers, no names chosen by users.
4. A push carries no content. Loopback and private addresses are not reachable by push, unless a test asks.
5. What is gone is gone soon: redacted text after minutes, forgotten rooms after a day, messages after half a
   year.
6. The log holds the constant templates of warnings without what was filled into them; a traceback may follow.

Sources: Synapse's configuration manual and ``synapse/config/*.py`` of 1.163.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.domain.values import Secret
from bot.homeserver.hardening import (
    CLOSED_TO_ITS_USERS,
    CLOSED_TO_THE_WORLD,
    EMBEDDED_RETENTION_DAYS,
    NOBODY_REGISTERS,
    Json,
    forgetful,
    values,
)

_ENDLESS = {"per_second": 1_000_000, "burst_count": 1_000_000}
LOG_TEMPLATE_ONLY = "%(asctime)s %(levelname)s %(name)s %(msg)s"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSecrets:
    """Secrets of one homeserver, kept in its configuration (mode 0600) and nowhere else."""

    registration: Secret
    macaroon: Secret
    form: Secret


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """How one start of the homeserver is wanted.

    ``generous_limits`` lifts every rate limit and makes password hashes cheap: for tests and demonstrations.
    ``allow_loopback_push`` lets pushes reach 127.0.0.1 (rule 4). ``access_log`` writes one line a request,
    with addresses and room ids, into ``access.log``: for tests that look at what a homeserver sees.
    """

    server_name: str = "pli.localhost"
    generous_limits: bool = False
    allow_loopback_push: bool = False
    access_log: bool = False


def synapse_settings(folder: Path, *, port: int, secrets: ServerSecrets, options: ServerOptions) -> Json:
    """The whole configuration, as JSON (which Synapse reads as YAML)."""
    settings: Json = {
        "server_name": options.server_name,
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "listeners": [
            {
                "port": port,
                "type": "http",
                "tls": False,
                "bind_addresses": ["127.0.0.1"],
                "x_forwarded": True,  # a proxy on this machine says whom the log-in limits are for
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "log_config": str(folder / "log.yaml"),
        "signing_key_path": str(folder / "signing.key"),
        "media_store_path": str(folder / "media"),
        "registration_shared_secret": secrets.registration.reveal(),
        "macaroon_secret_key": secrets.macaroon.reveal(),
        "form_secret": secrets.form.reveal(),
        **values((*CLOSED_TO_THE_WORLD, *NOBODY_REGISTERS, *CLOSED_TO_ITS_USERS)),
        **values(forgetful(EMBEDDED_RETENTION_DAYS)),
    }
    if options.allow_loopback_push:
        settings["ip_range_whitelist"] = ["127.0.0.0/8"]
    if options.generous_limits:
        settings.update(_generous())
    return settings


def _generous() -> Json:
    return {
        "bcrypt_rounds": 4,
        "rc_message": _ENDLESS,
        "rc_registration": _ENDLESS,
        "rc_login": {"address": _ENDLESS, "account": _ENDLESS, "failed_attempts": _ENDLESS},
        "rc_admin_redaction": _ENDLESS,
        "rc_joins": {"local": _ENDLESS, "remote": _ENDLESS},
        "rc_joins_per_room": _ENDLESS,
        "rc_key_requests": _ENDLESS,
        "rc_invites": {"per_room": _ENDLESS, "per_user": _ENDLESS, "per_issuer": _ENDLESS},
        "rc_room_creation": _ENDLESS,
        "rc_media_create": _ENDLESS,
        "rc_profile": _ENDLESS,
    }


def log_settings(folder: Path, *, options: ServerOptions) -> Mapping[str, object]:
    """Synapse's logging: templates of warnings only (rule 6), and the access log where a test asks for it."""
    handlers: Json = {
        "file": {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": "template",
            "filename": str(folder / "homeserver.log"),
            "maxBytes": 5_000_000,
            "backupCount": 2,
            "encoding": "utf-8",
        }
    }
    loggers: Json = {"synapse.access": {"level": "CRITICAL"}, "synapse.storage.SQL": {"level": "CRITICAL"}}
    if options.access_log:
        handlers["access"] = {
            "class": "logging.FileHandler",
            "formatter": "whole",
            "filename": str(folder / "access.log"),
            "encoding": "utf-8",
        }
        loggers["synapse.access"] = {"level": "INFO", "handlers": ["access"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "template": {"format": LOG_TEMPLATE_ONLY},
            "whole": {"format": "%(asctime)s %(message)s"},
        },
        "handlers": handlers,
        "loggers": loggers,
        "root": {"level": "WARNING", "handlers": ["file"]},
    }
