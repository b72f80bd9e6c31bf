"""``pli doctor`` on a practice that is well, and on one that is not: each fault is found and its mend named."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator

import pytest

from bot.channels.matrix.session import load_session
from tests.journey.practice import Practice
from tests.rig.homeserver import RigHomeserver
from tests.rig.py_patient import PyPatient

NAMES = [
    "files and modes",
    "database",
    "vault",
    "audit log",
    "homeserver",
    "login",
    "identity as others see it",
    "keys for new devices",
    "the bot is running",
    "encrypted round trip",
    "clock",
    "time zone data",
]


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """One of its own, since it is damaged and its bot stopped; what the bot says of that in its log is its right."""
    made = Practice.make(tmp_path_factory.mktemp("doctor") / "practice", homeserver)
    asyncio.run(made.start())
    try:
        yield made
    finally:
        made.kill()


async def _bad(practice: Practice) -> dict[str, str]:
    """The red checks and their mends."""
    done = await practice.pli("doctor", "--json", expect=1)
    return {c["check"]: c["mend"] for c in done.json() if not c["ok"]}


async def test_all_is_well(practice: Practice) -> None:
    for _ in range(2):  # the probe's account is made once and used again
        done = await practice.pli("doctor", "--json")
        assert [c["check"] for c in done.json()] == NAMES
        assert all(c["ok"] and c["found"] for c in done.json())
    plain = await practice.pli("doctor")
    assert len(re.findall(r"(?m)^(?:ok|bien) ", plain.out)) == len(NAMES)
    assert practice.bot_user not in plain.out


async def test_failure_09_a_device_that_the_bot_did_not_sign_is_seen(practice: Practice) -> None:
    """Somebody who can log in as the bot adds a device: the doctor names it, and the bot says that it is not ready."""
    session = load_session(practice.home.bot_dir)
    password = practice.folder.with_suffix(".password").read_text(encoding="utf-8")
    ghost = await PyPatient.start(practice.homeserver.url, session.user, password, cross_sign=False)
    try:
        assert "identity as others see it" in await _bad(practice)
        await practice.wait_ready(ready=False)
    finally:
        await ghost.logout()
        await ghost.close()
    await practice.wait_ready()


async def test_a_key_file_that_others_may_read(practice: Practice) -> None:
    key = practice.home.bot_dir / "answer.pub"
    key.chmod(0o644)
    try:
        mends = await _bad(practice)
        assert "chmod 600" in mends["files and modes"]
    finally:
        key.chmod(0o600)
    await practice.pli("doctor")


async def test_an_edited_audit_log(practice: Practice) -> None:
    with sqlite3.connect(practice.database, timeout=30) as db:
        (kind,) = db.execute("SELECT kind FROM audit WHERE seq = 1").fetchone()
        db.execute("UPDATE audit SET kind = 'revoked' WHERE seq = 1")
    try:
        done = await practice.pli("doctor", "--json", expect=1)
        (bad,) = [c for c in done.json() if not c["ok"]]
        assert bad["check"] == "audit log"
        assert "row 1" in bad["found"]
    finally:
        with sqlite3.connect(practice.database, timeout=30) as db:
            db.execute("UPDATE audit SET kind = ? WHERE seq = 1", (kind,))


async def test_a_bot_that_does_not_run(practice: Practice) -> None:
    assert await practice.stop() == 0
    try:
        mends = await _bad(practice)
        assert "pli run" in mends["the bot is running"]
        assert "encrypted round trip" in mends
    finally:
        await practice.start()
