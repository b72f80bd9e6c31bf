"""The files that are deployed: the templates of ``config/homeserver`` and ``config/systemd``, filled in. Pure.

Rules (the tests cite the numbers):

1. The proxy passes on what apps need (``/_matrix/client``, ``/_matrix/media``) and answers 404 to all else.
2. A placeholder that is not filled, or a value that no placeholder takes, is an error: nothing is half filled.
3. In containers only the proxy is published, and bot and database have no way out.
4. A unit does not have what its program does not need; bot, vault and homeserver have accounts of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files as resources

from bot.homeserver.made import OPEN, PRIVATE, File, Secrets
from bot.homeserver.plan import Certificates, Deployment, Engine, Plan

# The network between the containers; nothing outside it can reach Synapse.
NETWORK, SYNAPSE_ADDRESS = "10.213.77.0/28", "10.213.77.2"


def well_known(plan: Plan) -> str:
    return json.dumps({"m.homeserver": {"base_url": plan.public_url}})


def _fill(template: str, values: Mapping[str, str]) -> str:
    """The shipped ``template`` with each ``[[name]]`` replaced (rule 2)."""
    text = resources("config").joinpath(template).read_text(encoding="utf-8")
    wanted = set(re.findall(r"\[\[([a-z_]+)\]\]", text))
    if wanted != values.keys():
        raise KeyError(f"{template}: {sorted(wanted ^ values.keys())}")
    return re.sub(r"\[\[([a-z_]+)\]\]", lambda found: values[found[1]], text)


def caddyfile(plan: Plan) -> str:
    contained = plan.deployment is Deployment.COMPOSE
    internal = plan.certificates is Certificates.INTERNAL
    upstream = SYNAPSE_ADDRESS if contained else "127.0.0.1"
    values = {
        "http_port": str(plan.ports.http),
        "https_port": str(plan.ports.https),
        "storage": f"storage file_system {plan.folder}/caddy"
        if plan.deployment is Deployment.HAND
        else "# certificates lie where the service keeps its data",
        "certificates": "tls internal"
        if internal
        else "# a public authority's certificate, got and renewed by itself",
        "host": plan.api_host,
        "synapse": f"{upstream}:{plan.ports.synapse}",
        "well_known": well_known(plan),
        "domain_site": "",
        "web_site": "",
    }
    if plan.domain != plan.api_host:
        values["domain_site"] = _fill(
            "homeserver/Caddyfile.domain",
            {name: values[name] for name in ("certificates", "well_known")} | {"domain": plan.domain},
        )
    if contained:
        values["web_site"] = _fill(
            "homeserver/Caddyfile.web",
            {"certificates": values["certificates"], "web_host": plan.element_host},
        )
    return _fill("homeserver/Caddyfile", values).rstrip("\n") + "\n"


def compose(plan: Plan, secrets: Secrets) -> Mapping[str, File]:
    postgres = plan.database.engine is Engine.POSTGRESQL
    values = {
        "network": NETWORK,
        "synapse_address": SYNAPSE_ADDRESS,
        "synapse_port": str(plan.ports.synapse),
        "http_port": str(plan.ports.http),
        "https_port": str(plan.ports.https),
        "after_postgres": _fill("homeserver/compose.after.yaml", {}) if postgres else "",
        "postgres": _fill("homeserver/compose.postgres.yaml", {}) if postgres else "",
        "secrets": _fill("homeserver/compose.secrets.yaml", {}) if postgres else "",
    }
    environment = {
        "synapse_version": plan.synapse_version,
        "uid": str(plan.owner[0]),
        "gid": str(plan.owner[1]),
        "source": str(plan.source),
        "folder": str(plan.folder),
    }
    element = {"public_url": json.dumps(plan.public_url), "domain": json.dumps(plan.domain)}
    made = {
        "compose.yaml": File(text=_fill("homeserver/compose.yaml", values), mode=OPEN),
        ".env": File(text=_fill("homeserver/compose.env", environment), mode=OPEN),
        "bot.Dockerfile": File(text=_fill("homeserver/bot.Dockerfile", {}), mode=OPEN),
        "element.json": File(text=_fill("homeserver/element.json", element), mode=OPEN),
    }
    if postgres:
        made["postgres.password"] = File(text=secrets.database.reveal(), mode=PRIVATE)
    return made


def systemd(plan: Plan) -> Mapping[str, File]:
    shared = {"python": str(plan.python), "careful": _fill("systemd/careful.conf", {})}
    postgres = plan.database.engine is Engine.POSTGRESQL
    synapse = shared | {
        "folder": str(plan.folder),
        "after": "postgresql.service" if postgres else "",
    }
    return {
        "pli-synapse.service": File(text=_fill("systemd/pli-synapse.service", synapse), mode=OPEN),
        "pli-vault.service": File(text=_fill("systemd/pli-vault.service", shared), mode=OPEN),
        "pli-desk.service": File(text=_fill("systemd/pli-desk.service", shared), mode=OPEN),
        "pli.service": File(text=_fill("systemd/pli.service", shared), mode=OPEN),
        "pli.tmpfiles.conf": File(text=_fill("systemd/pli.tmpfiles.conf", {}), mode=OPEN),
        "pli.sysusers.conf": File(text=_fill("systemd/pli.sysusers.conf", {}), mode=OPEN),
    }
