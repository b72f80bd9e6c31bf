"""What ``pli homeserver init`` writes, running: seen from outside, administered, and the whole journey through TLS."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.agenda.sample import write_sample
from bot.channels.matrix.http import Http, MatrixError
from bot.domain.templates import Template
from bot.domain.values import Language, Secret, UserId
from bot.errors import KeyDestroyed
from bot.homeserver.admin import HomeserverAdmin
from bot.homeserver.check import RULES
from bot.homeserver.facts import Trial
from bot.homeserver.trial import try_out
from tests.journey.practice import Practice, run_here, running_practice
from tests.journey.talk import PIN, WRONG_PIN, People, Talk, body, tomorrow
from tests.journey.test_whole_journey import unlock_copy
from tests.rig.deployed import CAREFUL_PYTHON, DOMAIN, DeployedHomeserver, running_deployed
from tests.rig.postgres import RigPostgres
from tests.rig.push_gateway import PushGateway

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: RigPostgres
) -> Iterator[DeployedHomeserver]:
    with running_deployed(tmp_path_factory.mktemp("deployed") / "homeserver", postgres_server) as made:
        yield made


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a vault that is a process of its own, as the units have it."""
    file = tmp_path_factory.mktemp("vault") / "vault.db"
    assert run_here("vault", "create", str(file)).code == 0
    with tempfile.TemporaryDirectory(prefix="pli-") as folder:  # a socket's path is short
        where = Path(folder) / "vault.sock"
        serving = subprocess.Popen(
            [*CAREFUL_PYTHON, "-m", "bot", "vault", "run", str(file), "--socket", str(where)],
            stdout=subprocess.PIPE,
        )
        assert serving.stdout is not None
        assert b"serving" in serving.stdout.readline()
        yield where
        serving.terminate()
        serving.communicate()
        assert serving.returncode == 0


@pytest.fixture(scope="module")
def practice(
    deployed: DeployedHomeserver, vault: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Practice]:
    """Its phones are of Node and believe the proxy's authority, beside the usual ones."""
    folder = tmp_path_factory.mktemp("p") / "practice"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODE_EXTRA_CA_CERTS", str(deployed.ca_file))
        settings = {("practice", "timezone"): PARIS.key}
        with running_practice(
            *(folder, deployed, settings),
            python=CAREFUL_PYTHON,
            options=("--vault-socket", str(vault)),
        ) as made:
            yield made
    assert not (folder / "vault").exists()


@pytest.fixture
async def people(practice: Practice) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield People(practice=practice, stack=stack)


async def test_the_journey_of_the_demo_goes_through_tls(
    deployed: DeployedHomeserver, people: People, tmp_path: Path
) -> None:
    practice = people.practice
    assert json.loads((practice.folder / "bot" / "session.json").read_text())["homeserver"] == deployed.url
    for reference in ("P-1001", "P-1003", "P-1004"):
        await people.add(reference)
    hers = await people.invite("P-1001", "--lang", "en")
    mothers = await people.invite("P-1003", "--also", "P-1004", "--lang", "en")
    write_sample(tmp_path / "agenda.ics", datetime.now(PARIS).date())
    counts = (await practice.pli("agenda", "import", str(tmp_path / "agenda.ics"), "--json")).json()
    assert counts["new"] >= 4
    odette = await people.meet(hers, await people.client(hers, strict=True))
    assert body(await odette.enrol(hers["code"])) == odette.text(Template.READY)
    await odette.wait_secrets_redacted()
    booked = await practice.pli(
        *("agenda", "add", "P-1001", "--at", tomorrow("09:40"), "--with", "Dr Hélène Noël"),
        *("--where", "Laboratoire des Tanneurs", "--json"),
    )
    await _the_mother(people, mothers)
    await _the_notice(odette)
    await _confirms(odette)
    await practice.pli("agenda", "cancel", booked.json()["id"])
    await odette.wait_nudges(2)
    assert "CANCELLED" in await odette.unlock()
    await _leaves(odette, tmp_path)
    _nothing_in_the_logs(deployed, odette)
    _nothing_in_the_database(deployed, odette)


async def _the_mother(people: People, letter: dict[str, str]) -> None:
    mother = await people.meet(letter, await people.client(letter, strict=True))
    await mother.enrol(letter["code"])
    listed = await mother.unlock()
    assert "Zoé" in listed
    assert "Noé" in listed
    await mother.ask("move 2 rather a Wednesday after school")


async def _the_notice(odette: Talk) -> None:
    odette.practice.bring_forward("nudge")
    (nudge,) = await odette.wait_nudges(1)
    assert nudge.body == odette.practice.nudge(Language.EN)
    assert nudge.notify, "the phone rings"


async def _confirms(odette: Talk) -> None:
    await odette.ask("voir")
    assert "Noël" not in await odette.tell(WRONG_PIN)
    # The bot's unit cannot see the import side's keys: nor does it miss them, for a release or for an answer.
    import_side = odette.practice.folder / "import"
    import_side.rename(import_side.with_name("away"))
    listed = await odette.ask(PIN)
    assert "Dr Hélène Noël" in body(listed)
    assert "Laboratoire des Tanneurs" in body(listed)
    await odette.ask("confirm 1")
    import_side.with_name("away").rename(import_side)
    answers = (await odette.practice.pli("answers", "--json")).json()
    assert ("P-1001", "confirmed") in {(a["patient"], a["answer"]) for a in answers}
    assert "rather a Wednesday after school" in {a["text"] for a in answers}
    odette.practice.bring_forward("redact")
    await odette.wait_redacted(listed.event)


async def _leaves(odette: Talk, tmp_path: Path) -> None:
    practice = odette.practice
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(practice.folder, before)
    assert unlock_copy(before, odette) >= 1, "so that the last line tells something"
    await odette.ask("leave")
    assert await odette.tell("yes") == odette.text(Template.LEFT)
    shutil.copytree(practice.folder, after)
    shutil.rmtree(after / "data")
    shutil.copytree(before / "data", after / "data")
    with pytest.raises(KeyDestroyed):
        unlock_copy(after, odette)


def _nothing_in_the_logs(deployed: DeployedHomeserver, odette: Talk) -> None:
    """No body, no account, no room, no address: of Synapse, nor of the proxy."""
    logs = [*deployed.folder.glob("*.out"), *(deployed.folder / "data").glob("*.log")]
    assert len(logs) >= 3
    said = "".join(log.read_text(encoding="utf-8") for log in logs)
    for word in (odette.room, odette.patient.user, odette.practice.bot_user, "127.0.0.1", "Noël", PIN):
        assert word not in said


def _nothing_in_the_database(deployed: DeployedHomeserver, odette: Talk) -> None:
    stored = "".join(row["json"] for row in deployed.rows("SELECT json FROM event_json"))
    assert odette.practice.bot_user in stored, "so that the next line tells something"
    assert stored.count("m.megolm.v1.aes-sha2") > 20
    for word in ("Noël", "No\\u00ebl", "Tanneurs", "Wednesday", "P-1001", "Zoé", PIN):
        assert word not in stored


async def test_doctor_finds_all_well_through_tls(practice: Practice) -> None:
    found = (await practice.pli("doctor", "--json")).json()
    assert {each["name"]: each["found"] for each in found if not each["ok"]} == {}


# -- seen from outside -----------------------------------------------------------------------------------------------

Found = dict[str, dict[str, object]]


async def _check(deployed: DeployedHomeserver, *more: str) -> tuple[int, Found]:
    done = await asyncio.to_thread(
        run_here,
        *("homeserver", "check", "--config", str(deployed.folder / "homeserver.yaml"), "--url", deployed.url),
        *("--ca-file", str(deployed.ca_file), "--plain-url", deployed.plain_url, "--json", *more),
    )
    return done.code, {each["id"]: each for each in done.json()}


def _not_well(found: Found) -> dict[str, object]:
    return {name: each["found"] for name, each in found.items() if not each["ok"]}


async def test_what_init_writes_is_all_green_from_inside_and_outside(deployed: DeployedHomeserver) -> None:
    made = await asyncio.to_thread(run_here, "homeserver", "accounts", "bot", str(deployed.folder), "--json")
    assert made.json() == {
        "user": f"@messages:{DOMAIN}",
        "new": True,
        "password_file": str(deployed.folder / "bot.password"),
    }
    assert stat.S_IMODE((deployed.folder / "bot.password").stat().st_mode) == 0o600
    admin = ("--admin-token-file", str(deployed.folder / "admin.token"), "--admin-url", deployed.admin_url)
    async with PushGateway(rejecting=True) as gateway:
        code, found = await _check(deployed, *admin, "--push-gateway", gateway.url)
        assert _not_well(found) == {}
        assert code == 0
        assert len(found) == len(RULES)
        assert gateway.notifications
        assert not [
            push for push in gateway.notifications if {"content", "sender", "room_name"} & push.keys()
        ]
    async with await deployed.admin() as api:
        left = [a for a in await api.users() if a.user.startswith("@c-") and not a.deactivated]
        assert left == [], "the check's own accounts are closed"


async def test_what_was_not_tried_is_a_warning(deployed: DeployedHomeserver) -> None:
    """Without an administrator's token nothing is said of what an account alone can see."""
    code, found = await _check(deployed)
    assert code == 3
    assert _not_well(found) == dict.fromkeys(
        ("out-encryption", "out-token", "out-push", "out-limits"), "not tried"
    )


async def test_a_push_without_an_answer_and_limits_that_hold_are_faults(deployed: DeployedHomeserver) -> None:
    """A gateway that takes the push and rejects nothing proves nothing, and one that is away even less."""
    async with PushGateway() as gateway, await deployed.admin() as api:
        nobody = UserId(f"@nobody:{DOMAIN}")
        tried = await try_out(
            *(deployed.url, api),
            domain=DOMAIN,
            bot=nobody,
            gateway=gateway.url,
            ca_file=deployed.ca_file,
            push_seconds=2.0,
        )
        assert tried == Trial(pushed=False, encrypted=True, token_expires=False, limits_lifted=None)
        await api.put_user(nobody, Secret("a-password-of-nobody"))
        assert not await api.limits_are_lifted(nobody)
        await api.lift_rate_limits(nobody)
        assert await api.limits_are_lifted(nobody)


async def test_a_certificate_of_an_unknown_authority_is_refused(
    deployed: DeployedHomeserver, tmp_path: Path
) -> None:
    """By the check, which says so and looks on, and by the bot, which does not log in."""
    done = await asyncio.to_thread(run_here, "homeserver", "check", "--url", deployed.url, "--json")
    assert done.code == 1
    found = {each["id"]: each for each in done.json()}
    assert str(found["out-tls"]["found"]).startswith("certificate: ")
    assert found["out-admin"]["ok"]
    (tmp_path / "password").write_text("not asked for")
    login = await asyncio.to_thread(
        run_here,
        *("init", str(tmp_path / "practice"), "--homeserver", deployed.url),
        *("--user", f"@messages:{DOMAIN}", "--password-file", str(tmp_path / "password")),
    )
    assert login.code == 1
    assert "homeserver: 0" in login.err, "no answer at all, rather than a refused password"


# -- accounts --------------------------------------------------------------------------------------------------------


async def _register(deployed: DeployedHomeserver, name: str, token: str) -> int:
    http = Http(deployed.url, ca_file=deployed.ca_file)
    body: dict[str, object] = {"username": name, "password": "long enough to pass", "inhibit_login": True}
    path = "/_matrix/client/v3/register"
    try:
        with pytest.raises(MatrixError) as asked:
            await http.call("POST", path, body)
        session = asked.value.body["session"]
        auth = {"session": session, "type": "m.login.registration_token", "token": token}
        with pytest.raises(MatrixError) as second:
            await http.call("POST", path, {**body, "auth": auth})
        if "m.login.registration_token" not in second.value.body.get("completed", ()):
            return second.value.status
        await http.call("POST", path, {**body, "auth": {"session": session, "type": "m.login.dummy"}})
    except MatrixError as refused:
        return refused.status
    finally:
        await http.close()
    return 200


async def test_a_token_makes_one_account_and_no_other_way_does(
    deployed: DeployedHomeserver, practice: Practice
) -> None:
    made = (await practice.pli("homeserver", "accounts", "token", "--expires", "2d", "--json")).json()
    assert await _register(deployed, "p-first", "guessed") == 401
    assert await _register(deployed, "p-first", made["token"]) == 200
    assert await _register(deployed, "p-second", made["token"]) == 401, "it is spent"
    (row,) = (await practice.pli("homeserver", "accounts", "tokens", "--json")).json()
    assert (row["token"], row["uses"], row["used"]) == (made["token"][:8], 1, 1)
    other = (await practice.pli("homeserver", "accounts", "token", "--json")).json()
    await practice.pli("homeserver", "accounts", "revoke", other["token"][:8])
    assert await _register(deployed, "p-third", other["token"]) == 401
    await practice.pli("homeserver", "accounts", "revoke", other["token"][:8], expect=1)
    await practice.pli("homeserver", "accounts", "revoke", "short", expect=2)


async def test_the_staff_and_the_list(deployed: DeployedHomeserver, practice: Practice) -> None:
    made = (await practice.pli("homeserver", "accounts", "staff", "ab", "--json")).json()
    http = Http(deployed.url, ca_file=deployed.ca_file)
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": made["user"]},
        "password": made["password"],
    }
    assert (await http.call("POST", "/_matrix/client/v3/login", body))["user_id"] == f"@ab:{DOMAIN}"
    await http.close()
    await practice.pli("homeserver", "accounts", "staff", "ab", expect=1)
    listed = (await practice.pli("homeserver", "accounts", "list", "--json")).json()
    assert {"user": made["user"], "admin": False, "closed": False} in listed
    assert sum(each["admin"] for each in listed) == 1
    again = await practice.pli("homeserver", "accounts", "admin", str(deployed.folder), expect=1)
    assert "Rien n’est écrasé" in again.err


async def test_the_admin_api_is_not_reached_through_the_proxy_even_with_the_token(
    deployed: DeployedHomeserver,
) -> None:
    token = Secret((deployed.folder / "admin.token").read_text())
    async with HomeserverAdmin(deployed.url, token, ca_file=deployed.ca_file) as api:
        assert not await api.is_admin()
    async with await deployed.admin() as near:
        assert await near.is_admin()
