"""The Protocols of keys: what seals an agenda, what opens it for its patient, what reads answers."""

from __future__ import annotations

from typing import Literal, Protocol

from bot.domain.appointment import Detail
from bot.domain.records import Invitation, Recipient, StoredAnswer, StoredAppointment, StoredEnvelope
from bot.domain.values import AppointmentId, Language, RecipientId, Secret, SecretBytes


class Sealer(Protocol):
    """Import side: the keys that index and seal an agenda."""

    def source_index(self, source: str) -> str: ...
    def pair_index(self, patient: str, practitioner: str) -> str: ...
    def day_tag(self, day: str) -> str: ...
    def digest(self, data: bytes) -> str: ...
    def seal(
        self, detail: Detail, *, appointment: AppointmentId, recipient: Recipient, revision: int
    ) -> bytes: ...


class KeyRing(Protocol):
    """Recipients' keys: born at the invitation, guarded by the vault, opened by a code or a PIN.

    Errors: :class:`WrongSecret`, :class:`MustWait`, :class:`KeyDestroyed`, :class:`StaleGeneration`,
    :class:`InvalidSeal`, :class:`StorageError`.
    """

    def unlock(self, recipient: Recipient, secret: Secret) -> SecretBytes:
        """The private key. Costs an attempt where a PIN guards it."""

    def rewrap(self, recipient: Recipient, secret: Secret, new_pin: Secret) -> Recipient:
        """Stage the next generation; the value to save in one transaction, then :meth:`settle`."""

    def settle(self, recipient: Recipient) -> None:
        """After the transaction: the vault keeps this generation alone."""

    def reconcile(self, recipient: Recipient) -> Literal["fits", "stale", "destroyed"]:
        """At start: the database decides what a crash left open."""

    def destroy(self, recipient: RecipientId) -> None: ...
    def tries_left(self, recipient: RecipientId) -> int | None: ...
    def open_envelope(
        self, row: StoredAppointment, envelope: StoredEnvelope, recipient: Recipient, private: SecretBytes
    ) -> Detail: ...
    def seal_answer(self, answer: str, recipient: RecipientId, content: bytes) -> bytes: ...
    def check_code(self, invitation: Invitation, secret: Secret) -> bool:
        """Whether ``secret`` is the code of a relink."""


class AnswerOpener(Protocol):
    """Import side."""

    def open_answer(self, answer: StoredAnswer) -> bytes: ...


class Registrar(Protocol):
    """Import side: recipients are born here."""

    def new_recipient(self, language: Language, code: Secret) -> Recipient:
        """In state invited, its key pair signed, its private half under ``code``; known to the vault."""

    def relink_code(self, code: Secret) -> tuple[bytes, bytes]:
        """Salt and verifier for an invitation that re-pins."""
