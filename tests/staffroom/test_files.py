"""Files in both directions. Numbers name the rules of ``bot.channels.matrix.media`` and ``bot.domain.staff_files``."""

from __future__ import annotations

import hashlib

import pytest

from bot.domain.messages import Attachment
from bot.domain.staff import StaffSentence
from bot.domain.staff_files import shown_name, why_not
from tests.rig.js_patient import JsPatient
from tests.rig.py_patient import PyPatient
from tests.staffroom.desk import LEAFLET, PICTURE
from tests.staffroom.seat import Staff

AGENDA = b"BEGIN:VCALENDAR\r\nX-CANARY:a knee that was x-rayed\r\nEND:VCALENDAR\r\n" * 30


def told(name: str, media_type: str) -> str:
    return f"{name} {media_type} {hashlib.sha256(AGENDA).hexdigest()}"


async def test_files_of_two_clients_arrive_and_the_bot_s_own_are_read(staff: Staff) -> None:
    one, other = await staff.seat(JsPatient), await staff.seat(PyPatient)
    await one.client.send_file(one.room, "agenda.ics", "text/calendar", AGENDA)
    assert (await one.hear()).body == told("agenda.ics", "text/calendar")
    await other.client.send_file(other.room, "../../agenda.CSV", "text/csv; charset=utf-8", AGENDA)
    await other.hear_until(told("agenda.CSV", "text/csv"))
    await one.hear()
    assert await one.tell("leaflet") == "here it is"
    shown = await one.hear()
    assert (shown.msgtype, shown.body) == ("m.file", "leaflet_one.pdf")
    assert await one.client.read_file(shown.event) == LEAFLET
    await one.say("picture")
    picture = await one.hear()
    assert (picture.msgtype, picture.content["info"]["mimetype"]) == ("m.image", "image/png")
    assert await one.client.read_file(picture.event) == PICTURE
    assert await other.client.read_file(shown.event) == LEAFLET
    assert await other.client.read_file(picture.event) == PICTURE
    media = [
        path.read_bytes()
        for path in (staff.practice.homeserver.folder / "media").rglob("*")
        if path.is_file()
    ]
    assert len(media) >= 4
    for words in (LEAFLET[:40], PICTURE[:40], AGENDA[:40], b"leaflet", b"agenda.ics"):
        assert not any(words in each for each in media), "the homeserver stores ciphertext"


async def test_media_2_and_3_files_that_are_not_what_their_event_says(staff: Staff) -> None:
    seat = await staff.seat(JsPatient)
    lies: dict[StaffSentence, list[dict[str, object]]] = {
        StaffSentence.FILE_BROKEN: [
            {"sha256": "A" * 43},
            {"size": len(AGENDA) - 1},
            {"size": len(AGENDA) + 1},
        ],
        StaffSentence.FILE_SIZE: [{"size": 10_000_001}, {"size": 0}, {"size": "many"}],
    }
    for sentence, each in lies.items():
        for lie in each:
            await seat.client.send_file(seat.room, "agenda.ics", "text/calendar", AGENDA, **lie)
            assert (await seat.hear()).body == staff.sentence(sentence), lie
    await seat.client.send_file(seat.room, "x.png", "image/png", AGENDA, msgtype="m.image")
    assert (await seat.hear()).body == staff.sentence(StaffSentence.FILE_TYPE)
    assert staff.desk.calls() == 0
    assert await seat.tell("today") == "heard: today"


async def test_media_1_a_file_that_is_too_large_is_not_even_fetched(staff: Staff) -> None:
    """Its media exist nowhere: had it been asked for, the answer would be another."""
    seat = await staff.seat(PyPatient)
    key = {"kty": "oct", "alg": "A256CTR", "ext": True, "k": "A" * 43, "key_ops": ["decrypt"]}
    content = {
        "msgtype": "m.file",
        "body": "agenda.ics",
        "info": {"mimetype": "text/calendar", "size": 99_999_999},
        "file": {
            "v": "v2",
            "url": f"mxc://{staff.practice.homeserver.server_name}/nowhere",
            "key": key,
            "iv": "A" * 22,
            "hashes": {"sha256": "A" * 43},
        },
    }
    await seat.client.send_raw(seat.room, "m.room.message", content)
    assert (await seat.hear()).body == staff.sentence(StaffSentence.FILE_SIZE)
    content["info"] = {"mimetype": "text/calendar", "size": 10}
    await seat.client.send_raw(seat.room, "m.room.message", content)
    assert (await seat.hear()).body == staff.sentence(StaffSentence.FILE_GONE), "the control"


async def test_a_file_that_came_in_clear_is_none(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    content = {"msgtype": "m.file", "body": "agenda.ics", "url": "mxc://x/y", "info": {"size": 10}}
    await seat.client.send_raw(seat.room, "m.room.message", content)
    assert (await seat.hear()).body == staff.sentence(StaffSentence.NOT_TEXT)
    assert staff.desk.calls() == 0


def described(name: str = "a.ics", media_type: str = "text/calendar", size: int = 10) -> Attachment:
    return Attachment(name=name, media_type=media_type, size=size, url="", key="", iv="", sha256="")


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        (described(), None),
        (described(name="A.CSV", media_type="application/vnd.ms-excel"), None),
        (described(size=100), None),
        (described(size=101), StaffSentence.FILE_SIZE),
        (described(size=0), StaffSentence.FILE_SIZE),
        (described(size=-1), StaffSentence.FILE_SIZE),
        (described(name="a.pdf"), StaffSentence.FILE_TYPE),
        (described(name="a.ics.exe"), StaffSentence.FILE_TYPE),
        (described(name="ics"), StaffSentence.FILE_TYPE),
        (described(media_type="application/pdf"), StaffSentence.FILE_TYPE),
        (described(media_type=""), StaffSentence.FILE_TYPE),
    ],
)
def test_staff_files_1_and_2(file: Attachment, wrong: StaffSentence | None) -> None:
    assert why_not(file, limit=100) is wrong


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("agenda.ics", "agenda.ics"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\x\\a.csv", "a.csv"),
        ("a\n\x00\u202eb.csv", "ab.csv"),
        ("/", "file"),
        ("x" * 200 + ".ics", "x" * 116 + ".ics"),
    ],
)
def test_staff_files_3(name: str, shown: str) -> None:
    assert shown_name(name) == shown
