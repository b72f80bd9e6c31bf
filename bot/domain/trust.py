"""Who is talking, and is it the one who was pinned. Pure comparison; the chain itself is checked by the channel.

1. An identity counts only if the event was decrypted and the key that decrypted it belongs to the device named.
2. With a pinned master key, a device is known if and only if its chain (master → self-signing → device) ends there.
3. Without cross-signing at enrolment, the redeeming device alone is known, by id, Ed25519 and Curve25519 key.
4. A pin of neither kind matches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.values import RoomId, UserId


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """One device as the channel's own check saw it. ``master_key`` is set only if the whole chain verified.

    Keys are unpadded base64: ``ed25519`` signs, ``curve25519`` identifies the Olm session.
    """

    user: UserId
    device_id: str
    ed25519: str
    curve25519: str
    master_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """What was pinned when the code was redeemed: a master key, or else one device."""

    master_key: str | None = None
    device_id: str | None = None
    ed25519: str | None = None
    curve25519: str | None = None

    @classmethod
    def of(cls, device: Device) -> Pin:
        """Pin the owner of ``device``: by master key where the chain verified, by the device alone otherwise."""
        if device.master_key:
            return cls(master_key=device.master_key)
        return cls(device_id=device.device_id, ed25519=device.ed25519, curve25519=device.curve25519)

    def knows(self, device: Device) -> bool:
        if self.master_key is not None:
            return device.master_key == self.master_key
        if self.device_id is None or self.ed25519 is None or self.curve25519 is None:
            return False
        return (device.device_id, device.ed25519, device.curve25519) == (
            self.device_id,
            self.ed25519,
            self.curve25519,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a message goes: the room that the bot opened, the one person in it, and who that person is pinned to be."""

    room: RoomId
    user: UserId
    pin: Pin | None = None
