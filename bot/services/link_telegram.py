"""What a recipient asks of Telegram in the encrypted room: a link, where nudges go, and an end of it.

1. A link is 128 random bits, kept as a keyed digest alone; it binds one chat, once, within 15 minutes. Its text is a
   release: in memory only, and taken back.
2. The table asks for a link and for another place of nudges within an unlock window only; an end of it, at any time.
3. A new link makes the one before worthless.
4. Where nudges go is chosen for the level of discretion that holds for the recipient now; other levels keep theirs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.conversation import Outcome
from bot.domain.dialogue.telegram import CHOSEN, SET
from bot.domain.records import AuditKind, Recipient, RecipientState
from bot.domain.slots import NudgeRules
from bot.domain.telegram import NudgeOn, TelegramChat, TelegramLink
from bot.domain.timing import level_of
from bot.domain.values import RecipientId
from bot.domain.vocabulary import IntentKind
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.unbind_telegram import unbind_telegram

VALID: Final = timedelta(minutes=15)
_BYTES: Final = 16  # 128 bits: 22 characters of A-Z, a-z, 0-9, "-" and "_", which Telegram takes


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Answered:
    """``link`` is the address of a new link, empty where none was asked for."""

    outcome: Outcome
    link: str = ""


class LinkTelegram:
    """``address`` makes the address that starts the bot with a token (:meth:`bot.ports_telegram.TelegramChannel.link`).

    Raises :class:`bot.errors.StorageError`, and what ``address`` raises: then nothing was written.
    """

    def __init__(self, uow: UnitOfWorkFactory, *, address: Callable[[str], str], rules: NudgeRules) -> None:
        self._uow, self._address, self._rules = uow, address, rules

    def __call__(self, recipient_id: RecipientId, kind: IntentKind, now: datetime) -> Answered:
        """``kind`` is one of :data:`bot.domain.dialogue.telegram.ASKED`."""
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None or recipient.state is not RecipientState.ENROLLED:
                return Answered(outcome=Outcome.TROUBLE)
            chat = uow.telegram.by_recipient(recipient_id)
            if chat is not None:
                answered = self._choose(uow, recipient, chat, kind, now)
            elif kind is IntentKind.TELEGRAM:
                answered = self._link(uow, recipient_id, now)
            else:
                answered = Answered(outcome=Outcome.TELEGRAM_NONE)
            uow.commit()
        return answered

    def off(self, recipient_id: RecipientId, now: datetime) -> Outcome:
        """Nothing goes to Telegram any more, and no link binds anything."""
        with self._uow() as uow:
            bound = unbind_telegram(uow, recipient_id, now)
            uow.commit()
        return Outcome.TELEGRAM_UNLINKED if bound else Outcome.TELEGRAM_NONE

    def _link(self, uow: UnitOfWork, recipient: RecipientId, now: datetime) -> Answered:
        """Rules 1 and 3."""
        token = secrets.token_urlsafe(_BYTES)
        address = self._address(token)
        uow.telegram.spend_links(recipient)
        uow.telegram.add_link(
            TelegramLink(id=uow.telegram.digest(token), recipient=recipient, expires=now + VALID)
        )
        uow.audit.add(AuditKind.TELEGRAM_OFFERED, now, recipient)
        return Answered(outcome=Outcome.TELEGRAM_LINK, link=address)

    def _choose(
        self, uow: UnitOfWork, recipient: Recipient, chat: TelegramChat, kind: IntentKind, now: datetime
    ) -> Answered:
        """Rule 4. Without a choice: what is chosen."""
        level = level_of(self._rules, recipient.wishes).value
        chosen = dict(chat.nudge_on)
        if kind in CHOSEN:
            chosen[level] = CHOSEN[kind]
            uow.telegram.put_chat(replace(chat, nudge_on=tuple(chosen.items())))
            uow.audit.add(AuditKind.TELEGRAM_SET, now, recipient.id)
        return Answered(outcome=SET[chosen.get(level, NudgeOn.BOTH)])
