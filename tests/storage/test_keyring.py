"""Recipients' keys with the real vault and real keys: rules of :mod:`storage.keyring` and ``sealing`` by number."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.appointment import Detail
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    Invitation,
    InvitationKind,
    Recipient,
    RecipientState,
    StoredAnswer,
)
from bot.domain.values import AppointmentId, KeyId, Language, RecipientId, Secret
from bot.errors import InvalidSeal, KeyDestroyed, MustWait, Refused, StaleGeneration, WrongSecret
from storage import keyring as keyrings
from storage.keyring import BotKeyRing
from storage.keys import BotKeys, ImportKeys, create_keys
from storage.sealing import ImportSealer, Registrar
from storage.vault import Vault
from storage.wrap import Profile, hash_secret
from tests.storage.store import appointment, envelope
from tests.storage.vault_rig import HandClock, new_vault

CODE, PIN, NEW, WRONG = (Secret(t) for t in ("0123456789ABC", "493817", "528164", "111222"))
START = datetime(2026, 9, 10, 8, tzinfo=UTC)
DETAIL = Detail(
    source="u-1", patient="P-1", start=START, end=START + timedelta(minutes=30), zone="Europe/Paris", note="é"
)


@dataclass
class Keys:
    """Both sides of one practice."""

    vault: Vault
    clock: HandClock
    ring: BotKeyRing
    sealer: ImportSealer
    registrar: Registrar
    importer: ImportKeys
    bot: BotKeys

    def born(self) -> Recipient:
        return self.registrar.new_recipient(Language.FR, CODE)

    def enrolled(self) -> Recipient:
        recipient = self.ring.rewrap(self.born(), CODE, PIN)
        self.ring.settle(recipient)
        return recipient


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    bot, importer = tmp_path / "bot", tmp_path / "import"
    create_keys(bot, importer)
    vault, clock = new_vault(tmp_path)
    import_keys = ImportKeys.load(importer)
    return Keys(
        vault=vault,
        clock=clock,
        ring=BotKeyRing(BotKeys.load(bot), vault, profile=Profile.testing()),
        sealer=ImportSealer(import_keys),
        registrar=Registrar(import_keys, vault, profile=Profile.testing()),
        importer=import_keys,
        bot=BotKeys.load(bot),
    )


def test_a_recipient_is_born_invited_and_opened_by_its_code_alone(keys: Keys) -> None:
    born = keys.born()
    assert (born.state, born.generation, born.language) == (RecipientState.INVITED, 0, Language.FR)
    assert keys.ring.tries_left(born.id) is None
    private = keys.ring.unlock(born, CODE)
    assert len(private) == 32
    for _ in range(12):
        with pytest.raises(WrongSecret) as wrong:
            keys.ring.unlock(born, WRONG)
        assert wrong.value.tries_left is None
    assert keys.ring.unlock(born, CODE).reveal() == private.reveal()


def test_two_recipients_share_nothing(keys: Keys) -> None:
    first, second = keys.born(), keys.born()
    assert first.id != second.id
    assert first.key_id != second.key_id
    assert first.public_key != second.public_key
    assert keys.ring.unlock(first, CODE).reveal() != keys.ring.unlock(second, CODE).reveal()


def test_rule_3_a_new_pin_keeps_the_key(keys: Keys) -> None:
    born = keys.born()
    before = keys.ring.unlock(born, CODE).reveal()
    enrolled = keys.enrolled()
    changed = keys.ring.rewrap(enrolled, PIN, NEW)
    assert (changed.generation, changed.id, changed.key_id) == (2, enrolled.id, enrolled.key_id)
    assert changed.salt != enrolled.salt
    assert keys.ring.unlock(enrolled, PIN).reveal() == keys.ring.unlock(changed, NEW).reveal()
    keys.ring.settle(changed)
    with pytest.raises(StaleGeneration):
        keys.ring.unlock(enrolled, PIN)
    assert len(before) == 32


@pytest.mark.parametrize("committed", [False, True])
def test_rule_3_after_a_crash_the_database_decides(keys: Keys, committed: bool) -> None:
    enrolled = keys.enrolled()
    staged = keys.ring.rewrap(enrolled, PIN, NEW)
    in_database, secret = (staged, NEW) if committed else (enrolled, PIN)
    assert keys.ring.reconcile(in_database) == "fits"
    keys.ring.unlock(in_database, secret)
    with pytest.raises(StaleGeneration):
        keys.ring.unlock(enrolled if committed else staged, secret)


def test_rule_3_a_database_that_is_older_than_the_vault(keys: Keys) -> None:
    enrolled = keys.enrolled()
    changed = keys.ring.rewrap(enrolled, PIN, NEW)
    keys.ring.settle(changed)
    assert keys.ring.reconcile(enrolled) == "stale"
    for _ in range(12):
        with pytest.raises(StaleGeneration):
            keys.ring.unlock(enrolled, PIN)
    assert keys.ring.tries_left(enrolled.id) == 10


def test_rule_1_wrong_pins_count_and_ten_destroy(keys: Keys) -> None:
    enrolled = keys.enrolled()
    for left in range(9, 0, -1):
        with pytest.raises(WrongSecret) as wrong:
            keys.ring.unlock(enrolled, WRONG)
        assert wrong.value.tries_left == left
        if wrong.value.wait_seconds:
            with pytest.raises(MustWait):
                keys.ring.unlock(enrolled, PIN)
            keys.clock.forward(seconds=wrong.value.wait_seconds)
    with pytest.raises(KeyDestroyed):
        keys.ring.unlock(enrolled, WRONG)
    with pytest.raises(KeyDestroyed):
        keys.ring.unlock(enrolled, PIN)
    assert keys.ring.reconcile(enrolled) == "destroyed"
    with pytest.raises(Refused):
        keys.ring.rewrap(enrolled, PIN, NEW)


def test_a_wrong_old_pin_stages_nothing(keys: Keys) -> None:
    enrolled = keys.enrolled()
    with pytest.raises(WrongSecret):
        keys.ring.rewrap(enrolled, WRONG, NEW)
    assert keys.ring.tries_left(enrolled.id) == 9
    assert keys.ring.reconcile(enrolled) == "fits"


@pytest.mark.parametrize("part", ["public_key", "signature", "wrap", "salt", "key_id", "id", "generation"])
def test_rule_2_a_row_that_somebody_wrote_to_opens_nothing(keys: Keys, part: str) -> None:
    """Swapped with another recipient's part, by parts."""
    mine, other = keys.enrolled(), keys.enrolled()
    value = 7 if part == "generation" else getattr(other, part)
    with pytest.raises(Refused) as refused:
        keys.ring.unlock(replace(mine, **{part: value}), PIN)  # type: ignore[arg-type]  # a field of its own type
    assert isinstance(refused.value, (InvalidSeal, WrongSecret, StaleGeneration, KeyDestroyed))


def test_rule_2_a_key_pair_of_their_own_with_a_signature_of_ours_is_refused(keys: Keys) -> None:
    """Public key and signature both taken from another recipient: the identity is signed along."""
    mine, other = keys.enrolled(), keys.enrolled()
    forged = replace(mine, public_key=other.public_key, signature=other.signature)
    with pytest.raises(InvalidSeal):
        keys.ring.unlock(forged, PIN)
    with pytest.raises(InvalidSeal):
        keys.sealer.seal(DETAIL, appointment=AppointmentId("a-1"), recipient=forged, revision=1)


def test_rule_4_argon2_runs_twice_at_once_at_most(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, gate = 0, 0, threading.Lock()
    arrived = threading.Semaphore(0)
    go_on = threading.Event()
    real = hash_secret

    def counted(*arguments: object) -> object:
        nonlocal running, most
        with gate:
            running += 1
            most = max(most, running)
        arrived.release()
        go_on.wait(30)
        try:
            return real(*arguments)  # type: ignore[arg-type]  # passed on
        finally:
            with gate:
                running -= 1

    recipients = [keys.enrolled() for _ in range(6)]
    monkeypatch.setattr(keyrings, "hash_secret", counted)
    threads = [threading.Thread(target=keys.ring.unlock, args=(r, PIN)) for r in recipients]
    for thread in threads:
        thread.start()
    assert arrived.acquire(timeout=30)
    assert arrived.acquire(timeout=30)
    assert not arrived.acquire(timeout=0.2), "a third one waits"
    go_on.set()
    for thread in threads:
        thread.join()
    assert most == 2


def sealed(keys: Keys, to: Recipient, name: str = "a-1", revision: int = 2) -> bytes:
    return keys.sealer.seal(DETAIL, appointment=AppointmentId(name), recipient=to, revision=revision)


def test_what_is_sealed_opens_with_the_pin(keys: Keys) -> None:
    enrolled = keys.enrolled()
    private = keys.ring.unlock(enrolled, PIN)
    row = appointment()
    found = keys.ring.open_envelope(
        row, envelope(to=enrolled.id, blob=sealed(keys, enrolled)), enrolled, private
    )
    assert found == DETAIL


def test_sealed_to_an_invited_recipient_opens_after_enrolment(keys: Keys) -> None:
    born = keys.born()
    blob = sealed(keys, born)
    enrolled = keys.ring.rewrap(born, CODE, PIN)
    keys.ring.settle(enrolled)
    private = keys.ring.unlock(enrolled, PIN)
    assert keys.ring.open_envelope(appointment(), envelope(blob=blob), enrolled, private) == DETAIL


@pytest.mark.parametrize("change", ["appointment", "revision", "recipient", "bit", "cut", "empty"])
def test_an_envelope_in_another_place_does_not_open(keys: Keys, change: str) -> None:
    enrolled, other = keys.enrolled(), keys.enrolled()
    private = keys.ring.unlock(enrolled, PIN)
    row, blob = appointment(), sealed(keys, enrolled)
    if change == "appointment":
        row = appointment("a-2")
    elif change == "revision":
        row = appointment(revision=3)
    elif change == "recipient":
        blob = sealed(keys, other)
    elif change == "bit":
        blob = blob[:-80] + bytes([blob[-80] ^ 1]) + blob[-79:]
    else:
        blob = blob[:100] if change == "cut" else b""
    with pytest.raises(InvalidSeal):
        keys.ring.open_envelope(row, envelope(to=enrolled.id, blob=blob), enrolled, private)


def test_answers_are_opened_by_the_practice_alone(keys: Keys) -> None:
    who = RecipientId("r-1")
    blob = keys.ring.seal_answer("w-1", who, b"a wish")
    stored = StoredAnswer(
        id="w-1",
        appointment=AppointmentId("a-1"),
        recipient=who,
        time_revision=1,
        kind=AnswerKind.MOVE,
        state=AnswerState.OPEN,
        at=START,
        blob=blob,
    )
    assert keys.sealer.open_answer(stored) == b"a wish"
    for other in (
        replace(stored, id="w-2"),
        replace(stored, recipient=RecipientId("r-2")),
        replace(stored, blob=b"x"),
    ):
        with pytest.raises(InvalidSeal):
            keys.sealer.open_answer(other)


def test_a_relinking_code(keys: Keys) -> None:
    salt, verifier = keys.registrar.relink_code(CODE)
    invitation = Invitation(
        id="X",
        recipient=RecipientId("r"),
        kind=InvitationKind.RELINK,
        expires=START,
        salt=salt,
        verifier=verifier,
    )
    assert keys.ring.check_code(invitation, CODE)
    assert not keys.ring.check_code(invitation, Secret("0123456789ABD"))
    assert CODE.reveal().encode() not in verifier


def test_indexes_are_keyed_and_kept_apart(keys: Keys) -> None:
    sealer = keys.sealer
    found = [
        sealer.source_index("x"),
        sealer.pair_index("x", ""),
        sealer.pair_index("", "x"),
        sealer.day_tag("2026-09-10"),
        sealer.digest(b"x"),
        sealer.digest(b"2026-09-10"),
    ]
    assert len(set(found)) == len(found)
    assert all(len(index) == 64 for index in found)
    assert sealer.source_index("x") == found[0]


def test_a_public_key_is_verified_for_each_key_id(keys: Keys) -> None:
    enrolled = keys.enrolled()
    sealed(keys, enrolled)
    with pytest.raises(InvalidSeal):
        sealed(keys, replace(enrolled, key_id=KeyId("k-other")))
    assert sealed(keys, enrolled) != sealed(keys, enrolled), "no two envelopes are the same bytes"


def test_p3_the_database_alone_opens_nothing(keys: Keys, tmp_path: Path) -> None:
    """With the right PIN in hand: another vault, even one that knows the recipient, gives another answer."""
    enrolled = keys.enrolled()
    (tmp_path / "thief").mkdir()
    thiefs, _ = new_vault(tmp_path / "thief")
    ring = BotKeyRing(keys.bot, thiefs, profile=Profile.testing())
    with pytest.raises(StaleGeneration):
        ring.unlock(enrolled, PIN)
    h = hash_secret(PIN, enrolled.salt, Profile.testing())
    thiefs.create(enrolled.id, enrolled.key_id, h)
    with pytest.raises(Refused):
        ring.unlock(replace(enrolled, generation=0), PIN)
