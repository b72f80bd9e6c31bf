"""P3: brute force over a stolen database and the bot's keys, with the right PIN in the list, without the vault."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from bot.domain.records import Recipient
from bot.domain.values import Secret, SecretBytes
from bot.errors import InvalidSeal
from storage import vault_rows
from storage.wrap import Profile, hash_secret, unwrap_key, wrapping_key
from tests.services.kit import PIN
from tests.stores.bot import Bot
from tests.stores.conftest import OpenFolder
from tests.stores.folder import ANNA, wrong_pin

LIST = [*(wrong_pin(n) for n in range(100)), PIN, *(wrong_pin(n) for n in range(100, 200))]


def _opened_by(recipient: Recipient, guess: Callable[[SecretBytes], SecretBytes]) -> list[str]:
    """Every PIN of the list whose hash, with what the thief takes for the vault's answer, opens the wrap."""
    found = []
    for pin in LIST:
        h = hash_secret(Secret(pin), recipient.salt, Profile.testing())
        with suppress(InvalidSeal):
            unwrap_key(
                recipient.wrap,
                wrapping_key(guess(h), h),
                recipient=recipient.id,
                key_id=recipient.key_id,
                generation=recipient.generation,
            )
            found.append(pin)
    return found


def test_p3_the_right_pin_in_the_list_opens_nothing_without_the_vault(practice_in: OpenFolder) -> None:
    folder = practice_in("enrolled")
    [(k,)] = folder.vault_rows("SELECT k FROM key")
    bot = Bot(folder.path)
    with bot.home.uow() as uow:
        who = uow.rooms.get(ANNA)
        assert who is not None
        assert who.recipient is not None
        recipient = uow.recipients.get(who.recipient)
    data_key = bot.home.keys.data.reveal()
    bot.close()
    assert recipient is not None

    def answer(key: bytes) -> Callable[[SecretBytes], SecretBytes]:
        return lambda h: vault_rows.answer(key, recipient.key_id, h)

    for known in (bytes(32), data_key, recipient.public_key, recipient.salt * 2):
        assert _opened_by(recipient, answer(known)) == []
        assert _opened_by(recipient, lambda _, known=known: SecretBytes(known)) == []  # type: ignore[misc]  # bound now
    assert _opened_by(recipient, lambda h: h) == []
    assert _opened_by(recipient, answer(k)) == [PIN], (
        "with the vault too, it is Argon2id alone: see SECURITY.md"
    )
