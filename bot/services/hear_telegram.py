"""What comes in from Telegram: links that bind, commands, things typed in the wrong place. No answer but a constant.

1. A chat is bound by a link that is open, in a private chat, to a recipient who has none, by a chat that is nobody's.
   Everything else is refused in the same words, makes that link worthless, and is told in the room of the link's
   recipient, once a link and reason. The chat that was bound by a link is told so again, however often it comes.
2. What somebody typed is deleted there, where it is a reader's or looked like a PIN or a code. Nothing of it is kept:
   it is not tried as a PIN, the room advises to change it. A deletion that fails for now is tried again.
3. Whoever is unknown is answered once a day, and a reader who types once an hour. Wrong tokens bring growing pauses in
   which nothing is looked at and one answer an hour is given; they slow nobody else. No number of a chat is kept in
   clear.
4. Groups and channels are left at once.
5. An update is done once where it changes something, however often it comes.
6. Nothing that an update holds raises, and no transaction is open while Telegram is spoken to. What the room is told
   leaves after a crash as well; a sentence in Telegram may be lost.
7. A storage that refuses is raised: nothing was written, and whoever listens has Telegram bring the update again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bot.domain.records import AuditKind, RecipientState
from bot.domain.telegram import (
    Asked,
    Blocked,
    ChatAddress,
    ChatId,
    Command,
    Elsewhere,
    Started,
    TelegramChat,
    TelegramLink,
    TelegramSentence,
    Typed,
    Update,
)
from bot.domain.templates import Template
from bot.domain.values import Language, RecipientId, Secret
from bot.errors import ChannelError, StorageError
from bot.ports import Clock
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.ports_telegram import TelegramChannel
from bot.services.unbind_telegram import tell_room, unbind_telegram

log = logging.getLogger("pli.telegram")

STRANGER_EVERY: Final = timedelta(days=1)
TYPED_EVERY: Final = timedelta(hours=1)
SLOWED_EVERY: Final = timedelta(hours=1)
_REMEMBERED: Final = 1000  # deletions that are tried again


class _Why(StrEnum):
    """Why a link binds nothing."""

    SPENT = "spent"
    LATE = "late"
    GROUP = "group"
    TAKEN = "taken"
    GONE = "gone"


@dataclass(slots=True)
class _Decided:
    """What is to be said in Telegram, once everything is written; ``written``: the outbox may have something new."""

    say: list[tuple[TelegramSentence, Language]] = field(default_factory=list)
    take_back: bool = False
    written: bool = False


class HearTelegram:
    """See :data:`bot.ports_telegram.UpdateHandler`. ``language`` is the practice's; ``wake`` is called when the outbox
    has something new.
    """

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        *,
        channel: TelegramChannel,
        clock: Clock,
        language: Language,
        wake: Callable[[], None],
    ) -> None:
        self._uow, self._channel, self._clock = uow, channel, clock
        self._language, self._wake = language, wake
        self._again: deque[tuple[ChatId, int]] = deque(maxlen=_REMEMBERED)

    async def __call__(self, update: Update) -> None:
        """Raises :class:`StorageError` alone (rules 6 and 7)."""
        try:
            await self._hear(update)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - rule 6: one update stops no other
            log.error("an update was not handled as it should", extra={"error": type(error).__name__})  # noqa: TRY400 - a traceback could quote it

    async def tidy(self) -> int:
        """Now and then: delete what could not be deleted (rule 2); how many are left."""
        for _ in range(len(self._again)):
            chat, message = self._again.popleft()
            await self._take_back(chat, message)
        return len(self._again)

    async def _hear(self, update: Update) -> None:
        heard = update.heard
        if isinstance(heard, Elsewhere):
            await self._tried(self._channel.leave(heard.chat))
            return
        secret = isinstance(heard, Typed) and heard.like_secret
        if isinstance(heard, Typed) and secret:
            await self._take_back(heard.chat, heard.message)  # first: also where the storage refuses
        decided = await asyncio.to_thread(self._decide, update)
        if decided.written:
            self._wake()
        if isinstance(heard, Typed) and decided.take_back and not secret:
            await self._take_back(heard.chat, heard.message)
        for sentence, language in decided.say:
            await self._tried(self._channel.say(ChatAddress(chat=heard.chat), sentence, language))
        if isinstance(heard, Started) and not heard.private:
            await self._tried(self._channel.leave(heard.chat))

    async def _take_back(self, chat: ChatId, message: int) -> None:
        try:
            await self._channel.take_back(ChatAddress(chat=chat), message)
        except ChannelError as error:
            if not error.permanent:
                self._again.append((chat, message))
            log.warning("a message in Telegram was not deleted", extra={"error": type(error).__name__})

    @staticmethod
    async def _tried(saying: Awaitable[None]) -> None:
        try:
            await saying
        except ChannelError as error:
            log.warning("Telegram was not answered", extra={"error": type(error).__name__})

    # -- one update, in a thread ----------------------------------------------------------------------------------

    def _decide(self, update: Update) -> _Decided:
        now, decided = self._clock.now(), _Decided()
        with self._uow() as uow:
            heard, chat = update.heard, uow.telegram.by_chat(update.heard.chat)
            if isinstance(heard, Started) and heard.token is not None:
                self._start(uow, update, heard, heard.token, chat, decided, now)
            elif isinstance(heard, Started) and not heard.private:
                pass  # rule 4
            elif chat is None:
                if not isinstance(heard, Blocked):
                    self._stranger(uow, update, decided, now)
            elif isinstance(heard, Typed):
                self._typed(uow, heard, chat, decided, now)
            elif uow.seen.add([uow.telegram.digest(f"update:{update.number}")], now):  # rule 5
                self._known(uow, update, chat, decided, now)
            uow.commit()
        return decided

    def _known(
        self, uow: UnitOfWork, update: Update, chat: TelegramChat, decided: _Decided, now: datetime
    ) -> None:
        """Commands of a reader."""
        heard, decided.written = update.heard, True
        if isinstance(heard, Blocked):
            unbind_telegram(uow, chat.recipient, now, tell=Template.TELEGRAM_BLOCKED)
        elif isinstance(heard, Asked) and heard.what is Command.STOP:
            unbind_telegram(uow, chat.recipient, now, tell=Template.TELEGRAM_STOPPED)
            decided.say.append((TelegramSentence.STOPPED, chat.language))
        elif isinstance(heard, Asked) and heard.what is Command.LANGUAGE and heard.language is not None:
            uow.telegram.put_chat(replace(chat, language=heard.language))
            decided.say.append((TelegramSentence.LANGUAGE_SET, heard.language))
        else:
            decided.say.append((TelegramSentence.HELP, chat.language))

    def _stranger(self, uow: UnitOfWork, update: Update, decided: _Decided, now: datetime) -> None:
        """Rule 3."""
        if _not_within(uow, "stranger", update.heard.chat, now, STRANGER_EVERY):
            decided.say.append((TelegramSentence.STRANGER, update.suggests or self._language))

    @staticmethod
    def _typed(uow: UnitOfWork, heard: Typed, chat: TelegramChat, decided: _Decided, now: datetime) -> None:
        """Rule 2."""
        decided.take_back = True
        if _not_within(uow, "typed", heard.chat, now, TYPED_EVERY):
            decided.say.append((TelegramSentence.TYPE_IN_ROOM, chat.language))
        if heard.like_secret and _not_within(uow, "secret", heard.chat, now, TYPED_EVERY):
            tell_room(uow, chat.recipient, Template.TELEGRAM_SECRET, now)
            decided.written = True

    # -- links ----------------------------------------------------------------------------------------------------

    def _start(
        self,
        uow: UnitOfWork,
        update: Update,
        heard: Started,
        token: Secret,
        chat: TelegramChat | None,
        decided: _Decided,
        now: datetime,
    ) -> None:
        """Rule 1."""
        sender, language = uow.telegram.chat_index(heard.chat), update.suggests or self._language
        link = uow.telegram.link(uow.telegram.digest(token.reveal()))
        if chat is not None and link is not None and chat.id == link.id:
            decided.say.append((TelegramSentence.LINKED, chat.language))
            return
        if uow.guesses.wait_seconds(sender, now, alone=True) > 0:  # rule 3
            if _not_within(uow, "slowed", heard.chat, now, SLOWED_EVERY):
                decided.say.append((TelegramSentence.LINK_REFUSED, language))
            return
        decided.written = link is not None
        recipient = uow.recipients.get(link.recipient) if link is not None else None
        why = _why_not(uow, heard, link, chat, now)
        if link is None or why is not None or recipient is None:
            uow.guesses.wrong(sender, now, alone=True)
            if link is not None and why is not None:
                _refuse(uow, link, why, now)
            decided.say.append((TelegramSentence.LINK_REFUSED, language))
            return
        uow.guesses.clear(sender, alone=True)
        uow.telegram.spend_links(link.recipient)
        bound = TelegramChat(
            id=link.id,  # names the link that bound it
            recipient=link.recipient,
            chat=heard.chat,
            language=recipient.language,
            linked_at=now,
        )
        uow.telegram.put_chat(bound)
        uow.audit.add(AuditKind.TELEGRAM_LINKED, now, link.recipient)
        tell_room(uow, link.recipient, Template.TELEGRAM_LINKED, now)
        decided.say.append((TelegramSentence.LINKED, recipient.language))


def _why_not(
    uow: UnitOfWork, heard: Started, link: TelegramLink | None, chat: TelegramChat | None, now: datetime
) -> _Why | None:
    """Why ``link`` does not bind this chat; None where it does, and where there is no such link."""
    if link is None:
        return None
    if not heard.private:
        return _Why.GROUP
    if link.expires <= now:
        return _Why.LATE
    if link.spent:
        return _Why.SPENT
    if chat is not None or uow.telegram.by_recipient(link.recipient) is not None:
        return _Why.TAKEN
    recipient = uow.recipients.get(link.recipient)
    return None if recipient is not None and recipient.state is RecipientState.ENROLLED else _Why.GONE


def _refuse(uow: UnitOfWork, link: TelegramLink, why: _Why, now: datetime) -> None:
    """Rule 1."""
    reasons = {why}
    if not link.spent:
        uow.telegram.spend_links(link.recipient)
        reasons.add(_Why.SPENT)  # that it is spent now is no news
    if uow.seen.add([uow.telegram.digest(f"refused:{link.id}:{each}") for each in sorted(reasons)], now):
        uow.audit.add(AuditKind.TELEGRAM_REFUSED, now, link.recipient, note=f"why={why}")
        if _may_be_told(uow, link.recipient):
            tell_room(uow, link.recipient, Template.TELEGRAM_REFUSED, now)


def _may_be_told(uow: UnitOfWork, recipient: RecipientId) -> bool:
    known = uow.recipients.get(recipient)
    return known is not None and known.state in (RecipientState.ENROLLED, RecipientState.LOCKED)


def _not_within(uow: UnitOfWork, what: str, chat: ChatId, now: datetime, span: timedelta) -> bool:
    """Whether it is the first time in a while; digests tell no chat."""
    return uow.seen.not_within(uow.telegram.digest(f"{what}:{uow.telegram.chat_index(chat)}"), now, span=span)
