"""Units and containers: judged by systemd and compose themselves, and read for what they promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest

from bot.homeserver.deployed import SYNAPSE_ADDRESS
from bot.homeserver.files import folders, generate
from bot.homeserver.made import Secrets
from bot.homeserver.plan import Database, Deployment, Engine, Plan
from bot.homeserver.writing import write
from bot.homeserver.yaml_text import parse
from tests.homeserver.plans import DOMAIN
from tests.rig.deployed import ensure_tool

MOST_EXPOSURE = 1.5
UNITS = ("pli.service", "pli-vault.service", "pli-synapse.service", "pli-desk.service")


def _made(folder: Path, deployment: Deployment, engine: Engine) -> Path:
    made = Plan(
        domain=DOMAIN,
        folder=folder,
        deployment=deployment,
        database=Database(engine=engine),
        python=Path(sys.executable),
        source=Path(__file__).parents[2],
    )
    write(folder, generate(made, Secrets.new()), folders=folders(made))
    return folder


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("unit", UNITS)
def test_rule_4_a_unit_is_verified_and_exposes_little(tmp_path: Path, unit: str, engine: Engine) -> None:
    analyze = ensure_tool("systemd-analyze", "systemd")
    file = _made(tmp_path, Deployment.SYSTEMD, engine) / unit
    verified = subprocess.run(
        [analyze, "verify", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    told = [line for line in verified.stderr.splitlines() if unit in line]
    assert (verified.returncode, told) == (0, [])
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)
    assert found is not None
    assert float(found[1]) <= MOST_EXPOSURE


def _unit(folder: Path, name: str) -> Mapping[str, list[str]]:
    parser = RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # the documented way to keep capitals
    parser.read(folder / name)
    lines: dict[str, list[str]] = {}
    for line in (folder / name).read_text().splitlines():
        key, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            lines.setdefault(key, []).append(value)
    assert {"Unit", "Service", "Install"} == set(parser.sections())
    return lines


def test_rule_4_bot_vault_and_homeserver_have_accounts_and_folders_of_their_own(tmp_path: Path) -> None:
    folder = _made(tmp_path, Deployment.SYSTEMD, Engine.POSTGRESQL)
    bot, vault, synapse, desk = (_unit(folder, name) for name in UNITS)
    for unit, account in ((bot, "pli"), (vault, "pli-vault"), (synapse, "pli-synapse")):
        assert unit["User"] == unit["StateDirectory"] == [account]
        assert unit["StateDirectoryMode"] == ["0700"]
    assert bot["InaccessiblePaths"] == ["-%S/pli/cabinet/import", "-%S/pli-synapse", "-%S/pli-vault"]
    assert vault["InaccessiblePaths"] == ["-%S/pli", "-%S/pli-synapse"]
    assert (vault["PrivateNetwork"], vault["RestrictAddressFamilies"]) == (["yes"], ["AF_UNIX"])
    where = vault["ExecStart"][0].split()[-1]
    assert f"PLI_STORAGE__VAULT_SOCKET={where}" in bot["Environment"][0].split()
    assert (vault["RuntimeDirectory"], vault["RuntimeDirectoryMode"]) == ([where.split("/")[1]], ["0750"])
    assert "m pli pli-vault" in (folder / "pli.sysusers.conf").read_text().splitlines()
    assert desk["User"] == ["pli"]
    assert desk["InaccessiblePaths"] == ["-%S/pli-synapse", "-%S/pli-vault"], "it has the import side's keys"
    assert "PLI_STAFF__DESK_SOCKET=%t/pli/desk.sock" in bot["Environment"]
    assert set(bot["Environment"]) == set(desk["Environment"])
    for unit in (bot, desk):
        assert (unit["IPAddressDeny"], unit["IPAddressAllow"]) == (["any"], ["localhost"])
    assert "MemoryDenyWriteExecute" in bot
    assert "MemoryDenyWriteExecute" not in synapse, "Synapse does not start with it"
    named = {each.split(":")[0]: each.split(":")[1] for each in synapse["LoadCredential"]}
    assert set(named) == {"homeserver.yaml", "log.yaml", "signing.key"}
    assert all(Path(path).is_file() for path in named.values())
    config = parse((folder / "homeserver.yaml").read_text())
    for key in ("log_config", "signing_key_path"):
        where, _, name = str(config[key]).rpartition("/")
        assert where == "/run/credentials/pli-synapse.service"
        assert name in named


# -- containers ------------------------------------------------------------------------------------------------------


def _compose() -> list[str]:
    """Debian's docker-compose, or Docker's own plugin."""
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        return [docker, "compose"]
    return [ensure_tool("docker-compose", "docker-compose")]


@pytest.mark.parametrize("engine", list(Engine))
def test_compose_takes_the_file(tmp_path: Path, engine: Engine) -> None:
    folder = _made(tmp_path, Deployment.COMPOSE, engine)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [*_compose(), "config"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr
    read: Any = parse(done.stdout)
    wanted = {"proxy", "synapse", "bot", "element"} | ({"postgres"} if engine is Engine.POSTGRESQL else set())
    assert set(read["services"]) == wanted


def test_rule_3_only_the_proxy_is_published_and_the_bot_has_no_way_out(tmp_path: Path) -> None:
    folder = _made(tmp_path, Deployment.COMPOSE, Engine.POSTGRESQL)
    read: Any = parse((folder / "compose.yaml").read_text())
    services = read["services"]
    assert [name for name, each in services.items() if "ports" in each] == ["proxy"]
    closed = {name for name, each in read["networks"].items() if each.get("internal")}
    reaches = {name: set(each["networks"]) - closed for name, each in services.items()}
    assert {name for name, outside in reaches.items() if outside} == {"proxy", "synapse"}
    assert "rows" not in services["bot"]["networks"]
    for name, each in services.items():
        assert each["cap_drop"] == ["ALL"], name
        assert each["read_only"] is True
        assert each["security_opt"] == ["no-new-privileges:true"]
        for volume in each["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (folder / source).exists(), f"{name}: {source} would be made by root, as a folder"
    vault = [name for name, each in services.items() if any("vault" in v for v in each["volumes"])]
    assert vault == ["bot"]
    config: Any = parse((folder / "homeserver.yaml").read_text())
    assert config["listeners"][0]["bind_addresses"] == [SYNAPSE_ADDRESS]
    assert services["synapse"]["networks"]["inside"]["ipv4_address"] == SYNAPSE_ADDRESS
    assert config["database"]["args"]["host"] == "postgres"
    assert config["database"]["args"]["password"] == (folder / "postgres.password").read_text()
    assert "--locale=C" in services["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]
    assert f"{SYNAPSE_ADDRESS}:8008" in (folder / "Caddyfile").read_text()


def test_element_web_knows_this_homeserver_alone(tmp_path: Path) -> None:
    folder = _made(tmp_path, Deployment.COMPOSE, Engine.SQLITE)
    read: Any = parse((folder / "element.json").read_text())  # JSON is YAML
    assert read["default_server_config"] == {
        "m.homeserver": {"base_url": f"https://{DOMAIN}", "server_name": DOMAIN}
    }
    assert read["disable_custom_urls"]
    assert read["disable_guests"]
    assert f"app.{DOMAIN} {{" in (folder / "Caddyfile").read_text()


def test_the_bots_image_is_built_from_files_that_are_there() -> None:
    root = Path(__file__).parents[2]
    text = (root / "config" / "homeserver" / "bot.Dockerfile").read_text()
    copied = [part for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for part in line.split()[:-1]]
    assert len(copied) >= 5
    assert [name for name in copied if not (root / name).exists()] == []
