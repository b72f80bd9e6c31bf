"""The staff room with the practice's own import side at the other end: from a phone to the database and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import pytest

from bot.agenda.sample import write_sample
from bot.domain.values import Language
from config.staff_words import StaffWords
from tests.journey.practice import Practice, judge_log
from tests.rig.homeserver import RigHomeserver
from tests.rig.js_patient import JsPatient
from tests.rig.py_patient import PyPatient
from tests.staffroom.desk import FileDesk
from tests.staffroom.seat import Staff


@pytest.fixture
async def real(homeserver: RigHomeserver, tmp_path: Path) -> AsyncIterator[Staff]:
    """``pli run`` as it is: it starts its desk by itself."""
    values = {("staff", "morning"): "23:59"}
    practice = await asyncio.to_thread(Practice.make, tmp_path / "practice", homeserver, values)
    async with AsyncExitStack() as stack:
        made = Staff(practice=practice, desk=FileDesk(folder=tmp_path), stack=stack)
        try:
            await practice.start()
            yield made
        finally:
            practice.kill()
    judge_log(practice.log.read_text(encoding="utf-8"), errors=False)


async def test_orders_of_two_roles_are_carried_out_by_the_import_side(real: Staff) -> None:
    secretary = await real.seat(JsPatient)
    administrator = await real.seat(PyPatient, "administrator")
    words = StaffWords(Language.FR)
    assert "patient" in await secretary.tell("aide")
    await secretary.tell("patient ajouter P-7001")
    patients = (await real.practice.pli("patient", "list", "--json")).json()
    assert [patient["patient"] for patient in patients] == ["P-7001"]
    assert "P-7001" in await secretary.tell("patients")
    administrator.next = len(await administrator.client.read())
    refused = await administrator.tell("patient ajouter P-7002")
    assert refused == words("order.role", role=words("role.administrator"))
    patients = (await real.practice.pli("patient", "list", "--json")).json()
    assert [patient["patient"] for patient in patients] == ["P-7001"]
    acts = real.practice.query("SELECT member, act FROM audit WHERE kind = 'staff_act' ORDER BY seq")
    member = (await real.listed())[secretary.user]["id"]
    assert [(row["member"], row["act"]) for row in acts] == [
        (member, "help"),
        (member, "patient add"),
        (member, "patients"),
    ]
    assert await real.practice.stop() == 0


async def test_an_agenda_dropped_into_the_room_is_looked_at_and_then_imported(
    real: Staff, tmp_path: Path
) -> None:
    """The whole way of a file: encrypted by a strict client, opened by the bot, read and sealed by the import side."""
    secretary = await real.seat(JsPatient)
    await secretary.tell("patient ajouter P-1001")
    agenda = tmp_path / "agenda.ics"
    write_sample(agenda, datetime.now(real.practice.home.settings.practice.zone).date())
    await secretary.client.send_file(secretary.room, "agenda.ics", "text/calendar", agenda.read_bytes())
    looked = (await secretary.hear()).body or ""
    assert "nouveaux" in looked
    assert "appliquer" in looked
    assert real.practice.query("SELECT 1 FROM appointment") == [], "nothing before it is said"
    assert "nouveaux" in await secretary.tell("appliquer")
    assert real.practice.query("SELECT 1 FROM appointment") != []
    await secretary.client.send_file(secretary.room, "agenda.csv", "text/csv", b"nothing;that\nis;one\n")
    refused = (await secretary.hear()).body or ""
    assert "nouveaux" not in refused
    assert refused != ""
    assert await real.practice.stop() == 0
