"""What a room must be. Rules: ``rooms``."""

from __future__ import annotations

from typing import Any

import pytest

from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.rooms import RoomState, creation, fetch_state, open_room
from bot.domain.values import RoomId, UserId
from bot.errors import Untrusted
from tests.channels.bot_rig import Bot
from tests.channels.conftest import NewHand

BOT = UserId("@bot:x")
PATIENT = UserId("@p:x")
Json = dict[str, Any]
POWER: Json = {
    "users": {BOT: 100},
    "users_default": 0,
    "invite": 100,
    "kick": 100,
    "ban": 100,
    "redact": 100,
    "state_default": 100,
    "events": {"m.room.power_levels": 100},
}


def event(kind: str, content: object, key: str = "", sender: str = BOT) -> Json:
    return {"type": kind, "state_key": key, "sender": sender, "content": content}


def fit(**changes: object) -> list[Json]:
    """A fit room's state, with the content of some types replaced."""
    contents: dict[str, object] = {
        "create": {"room_version": "11"},
        "encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "history_visibility": {"history_visibility": "joined"},
        "guest_access": {"guest_access": "forbidden"},
        "join_rules": {"join_rule": "invite"},
        "power_levels": POWER,
    }
    members = [event("m.room.member", {"membership": "join"}, user, user) for user in (BOT, PATIENT)]
    return [event(f"m.room.{kind}", content) for kind, content in (contents | changes).items()] + members


def reason(events: list[Json]) -> str:
    try:
        RoomState(events).check(bot=BOT, patient=PATIENT)
    except Untrusted as refused:
        return refused.reason
    return "fit"


def member(user: str, membership: str) -> Json:
    return event("m.room.member", {"membership": membership}, user, user)


def power(**changes: object) -> Json:
    return {**POWER, **changes}


def test_a_room_as_the_bot_opens_it_is_fit() -> None:
    assert reason(fit()) == "fit"
    assert reason(fit(power_levels=power(users={}))) == "fit"  # version 12: the creator is above all levels


CASES: list[tuple[str, list[Json]]] = [
    ("room", []),
    ("room", [{**e, "sender": PATIENT} if e["type"] == "m.room.create" else e for e in fit()]),
    ("room", fit(create={"room_version": "12", "additional_creators": [PATIENT]})),
    ("room", [*fit(), event("m.room.tombstone", {"replacement_room": "!y:x"})]),
    ("encryption", fit(encryption={})),
    ("encryption", fit(encryption={"algorithm": "m.megolm.v2"})),
    ("encryption", fit(encryption=["m.megolm.v1.aes-sha2"])),
    ("membership", [*fit(), member(PATIENT, "leave")]),
    ("membership", [*fit(), member(PATIENT, "invite")]),
    ("membership", [*fit(), member(BOT, "leave")]),
    ("membership", [*fit(), member("@m:x", "join")]),
    ("membership", [*fit(), member("@m:x", "invite")]),
    ("membership", [*fit(), member("@m:x", "knock")]),
    ("fit", [*fit(), member("@m:x", "join"), member("@m:x", "leave")]),
    ("fit", [*fit(), member("@m:x", "ban")]),
    ("room", fit(join_rules={"join_rule": "knock"})),
    ("room", fit(join_rules={})),
    ("room", fit(history_visibility={"history_visibility": "invited"})),
    ("room", fit(history_visibility={})),
    ("room", fit(guest_access={})),
    ("room", fit(power_levels={})),
    ("room", fit(power_levels=power(users_default=100))),
    ("room", fit(power_levels=power(users={BOT: 100, PATIENT: 100}))),
    ("fit", fit(power_levels=power(users={BOT: 100, PATIENT: 99}))),
    ("room", fit(power_levels={k: v for k, v in POWER.items() if k != "invite"})),
    ("room", fit(power_levels=power(redact=0))),
    ("room", fit(power_levels=power(kick="100"))),
    ("room", fit(power_levels=power(events={"m.room.encryption": 0}))),
    ("room", fit(power_levels=power(users={PATIENT: True}))),
]


@pytest.mark.parametrize(("expected", "events"), CASES)
def test_each_rule_refuses(expected: str, events: list[Json]) -> None:
    assert reason(events) == expected


def test_what_is_not_clear_state_changes_nothing() -> None:
    state = RoomState(fit())
    for odd in (
        {"type": "m.room.member", "content": {"membership": "join"}, "sender": "@m:x"},
        {"type": "m.room.encrypted", "state_key": "@m:x", "content": {"membership": "join"}},
        {"type": "m.room.member", "state_key": ["@m:x"], "content": {"membership": "join"}},
        {"type": ["m.room.member"], "state_key": "@m:x", "content": {"membership": "join"}},
        {"type": "m.room.member", "state_key": "@m:x", "content": {"membership": ["join"]}},
        {},
    ):
        state.apply(odd)
    state.check(bot=BOT, patient=PATIENT)
    assert state.present() == {BOT, PATIENT}


@pytest.mark.parametrize("version", ["", "11", "10"])
async def test_the_homeserver_opens_the_room_as_asked(bot: Bot, new_hand: NewHand, version: str) -> None:
    """Room version 12 and later, the default here, know creators above all levels."""
    hand = await new_hand()
    http = Http(bot.session.homeserver, bot.session.token.reveal())
    if version:
        body = {**creation(user=hand.user, name="Pli"), "room_version": version}
        room = RoomId((await http.call("POST", f"{CLIENT}/createRoom", body))["room_id"])
    else:
        room = await open_room(http, user=hand.user, name="Pli")
    await hand.join(room)
    (await fetch_state(http, room)).check(bot=bot.session.user, patient=hand.user)
    raw = await http.get_list(f"{CLIENT}/rooms/{room}/state")
    await http.close()
    names = [e["content"]["name"] for e in raw if e["type"] == "m.room.name"]
    assert names == ["Pli"]
    encryption, history = (
        next(e["origin_server_ts"] for e in raw if e["type"] == kind and e.get("state_key") == key)
        for kind, key in (("m.room.encryption", ""), ("m.room.member", hand.user))
    )
    assert encryption <= history


# -- the staff room -------------------------------------------------------------------------------------------------

OTHER = UserId("@other:x")


def staff_reason(events: list[Json]) -> str:
    try:
        RoomState(events).check_staff(bot=BOT, members={PATIENT, OTHER})
    except Untrusted as refused:
        return refused.reason
    return "fit"


def test_the_staff_room_is_for_known_members_whether_they_are_joined_or_not() -> None:
    invited = [*fit(), member(OTHER, "invite")]
    assert RoomState(invited).check_staff(bot=BOT, members={PATIENT, OTHER}) == {PATIENT}
    assert RoomState(fit()).check_staff(bot=BOT, members={PATIENT, OTHER}) == {PATIENT}
    both = [*fit(), member(OTHER, "join")]
    assert RoomState(both).check_staff(bot=BOT, members={PATIENT, OTHER}) == {PATIENT, OTHER}


@pytest.mark.parametrize("membership", ["join", "invite", "knock"])
def test_rule_3_somebody_unknown_makes_the_staff_room_unfit(membership: str) -> None:
    assert staff_reason([*fit(), member("@stranger:x", membership)]) == "membership"
    assert staff_reason([*fit(), member("@stranger:x", "leave")]) == "fit"
    assert staff_reason([*fit(), member(BOT, "leave")]) == "membership"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"encryption": {}}, "encryption"),
        ({"history_visibility": {"history_visibility": "shared"}}, "room"),
        ({"guest_access": {"guest_access": "can_join"}}, "room"),
        ({"join_rules": {"join_rule": "public"}}, "room"),
        ({"power_levels": {**POWER, "users": {BOT: 100, OTHER: 100}}}, "room"),
        ({"create": {"additional_creators": [OTHER]}}, "room"),
    ],
)
def test_rules_1_2_4_and_5_hold_for_the_staff_room_too(changes: dict[str, object], why: str) -> None:
    assert staff_reason(fit(**changes)) == why
