"""In the staff room, the leaflet and the picture come as attachments; the words are those of the command line."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from PIL import Image

from bot.app import Installation
from bot.channels.matrix.session import Seeds
from bot.cli.desk_orders import DeskOrders
from bot.domain.staff import Member, MemberId, Role, StaffFile, StaffOrder, StaffReply
from bot.domain.values import Language, UserId
from bot.services.tallies import WEEK, Counted, tally
from tests.cli.shell import pli
from tests.leaflet.reading import qr_codes, words

SECRETARY = Member(
    id=MemberId("m-1"),
    user=UserId("@ab:example.org"),
    role=Role.SECRETARY,
    language=Language.FR,
    added_at=datetime(2026, 9, 1, tzinfo=UTC),
)


def order(home: Installation, line: str) -> StaffReply:
    desk = DeskOrders(home, lambda wanted: SECRETARY if wanted == SECRETARY.id else None)
    return desk(StaffOrder(member=SECRETARY.id, key=f"$event-{line}", line=line))


@pytest.fixture
def ready(home: Installation) -> Installation:
    Seeds.load_or_make(home.bot_dir)
    assert pli("patient", "add", "REF-77123", "--name", "Clémentine").code == 0
    return home


def only(reply: StaffReply) -> StaffFile:
    (file,) = reply.files
    return file


def test_an_invitation_brings_its_leaflet(ready: Installation) -> None:
    reply = order(ready, "inviter REF-77123 langue en")
    file = only(reply)
    assert (file.name, file.media_type) == ("feuille.pdf", "application/pdf")
    assert reply.private, "there is a code in it"
    said, told = words(file.data), "\n".join(reply.texts)
    code = next(word for word in told.split() if word.count("-") == 4 and len(word) == 24)
    assert code.replace("-", " ") in said
    assert "Type this code" in said
    assert qr_codes(file.data) == ["https://matrix.to/#/@bot:example.org"]
    assert "REF-77123" not in said
    assert "Clémentine" not in said


def test_without_a_telephone_the_code_comes_alone_and_says_why(
    ready: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_PRACTICE__PHONE", " ")
    home = Installation.at(ready.settings.folder / "pli.toml")
    reply = order(home, "inviter REF-77123")
    assert reply.files == ()
    told = "\n".join(reply.texts)
    assert "Il n’y a pas de feuille" in told
    assert any(word.count("-") == 4 and len(word) == 24 for word in told.split())
    home.engine.dispose()


def test_no_line_of_the_room_names_a_file(ready: Installation) -> None:
    for line in ("inviter REF-77123 --leaflet=x.pdf", "statistiques --plot=x.png"):
        reply = order(ready, line)
        assert reply.files == ()
        assert not list(ready.settings.folder.rglob("x.*"))


def test_the_statistics_bring_their_picture_and_the_same_words(ready: Installation) -> None:
    now = ready.clock.now()
    for back, number in ((2, 37), (1, 4)):
        with ready.uow() as uow:
            tally(uow, Counted.NUDGED, now - back * WEEK, number)
            uow.commit()
    reply = order(ready, "statistiques --semaines 3")
    file = only(reply)
    assert (file.name, file.media_type) == ("semaines.png", "image/png")
    assert not reply.private
    with Image.open(io.BytesIO(file.data)) as picture:
        picture.verify()
    told = "\n".join(reply.texts)
    here = pli("stats", "--weeks", "3").out
    assert "37" in told
    assert "37" in here
    for sentence in ("Semaines entières", "La semaine en cours", "Qui n’est pas venu"):
        assert sentence in told
        assert sentence in here
