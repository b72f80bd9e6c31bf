"""Who was pinned, and who is talking. Rules of :mod:`bot.domain.trust`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.trust import Address, Device, Pin
from bot.domain.values import RoomId, UserId

SIGNED = Device(user=UserId("@a:b"), device_id="PHONE", ed25519="E", curve25519="C", master_key="M")
ALONE = replace(SIGNED, master_key=None)


def test_rule_2_every_device_of_the_pinned_identity_is_known_and_no_other() -> None:
    pin = Pin.of(SIGNED)
    assert pin == Pin(master_key="M")
    assert pin.knows(SIGNED)
    assert pin.knows(replace(SIGNED, device_id="LAPTOP", ed25519="E2", curve25519="C2"))
    assert not pin.knows(replace(SIGNED, master_key="M2"))
    assert not pin.knows(ALONE)


def test_rule_3_without_an_identity_that_device_alone_is_known() -> None:
    pin = Pin.of(ALONE)
    assert pin == Pin(device_id="PHONE", ed25519="E", curve25519="C")
    assert pin.knows(ALONE)
    assert pin.knows(SIGNED)  # it has been signed since
    assert not pin.knows(replace(ALONE, device_id="LAPTOP"))
    assert not pin.knows(replace(ALONE, ed25519="E2"))
    assert not pin.knows(replace(ALONE, curve25519="C2"))


@pytest.mark.parametrize(
    "pin",
    [
        Pin(),
        Pin(device_id="PHONE"),
        Pin(device_id="PHONE", ed25519="E"),
        Pin(device_id="PHONE", curve25519="C"),
        Pin(ed25519="E", curve25519="C"),
    ],
)
def test_rule_4_a_pin_that_lacks_a_part_knows_nobody(pin: Pin) -> None:
    assert not pin.knows(ALONE)
    assert not pin.knows(SIGNED)


def test_rule_4_an_empty_master_key_pins_nothing_but_the_device() -> None:
    assert Pin.of(replace(SIGNED, master_key="")) == Pin.of(ALONE)
    assert not Pin(master_key="").knows(ALONE)


def test_nobody_is_pinned_unless_said() -> None:
    assert Address(room=RoomId("!r:x"), user=UserId("@a:b")).pin is None
    assert (Pin().master_key, Pin().device_id, Pin().ed25519, Pin().curve25519) == (None, None, None, None)
