"""Every forgery that a homeserver, or a user of it, could serve in place of a chain. Rules: ``trust``."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.matrix import trust
from bot.channels.matrix.safejson import as_object
from bot.domain.trust import Device, Pin
from tests.channels.forge import ALICE, Json, Person, Signer, b64

Forgery = Callable[[Person, Json], None]


def phone(answer: Json) -> Json:
    found: Json = answer["device_keys"][ALICE]["PHONE"]
    return found


def device_of(answer: Json) -> Device | None:
    return next(iter(trust.devices_of(answer, ALICE)), None)


def test_a_true_chain_verifies() -> None:
    alice = Person()
    assert trust.devices_of(alice.answer(), ALICE) == [
        Device(
            user=ALICE,
            device_id="PHONE",
            ed25519=alice.devices["PHONE"].public,
            curve25519=alice.curve("PHONE"),
            master_key=alice.master.public,
        )
    ]
    assert trust.master_key_of(alice.answer(), ALICE) == alice.master.public


def test_signatures_and_unsigned_parts_are_no_part_of_what_is_signed() -> None:
    alice = Person()
    answer = alice.answer(lambda made: phone(made).update(unsigned={"device_display_name": "x"}))
    found = device_of(answer)
    assert found is not None
    assert found.master_key == alice.master.public


def no_signature_of_the_self_signing_key(alice: Person, answer: Json) -> None:
    del phone(answer)["signatures"][ALICE][f"ed25519:{alice.self_signing.public}"]


def signature_of_a_stranger_under_the_self_signing_name(alice: Person, answer: Json) -> None:
    forged = Signer().sign(phone(answer), ALICE, alice.self_signing.public)
    answer["device_keys"][ALICE]["PHONE"] = forged


def signature_under_another_user(alice: Person, answer: Json) -> None:
    made = phone(answer)["signatures"]
    made["@mallory:pli.localhost"] = {
        f"ed25519:{alice.self_signing.public}": made[ALICE].pop(f"ed25519:{alice.self_signing.public}")
    }


def device_signed_by_the_master_key_only(alice: Person, answer: Json) -> None:
    bare = phone(answer)
    del bare["signatures"][ALICE][f"ed25519:{alice.self_signing.public}"]
    answer["device_keys"][ALICE]["PHONE"] = alice.master.sign(bare, ALICE, alice.master.public)


def self_signing_key_of_another_identity(alice: Person, answer: Json) -> None:
    mallory = Person(devices=alice.devices, curves=alice.curves)
    answer["self_signing_keys"][ALICE] = mallory.self_signing_object()
    answer["device_keys"][ALICE]["PHONE"] = mallory.device("PHONE")


def self_signing_key_unsigned(_: Person, answer: Json) -> None:
    del answer["self_signing_keys"][ALICE]["signatures"]


def self_signing_key_signed_by_itself(alice: Person, answer: Json) -> None:
    bare = answer["self_signing_keys"][ALICE]
    del bare["signatures"]
    answer["self_signing_keys"][ALICE] = alice.self_signing.sign(bare, ALICE, alice.master.public)


def self_signing_key_of_another_user(_: Person, answer: Json) -> None:
    answer["self_signing_keys"][ALICE]["user_id"] = "@mallory:pli.localhost"


def no_self_signing_key(_: Person, answer: Json) -> None:
    del answer["self_signing_keys"]


def no_master_key(_: Person, answer: Json) -> None:
    answer["master_keys"] = {}


def master_key_of_another_user(_: Person, answer: Json) -> None:
    answer["master_keys"][ALICE]["user_id"] = "@mallory:pli.localhost"


def master_key_without_its_usage(_: Person, answer: Json) -> None:
    answer["master_keys"][ALICE]["usage"] = ["self_signing"]


def master_key_with_two_keys(_: Person, answer: Json) -> None:
    extra = Signer().public
    answer["master_keys"][ALICE]["keys"][f"ed25519:{extra}"] = extra


def master_key_under_a_false_name(alice: Person, answer: Json) -> None:
    answer["master_keys"][ALICE]["keys"] = {f"ed25519:{alice.master.public}": Signer().public}


def one_key_in_both_roles(alice: Person, answer: Json) -> None:
    both = Person(master=alice.master, self_signing=alice.master, devices=alice.devices, curves=alice.curves)
    answer["self_signing_keys"][ALICE] = both.self_signing_object()
    answer["device_keys"][ALICE]["PHONE"] = both.device("PHONE")


def user_signing_key_in_place_of_the_self_signing_key(alice: Person, answer: Json) -> None:
    bare = {**answer["self_signing_keys"][ALICE], "usage": ["user_signing"]}
    del bare["signatures"]
    answer["self_signing_keys"][ALICE] = alice.master.sign(bare, ALICE, alice.master.public)


UNVOUCHED: list[Forgery] = [
    no_signature_of_the_self_signing_key,
    signature_of_a_stranger_under_the_self_signing_name,
    signature_under_another_user,
    device_signed_by_the_master_key_only,
    self_signing_key_of_another_identity,
    self_signing_key_unsigned,
    self_signing_key_signed_by_itself,
    self_signing_key_of_another_user,
    no_self_signing_key,
    no_master_key,
    master_key_of_another_user,
    master_key_without_its_usage,
    master_key_with_two_keys,
    master_key_under_a_false_name,
    one_key_in_both_roles,
    user_signing_key_in_place_of_the_self_signing_key,
]


@pytest.mark.parametrize("forgery", UNVOUCHED, ids=lambda f: f.__name__)
def test_a_broken_chain_leaves_a_device_that_nobody_vouched_for(forgery: Forgery) -> None:
    """Rules 3, 4 and 6: the device proves its own keys, so it is listed, but without a master key."""
    alice = Person()
    found = device_of(alice.answer(lambda made: forgery(alice, made)))
    assert found is not None
    assert found.master_key is None
    assert not Pin(master_key=alice.master.public).knows(found)


def another_identity_whole(alice: Person, answer: Json) -> None:
    answer.update(Person(devices=alice.devices, curves=alice.curves).answer())


def test_a_whole_new_identity_is_not_the_pinned_one() -> None:
    alice = Person()
    found = device_of(alice.answer(lambda made: another_identity_whole(alice, made)))
    assert found is not None
    assert found.master_key not in {None, alice.master.public}
    assert not Pin(master_key=alice.master.public).knows(found)


def other_user_inside(_: Person, answer: Json) -> None:
    phone(answer)["user_id"] = "@mallory:pli.localhost"


def other_device_inside(_: Person, answer: Json) -> None:
    phone(answer)["device_id"] = "LAPTOP"


def moved_to_another_place(_: Person, answer: Json) -> None:
    devices = answer["device_keys"][ALICE]
    devices["LAPTOP"] = devices.pop("PHONE")


def swapped_curve_key(_: Person, answer: Json) -> None:
    phone(answer)["keys"]["curve25519:PHONE"] = Signer().public


def swapped_signing_key(_: Person, answer: Json) -> None:
    phone(answer)["keys"]["ed25519:PHONE"] = Signer().public


def no_own_signature(_: Person, answer: Json) -> None:
    del phone(answer)["signatures"][ALICE]["ed25519:PHONE"]


def no_signatures(_: Person, answer: Json) -> None:
    del phone(answer)["signatures"]


def padded_key(alice: Person, answer: Json) -> None:
    alice.curves["PHONE"] += "="
    answer["device_keys"][ALICE]["PHONE"] = alice.device("PHONE")


def url_safe_key(alice: Person, answer: Json) -> None:
    alice.curves["PHONE"] = base64.urlsafe_b64encode(b"\xff" * 32).rstrip(b"=").decode()
    answer["device_keys"][ALICE]["PHONE"] = alice.device("PHONE")


def second_spelling_of_a_key(alice: Person, answer: Json) -> None:
    alice.curves["PHONE"] = b64(bytes(32))[:-1] + "B"  # the last two bits are not part of the 32 bytes
    answer["device_keys"][ALICE]["PHONE"] = alice.device("PHONE")


def short_key(alice: Person, answer: Json) -> None:
    alice.curves["PHONE"] = b64(bytes(31))
    answer["device_keys"][ALICE]["PHONE"] = alice.device("PHONE")


def padded_signature(_: Person, answer: Json) -> None:
    phone(answer)["signatures"][ALICE]["ed25519:PHONE"] += "="


def key_that_is_no_text(_: Person, answer: Json) -> None:
    phone(answer)["keys"]["curve25519:PHONE"] = [1]


def device_named_like_the_self_signing_key(alice: Person, answer: Json) -> None:
    """A device of that name could have its own signature pass for the self-signing key's (rule 7)."""
    name = alice.self_signing.public
    forged = Person(devices={name: alice.self_signing}, unsigned={name}).device(name)
    answer["device_keys"][ALICE] = {name: forged}


def device_named_like_the_master_key(alice: Person, answer: Json) -> None:
    name = alice.master.public
    forged = Person(devices={name: Signer()}, self_signing=alice.self_signing).device(name)
    answer["device_keys"][ALICE] = {name: forged}


def device_with_the_self_signing_key_as_its_own(alice: Person, answer: Json) -> None:
    forged = Person(devices={"PHONE": alice.self_signing}, self_signing=alice.self_signing)
    answer["device_keys"][ALICE]["PHONE"] = forged.device("PHONE")


NO_DEVICE: list[Forgery] = [
    other_user_inside,
    other_device_inside,
    moved_to_another_place,
    swapped_curve_key,
    swapped_signing_key,
    no_own_signature,
    no_signatures,
    padded_key,
    url_safe_key,
    second_spelling_of_a_key,
    short_key,
    padded_signature,
    key_that_is_no_text,
    device_named_like_the_self_signing_key,
    device_named_like_the_master_key,
    device_with_the_self_signing_key_as_its_own,
]


@pytest.mark.parametrize("forgery", NO_DEVICE, ids=lambda f: f.__name__)
def test_a_device_that_does_not_prove_its_keys_is_none(forgery: Forgery) -> None:
    """Rules 1, 2, 5 and 7."""
    alice = Person()
    assert device_of(alice.answer(lambda made: forgery(alice, made))) is None


@pytest.mark.parametrize("shared", ["ed25519", "curve25519"])
def test_devices_that_share_a_key_are_all_dropped(shared: str) -> None:
    """Rule 8."""
    alice = Person()
    alice.devices["GHOST"] = alice.devices["PHONE"] if shared == "ed25519" else Signer()
    if shared == "curve25519":
        alice.curves["GHOST"] = alice.curve("PHONE")
    alice.devices["LAPTOP"] = Signer()
    assert [device.device_id for device in trust.devices_of(alice.answer(), ALICE)] == ["LAPTOP"]


def test_an_unsigned_ghost_beside_a_true_device_is_told_apart() -> None:
    alice = Person(unsigned={"GHOST"})
    alice.devices["GHOST"] = Signer()
    found = {device.device_id: device.master_key for device in trust.devices_of(alice.answer(), ALICE)}
    assert found == {"PHONE": alice.master.public, "GHOST": None}


def test_no_answer_about_a_user_is_not_an_empty_answer() -> None:
    alice = Person()
    assert trust.answered(alice.answer(), ALICE)
    assert trust.answered({"device_keys": {ALICE: {}}}, ALICE)
    assert not trust.answered({"device_keys": {}}, ALICE)
    assert not trust.answered({}, ALICE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [
        ("master_keys",),
        ("master_keys", ALICE),
        ("master_keys", ALICE, "keys"),
        ("master_keys", ALICE, "usage"),
        ("self_signing_keys", ALICE, "signatures"),
        ("self_signing_keys", ALICE, "signatures", ALICE),
        ("device_keys",),
        ("device_keys", ALICE),
        ("device_keys", ALICE, "PHONE"),
        ("device_keys", ALICE, "PHONE", "keys"),
        ("device_keys", ALICE, "PHONE", "signatures"),
        ("device_keys", ALICE, "PHONE", "signatures", ALICE),
        ("device_keys", ALICE, "GHOST"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(path=PATHS, value=JSON)
def test_malformed_parts_never_raise_and_never_vouch(path: tuple[str, ...], value: Any) -> None:
    """Rule 9. What vouches is the true device alone, untouched."""
    alice = Person()

    def forge(answer: Json) -> None:
        part = answer
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value

    answer = alice.answer(forge)
    for device in trust.devices_of(answer, ALICE):
        true = device.device_id == "PHONE" and device.ed25519 == alice.devices["PHONE"].public
        assert true or device.master_key is None


def test_one_malformed_device_costs_only_itself() -> None:
    """Rule 9."""
    alice = Person()

    def forge(answer: Json) -> None:
        deep: list[Any] = []
        for _ in range(5000):
            deep = [deep]
        answer["device_keys"][ALICE] |= {
            "DEEP": {**alice.device("PHONE"), "device_id": "DEEP", "keys": deep},
            "NUMBER": 7,
            "FLOAT": {**alice.device("PHONE"), "device_id": "FLOAT", "x": float("nan")},
            "\ud800": {},
        }

    assert [device.device_id for device in trust.devices_of(alice.answer(forge), ALICE)] == ["PHONE"]


def test_a_one_time_key_needs_its_own_device_s_signature() -> None:
    """Rule 10."""
    alice = Person()
    device = device_of(alice.answer())
    assert device is not None
    key = {"key": Signer().public}
    true = alice.devices["PHONE"].sign(key, ALICE, "PHONE")
    assert trust.one_time_key({"signed_curve25519:AAAA": true}, device) == key["key"]
    forged: list[Json] = [
        {},
        {"signed_curve25519:AAAA": key},
        {"signed_curve25519:AAAA": Signer().sign(key, ALICE, "PHONE")},
        {"signed_curve25519:AAAA": alice.devices["PHONE"].sign(key, ALICE, "LAPTOP")},
        {"signed_curve25519:AAAA": alice.devices["PHONE"].sign(key, "@mallory:pli.localhost", "PHONE")},
        {"signed_curve25519:AAAA": {**true, "key": Signer().public}},
        {"signed_curve25519:AAAA": alice.devices["PHONE"].sign({"key": "no key"}, ALICE, "PHONE")},
        {"curve25519:AAAA": true},
        {"signed_curve25519:AAAA": as_object(None)},
    ]
    assert [trust.one_time_key(claimed, device) for claimed in forged] == [None] * len(forged)


def test_every_listed_device_is_listed_whether_it_counts_or_not() -> None:
    """What the bot's own account is judged by: a ghost that counts for nothing is a ghost."""
    alice = Person()
    answer = alice.answer(lambda made: made["device_keys"][ALICE].update(GHOST={"nonsense": 1}))
    assert trust.listed_devices(answer, ALICE) == {"PHONE", "GHOST"}
    assert len(trust.devices_of(answer, ALICE)) == 1
    assert trust.listed_devices({}, ALICE) == frozenset()
    assert trust.master_key_of({}, ALICE) is None


@pytest.mark.parametrize("claim", [{"device_id": "LAPTOP"}, {"user_id": "@bob:pli.localhost"}])
def test_rule_1_either_name_alone_must_fit(claim: Json) -> None:
    """Signed by the right keys under the right names, and saying that it is another's."""
    alice = Person()

    def forge(answer: Json) -> None:
        bare = {k: v for k, v in phone(answer).items() if k != "signatures"} | claim
        made = alice.devices["PHONE"].sign(bare, ALICE, "PHONE")
        answer["device_keys"][ALICE]["PHONE"] = alice.self_signing.sign(
            made, ALICE, alice.self_signing.public
        )

    assert trust.devices_of(alice.answer(forge), ALICE) == []


@pytest.mark.parametrize("fault", ["name", "length"])
def test_rule_3_a_key_under_another_name_or_of_another_length_is_none(fault: str) -> None:
    alice = Person()
    key = alice.master.public
    keys = {"ed25519:" + "A" * 43: key} if fault == "name" else {f"ed25519:{key[:-1]}": key[:-1]}
    answer = alice.answer(lambda made: made["master_keys"][ALICE].update(keys=keys))
    assert trust.cross_signing_key(answer, ALICE, "master") is None


def test_rule_10_a_one_time_key_is_found_behind_other_things() -> None:
    alice = Person()
    (device,) = trust.devices_of(alice.answer(), ALICE)
    signed = alice.devices["PHONE"].sign({"key": alice.curve("ONE")}, ALICE, "PHONE")
    claimed = {
        "curve25519:AAAA": "x",
        "signed_curve25519:AAAB": {"key": "y"},
        "signed_curve25519:AAAC": signed,
    }
    assert trust.one_time_key(claimed, device) == alice.curve("ONE")
