"""Every kind of row of the audit log is written by something that really happens (P10)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from bot.cli.desk_orders import DeskOrders
from bot.domain.records import AuditKind
from bot.domain.staff import Member, MemberId, Role, StaffOrder
from bot.domain.values import Language, UserId
from bot.runtime import BotProcess
from bot.services.invite_recipient import InviteRecipient
from bot.services.purge import Purge
from bot.services.record_answer import ReadAnswers
from bot.services.reset_recipient import ResetRecipient
from config.catalogue import load
from storage.data_key import rotate_data_key
from tests.cli.shell import pli
from tests.services.kit import PIN, WRONG_PIN, Person, Practice, entry
from tests.services.telegram import FakeTelegram, Listening, token_of

# What takes a homeserver, another folder or an older version to happen, and the tests that look for its row.
ELSEWHERE = {
    "staff_pinned": "services/test_staff_room.py",
    "staff_identity": "staffroom/test_members.py",
    "staff_stranger": "staffroom/test_members.py",
    "staff_added": "cli/test_staff_members.py",
    "staff_removed": "cli/test_staff_members.py",
    "staff_repinned": "cli/test_staff_members.py",
    "restored": "safekeeping/test_restore.py",
    "upgraded": "safekeeping/test_upgrade.py",
}


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    """In the place and form in which the commands find it."""
    folder = tmp_path
    made = Practice(folder, telegram=FakeTelegram())
    storage = made.settings.storage
    (folder / "pli.toml").write_text(
        f'[storage]\ndatabase = "{storage.database}"\nvault = "{storage.vault}"\n[practice]\nlanguage = "fr"\n'
    )
    with mock.patch.dict(os.environ, {"PLI_CONFIG": str(folder)}):
        yield made
    made.close()


async def test_each_kind_is_written_and_those_of_a_person_have_words(practice: Practice) -> None:
    home = practice.home
    process = BotProcess(home)
    process._begin(practice.deliver, practice.enrol)  # what a start does once the device is its own
    assert pli("patient", "add", "P-9").code == 0
    anna = await practice.enrolled("P-1", name="anna")
    practice.take(entry("u-1"))
    for text in (
        "français",
        "stop",
        "reprendre",
        "discrétion forte",
        "voir",
        WRONG_PIN,
        PIN,
        "confirmer 1",
        "mes données",
    ):
        await anna.say(text)
    await telegram(practice, anna)
    read = ReadAnswers(home.uow, practice.sealer)
    for answer in read(everything=False, now=practice.now):
        read.done(answer.id, now=practice.now)
    await anna.say("code")
    for text in (PIN, "528164", "528164"):
        await anna.say(text)
    inviting = InviteRecipient(home.uow, practice.registrar)
    inviting.relink("P-1", recipient=None, valid=timedelta(days=1), now=practice.now)
    inviting.revoke(anna.recipient.id, now=practice.now)
    relink = inviting.relink("P-1", recipient=None, valid=timedelta(days=1), now=practice.now)
    await anna.say(relink.code.reveal())
    (appointment,) = practice.appointments("P-1")
    assert pli("agenda", "cancel", appointment.id).code == 0
    assert pli("problems", "--clear").code == 0
    ben = await practice.enrolled("P-2", name="ben")
    for _ in range(10):
        await ben.say("voir")
        practice.clock.forward(days=1)
        await ben.say(WRONG_PIN)
    reset = ResetRecipient(home.uow, practice.keys, inviting)
    (target,) = reset.targets(["P-2"], None)
    reset(target, valid=timedelta(days=1), now=practice.now)
    await practice.send_replies()
    cleo = await practice.enrolled("P-3", name="cleo")
    for text in ("quitter", "oui"):
        await cleo.say(text)
    practice.remove("P-1")
    practice.clock.forward(days=90)
    assert Purge(home.uow, practice.keys)(practice.now).total
    orders(practice)
    for command in ("pause", "resume"):
        assert pli(command, "P-2").code == pli(command).code == 0
    (home.settings.folder / "passphrase").write_text("a passphrase of several words")
    (home.settings.folder / "passphrase").chmod(0o600)
    (home.settings.folder / "copies").mkdir()
    copies, words = str(home.settings.folder / "copies"), str(home.settings.folder / "passphrase")
    assert pli("backup", copies, "--passphrase-file", words).code == 0
    process._end()
    rotate_data_key(home.bot_dir, home.engine, home.vault, practice.now)
    written = set(practice.audited())
    wanted = {kind.value for kind in AuditKind} - ELSEWHERE.keys()
    assert written == wanted, written ^ wanted
    for kind, test in ELSEWHERE.items():
        said = (Path(__file__).parents[1] / test).read_text(encoding="utf-8")
        assert f'"{kind}"' in said or f"AuditKind.{kind.upper()}" in said, f"{test} does not look for {kind}"
    of_people = {
        kind
        for kind, recipient in practice_rows(practice)
        if recipient and kind not in ("released", AuditKind.STAFF_ACT, AuditKind.STAFF_REFUSED)
    }
    for language in Language:
        assert {f"log.{kind}" for kind in of_people} <= load(language).texts.keys()


async def telegram(practice: Practice, anna: Person) -> None:
    """In an open window: linked, tried again by somebody else, set, and ended."""
    assert practice.telegram is not None
    there = Listening(practice.home.uow, practice.telegram, practice.clock)
    token = token_of(await anna.read("telegram"))
    for chat in (1, 2):
        await there.start_chat(chat, token)
    await practice.send_replies()
    for text in ("telegram seul", "telegram non"):
        await anna.say(text)


def orders(practice: Practice) -> None:
    """One that may, and one that may not."""
    secretary = Member(
        id=MemberId("m-1"),
        user=UserId("@ab:example.org"),
        role=Role.SECRETARY,
        language=Language.FR,
        added_at=practice.now,
    )
    desk = DeskOrders(practice.home, lambda who: secretary if who == secretary.id else None)
    desk(StaffOrder(member=secretary.id, key="1", line="journal P-2"))
    desk(StaffOrder(member=MemberId("m-2"), key="2", line="journal P-2"))


def practice_rows(practice: Practice) -> list[tuple[str, str]]:
    with practice.home.engine.begin() as db:
        return [(r[0], r[1]) for r in db.exec_driver_sql("SELECT kind, recipient FROM audit")]
