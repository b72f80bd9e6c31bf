"""P1: nothing that was typed, dropped or told in the staff room rests anywhere unencrypted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.demo.control import run_control
from bot.demo.leaks import Canary, Scanner
from tests.rig.js_patient import JsPatient
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until
from tests.staffroom.desk import LEAFLET, LONG, PICTURE
from tests.staffroom.seat import Staff

ORDER = "appointment of the gamekeeper on the third of May"
NEWS = "the lighthouse keeper wishes to move his appointment"
AGENDA = b"BEGIN:VCALENDAR\r\nX-NOTE:the harbour master before his knee operation\r\nEND:VCALENDAR\r\n" * 20
NAME = "harvest-week-nineteen.ics"


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


async def test_no_word_of_the_staff_room_is_found_in_any_file(staff: Staff, tmp_path: Path) -> None:
    staff.desk.set_news("n-1", NEWS, urgent=True)  # told as soon as there is somebody to tell
    seat, other = await staff.seat(JsPatient), await staff.seat(PyPatient)
    await seat.hear_until(NEWS)
    secrets = [
        Canary(kind="order", text=ORDER),
        Canary(kind="news", text=NEWS),
        Canary(kind="file", text="the harbour master before his knee operation"),
        Canary(kind="file name", text=NAME),
        Canary(kind="answer", text=LONG.splitlines()[150]),
        Canary(kind="leaflet", text="%PDF-1.7 one page"),
    ]
    ids = [Canary(kind="account", text=who.user) for who in (seat, other)] + [
        Canary(kind="room", text=seat.room)
    ]
    scanner, of_the_bot = Scanner(secrets), Scanner(secrets + ids)
    assert run_control(of_the_bot, tmp_path / "control").passed, "each text is found in each form"
    assert await seat.tell(ORDER) == f"heard: {ORDER}"
    await other.client.send_file(other.room, NAME, "text/calendar", AGENDA)
    await seat.hear()
    await seat.say("long")
    await seat.say("leaflet")
    await seat.say("picture")

    async def all_said() -> bool:
        shown = [m for m in await seat.from_bot() if m.msgtype in {"m.file", "m.image"}]
        return len(shown) == 2

    await until(all_said, "everything to be said", seconds=120)
    assert LEAFLET.startswith(b"%PDF")
    assert PICTURE.startswith(b"\x89PNG")

    async def look() -> None:
        report = await asyncio.to_thread(
            scanner.scan, {"homeserver": files(staff.practice.homeserver.folder)}
        )
        own = {"practice": files(staff.practice.folder), "log": [staff.practice.log]}
        report.add(await asyncio.to_thread(of_the_bot.scan, own))
        assert report.clean, "\n".join([*map(str, report.findings), *report.unreadable])
        assert report.files["homeserver"] >= 6, "with the media"
        assert report.files["practice"] >= 10

    await look()
    staff.practice.kill()
    await look()
