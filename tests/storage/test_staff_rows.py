"""Members, their room and unanswered orders over every database; who and where is sealed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.staff import HeardOrder, Member, MemberId, Role, StaffRoom
from bot.domain.trust import Pin
from bot.domain.values import EventId, Language, RoomId, UserId
from bot.errors import StorageError
from tests.storage.store import NOW, Store

CAMILLE = Member(
    id=MemberId("m-1"), user=UserId("@camille:x"), role=Role.SECRETARY, language=Language.FR, added_at=NOW
)


def test_members(store: Store) -> None:
    pinned = replace(CAMILLE, pin=Pin(master_key="KEY-1"), other="KEY-2", leaving=True)
    second = replace(
        CAMILLE,
        id=MemberId("m-2"),
        user=UserId("@dana:x"),
        role=Role.ADMINISTRATOR,
        added_at=NOW + timedelta(seconds=1),
    )
    with store.uow() as uow:
        assert not uow.staff.any()
        uow.staff.add(second)
        uow.staff.add(CAMILLE)
        assert list(uow.staff.all()) == [CAMILLE, second]
        uow.staff.save(pinned)
        assert uow.staff.by_user(CAMILLE.user) == pinned
        assert uow.staff.by_user(UserId("@nobody:x")) is None
        uow.staff.remove(second.id)
        assert list(uow.staff.all()) == [pinned]
        assert uow.staff.any()
        uow.commit()
    text = str(store.rows("SELECT * FROM staff_member"))
    assert not [word for word in ("camille", "KEY-1", "KEY-2") if word in text]


def test_an_account_is_a_member_once(store: Store) -> None:
    with store.uow() as uow:
        uow.staff.add(CAMILLE)
        uow.commit()
    with pytest.raises(StorageError), store.uow() as uow:
        uow.staff.add(replace(CAMILLE, id=MemberId("m-2")))


def test_there_is_one_room(store: Store) -> None:
    with store.uow() as uow:
        assert uow.staff_rooms.get() is None
        for name in ("one", "two"):
            room = StaffRoom(id=f"staff-{name}", room=RoomId(f"!{name}:x"))
            uow.staff_rooms.put(room)
            assert uow.staff_rooms.get() == room
        uow.commit()
    assert "!two" not in str(store.rows("SELECT * FROM staff_room"))


def test_orders_that_are_not_answered(store: Store) -> None:
    order = HeardOrder(key="k1", event=EventId("$e1"), at=NOW)
    with store.uow() as uow:
        uow.heard_orders.add(order)
        uow.heard_orders.add(replace(order, key="k2", at=NOW + timedelta(minutes=1)))
        uow.heard_orders.note("k1", sent=3)
        assert uow.heard_orders.get("k1") == replace(order, sent=3)
        assert [o.key for o in uow.heard_orders.before(NOW + timedelta(minutes=1))] == ["k1"]
        uow.heard_orders.remove("k1")
        assert uow.heard_orders.get("k1") is None
