"""What is said in the staff room: nothing of it shows in a repr, and nothing is said unless it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.staff import HeardOrder, Member, MemberId, Role, StaffFile, StaffOrder, StaffReply
from bot.domain.values import EventId, Language, UserId

FILE = StaffFile(name="Dupont.csv", media_type="text/csv", data=b"P-1001")
MEMBER = MemberId("m-1")


@pytest.mark.parametrize(
    "value",
    [
        FILE,
        StaffOrder(member=MEMBER, key="$e", line="add P-1001 Dupont", file=FILE),
        StaffReply(texts=("P-1001 Dupont",), files=(FILE,), private=True, token="t-1"),
        Member(
            id=MEMBER,
            user=UserId("@dupont:server"),
            role=Role.SECRETARY,
            language=Language.FR,
            added_at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_no_detail_shows(value: object) -> None:
    shown = repr(value)
    assert not any(word in shown for word in ("P-1001", "Dupont", "dupont"))


def test_a_member_is_one_until_it_leaves_and_nothing_is_sent_of_an_answer_at_first() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = Member(id=MEMBER, user=UserId("@a:b"), role=Role.SECRETARY, language=Language.FR, added_at=at)
    assert (made.pin, made.other) == (None, "")
    assert made.leaving is False
    assert HeardOrder(key="k", event=EventId("$e"), at=at).sent == 0


def test_what_was_not_said_is_not_there() -> None:
    order, reply = StaffOrder(member=MEMBER, key="$e"), StaffReply()
    assert (order.line, order.file) == ("", None)
    assert (reply.texts, reply.files, reply.private, reply.token) == ((), (), False, "")
    assert reply.private is False
    member = Member(
        id=MEMBER,
        user=UserId("@a:b"),
        role=Role.ADMINISTRATOR,
        language=Language.EN,
        added_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert member.pin is None
