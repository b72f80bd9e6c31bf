"""Plans and what is generated from them, for several tests."""

from __future__ import annotations

from pathlib import Path

from bot.homeserver.facts import Configured, read_configuration
from bot.homeserver.files import folders, generate
from bot.homeserver.made import Secrets
from bot.homeserver.plan import Database, Deployment, Engine, Plan
from bot.homeserver.writing import write

DOMAIN = "accueil.example"


def plan(folder: Path, deployment: Deployment = Deployment.HAND, engine: Engine = Engine.SQLITE) -> Plan:
    return Plan(domain=DOMAIN, folder=folder, deployment=deployment, database=Database(engine=engine))


def written(made: Plan) -> Configured:
    """Written, and read back as the check reads it."""
    write(made.folder, generate(made, Secrets.new()), folders=folders(made))
    return read_configuration(made.folder / "homeserver.yaml")
