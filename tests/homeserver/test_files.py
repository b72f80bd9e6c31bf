"""What ``pli homeserver init`` writes: read by Synapse itself, written once, shown without being made."""

from __future__ import annotations

import dataclasses
import json
import logging.config
import os
import re
import stat
from pathlib import Path

import pytest
from synapse.config.homeserver import HomeServerConfig
from synapse.config.server import TCPListenerConfig

from bot.domain.values import Secret
from bot.errors import Refused, StorageError, WrongUse
from bot.homeserver.deployed import _fill
from bot.homeserver.files import folders, generate
from bot.homeserver.hardening import LEFT_OUT, Setting, values
from bot.homeserver.made import OPEN, PRIVATE, File, Secrets
from bot.homeserver.plan import Database, Deployment, Engine, Plan, Ports, retention_days
from bot.homeserver.writing import write
from bot.homeserver.yaml_text import parse
from tests.homeserver.plans import DOMAIN, plan, written
from tests.journey.practice import run_here

DAY = 86_400_000


def _synapse(made: Plan) -> HomeServerConfig:
    """As Synapse reads it: a mistyped key would leave its default."""
    written(made)
    config = HomeServerConfig()
    config.parse_config_dict(
        dict(parse((made.folder / "homeserver.yaml").read_text())), str(made.folder), str(made.folder)
    )
    return config


def test_synapse_reads_what_was_meant(tmp_path: Path) -> None:
    config = _synapse(dataclasses.replace(plan(tmp_path), retention_days=67))
    assert config.server.server_name == DOMAIN
    assert config.server.public_baseurl == f"https://{DOMAIN}/"
    assert config.federation.federation_domain_whitelist == {}
    assert config.key.key_servers == []
    assert config.registration.enable_registration
    assert config.registration.registration_requires_token
    assert config.registration.inhibit_user_in_use_error
    assert not config.registration.allow_guest_access
    assert config.registration.session_lifetime is None
    assert not config.push.push_include_content
    assert not config.userdirectory.user_directory_search_enabled
    assert not config.server.presence_enabled
    assert not config.server.enable_search
    assert not config.metrics.report_stats
    assert not config.media.url_preview_enabled
    assert "private_chat" in config.room.encryption_enabled_by_default_for_room_presets
    assert config.server.redaction_retention_period == 5 * 60_000
    assert config.retention.retention_default_max_lifetime == 67 * DAY
    assert config.server.user_ips_max_age == DAY
    assert config.server.delete_stale_devices_after
    assert config.server.delete_stale_devices_after >= 730 * DAY
    assert "127.0.0.1" in config.server.ip_range_blocklist, "a push cannot be made to reach this machine"
    (listener,) = config.server.listeners
    assert isinstance(listener, TCPListenerConfig)
    assert listener.bind_addresses == ["127.0.0.1"]
    assert listener.http_options is not None
    assert [resource.names for resource in listener.http_options.resources] == [["client"]]
    assert config.ratelimiting.rc_message.per_second < 1, "patients are limited; the bot is not, by account"


def test_postgresql_is_reached_as_told(tmp_path: Path) -> None:
    database = Database(
        engine=Engine.POSTGRESQL, host="db.example", name="n", user="u", password=Secret("p w")
    )
    config = _synapse(dataclasses.replace(plan(tmp_path), database=database))
    args = config.database.databases[0].config["args"]
    assert config.database.databases[0].config["name"] == "psycopg2"
    assert {key: args[key] for key in ("host", "dbname", "user", "password")} == {
        "host": "db.example",
        "dbname": "n",
        "user": "u",
        "password": "p w",
    }
    assert "locale=C" in (tmp_path / "homeserver.yaml").read_text(), "the trap is told"


@pytest.mark.parametrize("days", [(1,), (1, 7), (60,)])
def test_retention_is_matched_to_pli(days: tuple[int, ...]) -> None:
    """As long as the earliest notice is useful, and the week after which Pli forgets an appointment."""
    assert retention_days(days) == max(days) + 7


def test_rule_2_every_key_stands_under_its_reason(tmp_path: Path) -> None:
    text = generate(plan(tmp_path), Secrets.new())["homeserver.yaml"].text
    keys = [(n, line) for n, line in enumerate(text.splitlines()) if re.match(r"[a-z_0-9]+:", line)]
    assert len(keys) > 40
    lines = text.splitlines()
    assert [line for n, line in keys if not lines[n - 1].startswith("# ")] == []
    assert "session_lifetime: left out on purpose" in text
    assert max(map(len, lines)) <= 120


def test_rule_1_two_homeservers_share_no_secret_and_secrets_are_private(tmp_path: Path) -> None:
    made = plan(tmp_path, Deployment.COMPOSE, Engine.POSTGRESQL)
    first, second = (generate(made, Secrets.new()) for _ in range(2))
    config = parse(first["homeserver.yaml"].text)
    kept = [str(config[key]) for key in ("registration_shared_secret", "macaroon_secret_key", "form_secret")]
    kept += [first["signing.key"].text.split()[2], first["postgres.password"].text]
    assert all(len(secret) >= 43 for secret in kept)
    assert len(set(kept)) == len(kept)
    for name, file in first.items():
        held = [secret for secret in kept if secret in file.text]
        assert file.mode == (PRIVATE if held else OPEN), name
        assert not [secret for secret in kept if secret in second[name].text]


def test_the_log_is_what_python_takes_and_fills_nothing_in(tmp_path: Path) -> None:
    written(plan(tmp_path))
    before = logging.root.handlers[:], logging.root.level
    try:
        logging.config.dictConfig(dict(parse((tmp_path / "log.yaml").read_text())))
        logging.getLogger("synapse.x").warning("refused %s from %s", "@marie:accueil.example", "192.0.2.7")
        logging.getLogger("synapse.access.http").error("192.0.2.7 GET /rooms/!r")
        logging.getLogger("synapse.x").info("hello")
        for handler in logging.root.handlers:
            handler.flush()
    finally:
        for handler in logging.root.handlers:
            if handler not in before[0]:
                handler.close()
        logging.root.handlers[:], logging.root.level = before
        for name in ("synapse.access", "synapse.storage.SQL"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    said = (tmp_path / "data" / "homeserver.log").read_text()
    assert said.count("\n") == 1
    assert "refused %s from %s" in said


# -- writing ---------------------------------------------------------------------------------------------------------


def test_rule_1_nothing_is_overwritten(tmp_path: Path) -> None:
    files = {"a": File(text="new", mode=OPEN), "deep/b": File(text="new", mode=PRIVATE)}
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b").write_text("old")
    with pytest.raises(Refused, match="deep/b"):
        write(tmp_path, files, folders=())
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "deep" / "b").read_text() == "old"


def test_rule_1_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").symlink_to(tmp_path / "elsewhere" / "target")
    with pytest.raises(Refused):
        write(tmp_path / "here", {"a": File(text="secret", mode=PRIVATE)}, folders=())
    assert not (tmp_path / "elsewhere" / "target").exists()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_rule_2_modes_hold_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        written(plan(tmp_path, Deployment.COMPOSE))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.is_file()}
    assert {name for name, mode in modes.items() if mode == 0o600} == {"homeserver.yaml", "signing.key"}
    assert set(modes.values()) == {0o600, 0o644}
    for name in folders(plan(tmp_path, Deployment.COMPOSE)):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0


def test_rule_3_a_write_that_fails_takes_back_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder is needed")
    files = {"a": File(text="x", mode=OPEN), "blocked/b": File(text="x", mode=OPEN)}
    with pytest.raises(StorageError):
        write(tmp_path, files, folders=())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blocked"]


def test_rule_2_a_placeholder_that_is_not_filled_is_an_error() -> None:
    with pytest.raises(KeyError, match="domain"):
        _fill("homeserver/Caddyfile.domain", {"certificates": "", "well_known": ""})
    with pytest.raises(KeyError, match="more"):
        _fill("homeserver/compose.secrets.yaml", {"more": ""})


@pytest.mark.parametrize(
    "change",
    [
        {"domain": "https://accueil.example"},
        {"domain": "accueil.example:8448"},
        {"domain": "Accueil.example"},
        {"domain": "a b"},
        {"host": "m.accueil.example\n}\nevil.example {"},
        {"web_host": DOMAIN},
        {"folder": Path("relative")},
        {"folder": Path('/with "quotes"')},
        {"folder": Path("/per%cent")},
        {"retention_days": 0},
    ],
)
def test_a_plan_that_cannot_work_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(WrongUse):
        dataclasses.replace(plan(tmp_path), **change)  # type: ignore[arg-type] # the wrong values are the point


def test_ports_are_different_ones_and_names_of_databases_are_plain() -> None:
    with pytest.raises(WrongUse):
        Ports(synapse=443)
    with pytest.raises(WrongUse):
        Database(name="x; DROP")


def test_a_table_keeps_what_is_left_out_apart() -> None:
    assert values(LEFT_OUT) == {}
    assert values((Setting(key="k", value=False, why="w"),)) == {"k": False}


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_writes_once_and_says_what_comes_next(tmp_path: Path) -> None:
    folder = tmp_path / "homeserver"
    arguments = ("homeserver", "init", str(folder), "--domain", DOMAIN)
    done = run_here(*arguments)
    assert done.code == 0
    assert "accounts admin" in done.out
    before = (folder / "homeserver.yaml").read_bytes()
    again = run_here(*arguments)
    assert again.code == 1
    assert "nothing was written" in again.err
    assert (folder / "homeserver.yaml").read_bytes() == before
    assert run_here(*arguments, "--compose", "--systemd").code == 2
    assert run_here("homeserver", "init", str(folder), "--domain", "https://x").code == 2


def test_print_shows_everything_and_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "homeserver"
    arguments = ("homeserver", "init", str(folder), "--domain", DOMAIN, "--systemd", "--print")
    done = run_here(*arguments)
    assert done.code == 0
    assert not folder.exists()
    for name in ("homeserver.yaml (mode 600)", "Caddyfile (mode 644)", "pli.service (mode 644)"):
        assert f"==== {name} ====" in done.out
    assert "(drawn when the file is written)" in done.out
    data = json.loads(run_here(*arguments, "--json").out)
    assert data["written"] == []
    assert not folder.exists()
    assert parse(data["files"]["homeserver.yaml"])["server_name"] == DOMAIN


def test_a_telling_domain_is_warned_of(tmp_path: Path) -> None:
    done = run_here("homeserver", "init", str(tmp_path / "h"), "--domain", "cabinet-dupont.fr")
    assert done.code == 0
    assert "cabinet" in done.err


def test_the_vault_may_lie_apart_and_an_authority_is_read_before_anything_is_made(tmp_path: Path) -> None:
    """As the bot's unit has it: a folder of its own, which no backup of the practice's folder holds."""
    apart = tmp_path / "apart" / "vault.db"
    assert run_here("init", str(tmp_path / "practice"), "--vault", str(apart)).code == 0
    assert apart.exists()
    assert not (tmp_path / "practice" / "vault").exists()
    assert f'vault = "{apart}"' in (tmp_path / "practice" / "pli.toml").read_text()
    (tmp_path / "password").write_text("p")
    external = (
        "--homeserver",
        "https://localhost:1",
        "--user",
        "@b:c",
        "--password-file",
        str(tmp_path / "password"),
    )
    for wrong in (tmp_path / "nothing.pem", tmp_path / "password"):
        done = run_here("init", str(tmp_path / "other"), *external, "--ca-file", str(wrong))
        assert done.code == 2
        assert "certificate authority" in done.err
        assert not (tmp_path / "other").exists()


def test_the_retention_follows_the_practice_at_hand(tmp_path: Path) -> None:
    assert run_here("init", str(tmp_path / "practice")).code == 0
    toml = tmp_path / "practice" / "pli.toml"
    toml.write_text(toml.read_text().replace("days_before = [1]", "days_before = [1, 14]"))
    done = run_here(
        "--config",
        str(toml),
        "homeserver",
        "init",
        str(tmp_path / "h"),
        "--domain",
        DOMAIN,
        "--print",
        "--json",
    )
    config = parse(done.json()["files"]["homeserver.yaml"])
    assert config["retention"] == {
        "enabled": True,
        "default_policy": {"min_lifetime": "1d", "max_lifetime": "21d"},
        "purge_jobs": [{"interval": "12h"}],
    }
