"""Two Olm machines and no network: the bot's, and a peer that makes whatever needs keys."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vodozemac

from bot.channels.matrix.olm import MEGOLM, OLM, Decrypted, Machine
from bot.domain.trust import Device
from bot.domain.values import RoomId, SecretBytes, UserId
from tests.channels.forge import Json, b64

ROOM = RoomId("!room:pli.localhost")
OTHER_ROOM = RoomId("!other:pli.localhost")
PEER = UserId("@peer:pli.localhost")


def new_machine(user: str, folder: Path, key: SecretBytes | None = None) -> Machine:
    folder.mkdir(exist_ok=True)
    machine = Machine(
        user=UserId(user),
        device_id="DEVICE",
        folder=folder,
        pickle_key=key or SecretBytes(secrets.token_bytes(32)),
    )
    machine.admit(
        may_share=lambda room, user: (room, user) == (ROOM, PEER), may_speak=lambda user: user == PEER
    )
    return machine


def device_of(machine: Machine) -> Device:
    return Device(
        user=machine.user,
        device_id=machine.device_id,
        ed25519=machine.ed25519,
        curve25519=machine.curve25519,
        master_key=None,
    )


@dataclass
class Pair:
    """The bot's machine, and a peer with an Olm session to it."""

    bot: Machine
    peer: Machine
    folder: Path
    key: SecretBytes

    def olm_event(self, payload: Json | str, *, sender: str = PEER, **changes: Any) -> Json:
        """A to-device event with that very plaintext."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        session = self.peer._store.sessions_with(self.bot.curve25519)[0]
        kind, body = session._session.encrypt(text.encode("utf-8", "surrogatepass")).to_parts()
        self.peer._store.save_session(self.bot.curve25519, session)
        ciphertext = {self.bot.curve25519: {"type": kind, "body": b64(body)}}
        content = {"algorithm": OLM, "sender_key": self.peer.curve25519, "ciphertext": ciphertext}
        return {"type": "m.room.encrypted", "sender": sender, "content": {**content, **changes}}

    def payload(self, kind: str, content: object, **changes: Any) -> Json:
        return {
            "type": kind,
            "content": content,
            "sender": PEER,
            "sender_device": "DEVICE",
            "keys": {"ed25519": self.peer.ed25519},
            "recipient": self.bot.user,
            "recipient_keys": {"ed25519": self.bot.ed25519},
            **changes,
        }

    def room_key(self, session: vodozemac.GroupSession, **changes: Any) -> Json:
        content = {
            "algorithm": MEGOLM,
            "room_id": ROOM,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
            **changes,
        }
        return self.olm_event(self.payload("m.room_key", content))

    def share(self) -> vodozemac.GroupSession:
        session = vodozemac.GroupSession()
        self.bot.receive(self.room_key(session))
        assert self.bot.take_new_keys() == [(ROOM, session.session_id)]
        return session

    def reopen(self) -> Machine:
        self.bot.close()
        self.bot = new_machine("@bot:pli.localhost", self.folder, self.key)
        return self.bot

    def still_works(self) -> bool:
        """Whether the bot can still be given a key and read with it."""
        session = self.share()
        found = self.bot.decrypt(ROOM, megolm(session, {"room_id": ROOM, "type": "m.x", "content": {}}))
        return isinstance(found, Decrypted)


def lose_sessions(machine: Machine) -> None:
    """As if the Olm sessions had been lost."""
    machine._store.database.execute_sql("DELETE FROM olmsessions")


def forget(machine: Machine, session: vodozemac.GroupSession, index: int) -> None:
    """What the sync loop does when a message was read, its token stored, and a while has passed."""
    machine.note_read([(ROOM, session.session_id, index)])
    machine.forget_noted(machine.last_note())


def megolm(session: vodozemac.GroupSession, payload: Json | bytes) -> Json:
    plain = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    ciphertext = session.encrypt(plain).to_base64()
    return {"algorithm": MEGOLM, "session_id": session.session_id, "ciphertext": ciphertext}
