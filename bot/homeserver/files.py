"""The files of a homeserver, from a plan: name → text and mode. Pure; written by :mod:`bot.homeserver.writing`.

Rules (the tests cite the numbers):

1. Secrets stand in files of mode 0600 and nowhere else; two calls share none.
2. Every key of ``homeserver.yaml`` stands under its reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.homeserver.deployed import SYNAPSE_ADDRESS, caddyfile, compose, systemd, well_known
from bot.homeserver.hardening import (
    CLOSED_TO_ITS_USERS,
    CLOSED_TO_THE_WORLD,
    LEFT_OUT,
    LOGINS,
    TOKENS_ONLY,
    Json,
    Setting,
    forgetful,
)
from bot.homeserver.made import OPEN, PRIVATE, File, Secrets
from bot.homeserver.plan import Database, Deployment, Engine, Plan, Proxy
from bot.homeserver.settings import LOG_TEMPLATE_ONLY
from bot.homeserver.yaml_text import render

CONFIG_FILE, KEY_FILE, LOG_FILE = "homeserver.yaml", "signing.key", "log.yaml"


def generate(plan: Plan, secrets: Secrets) -> Mapping[str, File]:
    """Every file of ``plan``, in the order in which one reads them."""
    key = f"ed25519 {secrets.signing_id} {secrets.signing_seed.reveal()}\n"
    made = {
        CONFIG_FILE: File(text=_synapse(plan, secrets), mode=PRIVATE),
        LOG_FILE: File(text=_log(plan), mode=OPEN),
        KEY_FILE: File(text=key, mode=PRIVATE),
        "well-known/matrix/client": File(text=well_known(plan) + "\n", mode=OPEN),
    }
    if plan.proxy is Proxy.CADDY:
        made["Caddyfile"] = File(text=caddyfile(plan), mode=OPEN)
    match plan.deployment:
        case Deployment.COMPOSE:
            made |= compose(plan, secrets)
        case Deployment.SYSTEMD:
            made |= systemd(plan)
    return made


def folders(plan: Plan) -> tuple[str, ...]:
    """Where the programs will write, inside the plan's folder; each of mode 0700."""
    match plan.deployment:
        case Deployment.HAND:
            return ("data",)
        case Deployment.COMPOSE:
            rows = ("data/postgres",) if plan.database.engine is Engine.POSTGRESQL else ()
            return ("data", "data/synapse", "data/bot", "data/vault", *rows)
    return ()  # systemd makes its StateDirectory


def _synapse(plan: Plan, secrets: Secrets) -> str:
    title = (
        f"Synapse for Pli: one closed homeserver, {plan.domain}. Written by pli homeserver init; it is yours now."
        " pli homeserver check tells whether it still is what Pli needs. It holds secrets: mode 0600, no copy."
    )
    sections = (
        ("who and where", _place(plan, secrets)),
        ("closed to the world", CLOSED_TO_THE_WORLD),
        ("who gets an account", (*TOKENS_ONLY, LOGINS)),
        ("closed to its users", CLOSED_TO_ITS_USERS),
        ("gone is gone", forgetful(plan.retention_days)),
        ("left as they are", LEFT_OUT),
        ("secrets", _secrets(secrets)),
    )
    return render(title, sections)


def _place(plan: Plan, secrets: Secrets) -> tuple[Setting, ...]:
    contained = plan.deployment is Deployment.COMPOSE
    return (
        Setting(
            key="server_name",
            value=plan.domain,
            why="Stands behind the colon of every account, in every push, and never changes: no telling words.",
        ),
        Setting(
            key="public_baseurl",
            value=f"{plan.public_url}/",
            why="Where apps connect, through the proxy, which has the certificate.",
        ),
        Setting(
            key="serve_server_wellknown",
            value=False,
            why="No other homeserver shall find this one.",
        ),
        Setting(
            key="listeners",
            value=[
                {
                    "port": plan.ports.synapse,
                    "type": "http",
                    "tls": False,
                    "bind_addresses": [SYNAPSE_ADDRESS if contained else "127.0.0.1"],
                    "x_forwarded": True,
                    "resources": [{"names": ["client"], "compress": False}],
                }
            ],
            why="One listener, for apps alone (the default has one for other homeservers too), reached through the"
            " proxy only: the admin API answers here as well. x_forwarded: the proxy says whose log-in attempts"
            " are counted. No compression: sizes would tell what is inside.",
        ),
        Setting(key="database", value=_database(plan, secrets), why=_WHY_DATABASE[plan.database.engine]),
        Setting(
            key="media_store_path",
            value=str(plan.data_dir / "media"),
            why="Where uploads would lie; Pli has none.",
        ),
        Setting(
            key="log_config",
            value=str(plan.config_dir / LOG_FILE),
            why="Warnings without what was filled into them: see that file.",
        ),
        Setting(
            key="signing_key_path",
            value=str(plan.config_dir / KEY_FILE),
            why="The homeserver's own key. Nobody else needs it.",
        ),
    )


_WHY_DATABASE = {
    Engine.SQLITE: "A file: right for one practice, and nothing else to look after.",
    Engine.POSTGRESQL: "A trap: the database must be made with locale C, or indexes break when the system's locales"
    " are updated, and Synapse refuses: createdb --encoding=UTF8 --locale=C --template=template0 --owner=USER NAME",
}


def _database(plan: Plan, secrets: Secrets) -> Json:
    chosen = plan.database
    if chosen.engine is Engine.SQLITE:
        return {"name": "sqlite3", "args": {"database": str(plan.data_dir / "homeserver.db")}}
    if plan.deployment is Deployment.COMPOSE:
        chosen = Database(
            engine=Engine.POSTGRESQL, host="postgres", user="synapse", password=secrets.database
        )
    args: Json = {"user": chosen.user, "dbname": chosen.name, "host": chosen.host, "port": chosen.port}
    if chosen.password is not None:
        args["password"] = chosen.password.reveal()
    return {"name": "psycopg2", "args": {**args, "cp_min": 2, "cp_max": 8}}


def _secrets(secrets: Secrets) -> tuple[Setting, ...]:
    return (
        Setting(
            key="registration_shared_secret",
            value=secrets.server.registration.reveal(),
            why="Makes the first administrator (pli homeserver accounts admin), through the admin API, which the"
            " proxy does not pass on.",
        ),
        Setting(
            key="macaroon_secret_key",
            value=secrets.server.macaroon.reveal(),
            why="Signs short-lived tokens. Without it Synapse derives one from its key.",
        ),
        Setting(key="form_secret", value=secrets.server.form.reveal(), why="Signs web forms."),
    )


def _log(plan: Plan) -> str:
    by_hand = plan.deployment is Deployment.HAND
    handler: Json = {"class": "logging.StreamHandler", "formatter": "template"}
    if by_hand:
        handler = {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": "template",
            "filename": str(plan.data_dir / "homeserver.log"),
            "maxBytes": 5_000_000,
            "backupCount": 2,
            "encoding": "utf-8",
        }
    silent: Json = {"level": "CRITICAL"}
    settings = (
        Setting(key="version", value=1, why="Of this format."),
        Setting(
            key="disable_existing_loggers", value=False, why="Loggers made before this file obey it too."
        ),
        Setting(
            key="formatters",
            value={"template": {"format": LOG_TEMPLATE_ONLY}},
            why="%(msg)s is the constant text of a warning; %(message)s would have it with accounts, rooms and"
            " addresses filled in.",
        ),
        Setting(
            key="handlers", value={"out": handler}, why="A few small files." if by_hand else "Standard error."
        ),
        Setting(
            key="loggers",
            value={"synapse.access": silent, "synapse.storage.SQL": silent},
            why="No line a request (who, from where, which room), no line a statement (with its values).",
        ),
        Setting(
            key="root", value={"level": "WARNING", "handlers": ["out"]}, why="What an operator has to see."
        ),
    )
    return render("Synapse's log: no bodies, no addresses, no names.", (("what is kept", settings),))
