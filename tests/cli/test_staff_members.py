"""``pli staff``: who is added, pinned anew and removed; who cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from bot.app import Installation
from bot.domain.records import Room
from bot.domain.trust import Pin
from bot.domain.values import Language, RoomId, UserId
from tests.cli.shell import pli
from tests.cli.test_commands import complaint

LANGUAGE = "en"


def test_staff(home: Installation) -> None:
    done = pli("staff", "add", "@camille:example.org", "--role", "secretary", "--lang", "en", "--json")
    added = done.json()
    assert "could not be asked" not in done.err
    assert added["account_seen"] is False, "the homeserver is away"
    assert (done.code, added["state"], added["role"], added["language"]) == (0, "invited", "secretary", "en")
    assert (
        "invited within a moment" in pli("staff", "add", "@dana:example.org", "--role", "administrator").out
    )
    assert [m["user"] for m in pli("staff", "list", "--json").json()] == [
        "@camille:example.org",
        "@dana:example.org",
    ]
    with home.uow() as uow:
        known = uow.staff.by_user(UserId("@camille:example.org"))
        assert known is not None
        uow.staff.save(replace(known, pin=Pin(master_key="A" * 43), other="B" * 43))
        uow.commit()
    listed = pli("staff", "list").out
    assert "refused" in listed
    assert " ".join(["AAAA"] * 10) in listed
    assert " ".join(["BBBB"] * 10) in listed
    assert pli("staff", "repin", "@camille:example.org", "--json").json()["fingerprint"] == "B" * 43
    assert complaint(pli("staff", "repin", "@camille:example.org"), 1)
    assert pli("staff", "remove", "@camille:example.org").code == 0
    assert pli("staff", "list", "--json").json()[0]["state"] == "leaving"
    assert complaint(pli("staff", "remove", "@camille:example.org"), 1), "once is enough"
    again = pli("staff", "add", "@camille:example.org", "--role", "secretary", "--json").json()
    assert (again["state"], again["fingerprint"]) == ("invited", None)
    with home.engine.begin() as db:
        kinds = [
            kind for (kind,) in db.execute(text("SELECT kind FROM audit ORDER BY seq")) if "staff" in kind
        ]
        whom = set(db.execute(text("SELECT member FROM audit WHERE kind LIKE 'staff%'")).scalars())
    assert kinds == ["staff_added", "staff_added", "staff_repinned", "staff_removed", "staff_added"]
    assert whom >= {added["id"], again["id"]}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("@bot:example.org", "--role", "secretary"), 1),
        (("@camille:elsewhere.org", "--role", "secretary"), 1),
        (("@taken:example.org", "--role", "secretary"), 1),
        (("@patient:example.org", "--role", "secretary"), 1),
        (("camille", "--role", "secretary"), 2),
        (("@camille", "--role", "secretary"), 2),
        (("@Camille X:example.org", "--role", "secretary"), 2),
    ],
)
def test_who_cannot_be_a_member(home: Installation, words: tuple[str, ...], code: int) -> None:
    assert pli("staff", "add", "@taken:example.org", "--role", "secretary").code == 0
    with home.uow() as uow:
        uow.rooms.add(
            Room(id="room-1", room=RoomId("!r"), user=UserId("@patient:example.org"), language=Language.FR)
        )
        uow.commit()
    assert complaint(pli("staff", "add", *words), code)
    assert len(pli("staff", "list", "--json").json()) == 1


def test_a_role_is_needed(home: Installation) -> None:
    for words in ((), ("--role", "doctor")):
        assert pli("staff", "add", "@camille:example.org", *words).code == 2
    with home.uow() as uow:
        assert not uow.staff.any()


@pytest.mark.usefixtures("home")
def test_an_account_that_could_not_be_looked_up_is_said_to_be_unchecked() -> None:
    done = pli("staff", "add", "@camille:example.org", "--role", "secretary")
    assert done.code == 0
    assert "whether the homeserver has this account could not be asked" in done.err
