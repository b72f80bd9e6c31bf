"""Which files the staff room takes; the rules by number are those of :mod:`bot.domain.staff_files`."""

from __future__ import annotations

import pytest

from bot.domain.messages import Attachment
from bot.domain.staff import StaffSentence
from bot.domain.staff_files import shown_name, why_not


def attachment(name: str = "agenda.csv", media_type: str = "text/csv", size: int = 10) -> Attachment:
    return Attachment(name=name, media_type=media_type, size=size, url="", key="", iv="", sha256="")


@pytest.mark.parametrize("ending", [".ics", ".ical", ".csv", ".tsv", ".txt", ".CSV"])
def test_rule_1_names_of_agendas(ending: str) -> None:
    assert why_not(attachment(f"Agenda{ending}"), limit=10) is None


@pytest.mark.parametrize(
    "media_type",
    [
        "text/calendar",
        "text/csv",
        "text/comma-separated-values",
        "text/tab-separated-values",
        "text/plain",
        "application/csv",
        "application/ics",
        "application/octet-stream",
        "application/vnd.ms-excel",
    ],
)
def test_rule_1_media_types_of_agendas(media_type: str) -> None:
    assert why_not(attachment(media_type=media_type), limit=10) is None


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("agenda.csv", "image/png"), ("agenda.png", "text/csv"), ("csv", "text/csv"), ("agenda.csv", "")],
)
def test_rule_1_name_and_media_type_both(name: str, media_type: str) -> None:
    assert why_not(attachment(name, media_type), limit=10) is StaffSentence.FILE_TYPE


@pytest.mark.parametrize(
    ("size", "wrong"),
    [
        (-1, StaffSentence.FILE_SIZE),
        (0, StaffSentence.FILE_SIZE),
        (1, None),
        (10, None),
        (11, StaffSentence.FILE_SIZE),
    ],
)
def test_rule_2_the_size(size: int, wrong: StaffSentence | None) -> None:
    assert why_not(attachment(size=size), limit=10) is wrong


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("agenda.csv", "agenda.csv"),
        (" mon agenda.csv\n", "mon agenda.csv"),
        ("../etc/cron.d/agenda.csv", "agenda.csv"),
        ("C:\\temp\\agenda.csv", "agenda.csv"),
        ("XX\\XX.csv", "XX.csv"),
        ("a\u202ecsv.exe\x00.csv", "acsv.exe.csv"),
        ("x" * 120 + ".csv", "x" * 116 + ".csv"),
        ("", "file"),
        ("agenda/", "file"),
    ],
)
def test_rule_3_a_name_is_no_path(name: str, shown: str) -> None:
    assert shown_name(name) == shown
