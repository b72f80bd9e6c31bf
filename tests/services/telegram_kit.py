"""A practice with Telegram: chats that are bound, a channel in memory, and what sends copies there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.choices import Level
from bot.domain.messages import Nudge
from bot.domain.records import OutboxKind, OutboxRow, OutboxState
from bot.domain.telegram import ChatAddress, ChatId, NudgeOn, TelegramChat
from bot.domain.values import Language, RecipientId, TransactionId, new_id
from bot.services.choose_nudges import Delivery
from bot.services.deliver_telegram import DeliverTelegram
from tests.services.kit import Practice


@dataclass
class FakeTelegram:
    """Records what left. ``before`` is called with each call; what ``fault`` returns is raised, and nothing leaves;
    what ``lost`` returns is raised although it has left.
    """

    now: Callable[[], datetime]
    sent: list[tuple[ChatId, datetime, Language]] = field(default_factory=list)
    tried: list[ChatId] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    fault: Callable[[ChatId], BaseException | None] = lambda _: None
    lost: Callable[[ChatId], BaseException | None] = lambda _: None

    async def nudge(self, to: ChatAddress, nudge: Nudge, txn: TransactionId) -> None:
        assert txn
        self.before()
        self.tried.append(to.chat)
        if (error := self.fault(to.chat)) is not None:
            raise error
        self.sent.append((to.chat, self.now(), nudge.language))
        if (error := self.lost(to.chat)) is not None:
            raise error

    async def say(self, *_: object) -> None:
        raise AssertionError("whoever sends nudges says nothing")

    async def take_back(self, *_: object) -> None:
        raise AssertionError("whoever sends nudges takes nothing back")

    async def leave(self, *_: object) -> None:
        raise AssertionError("whoever sends nudges leaves nothing")

    def link(self, token: str) -> str:
        return f"https://t.me/bot?start={token}"

    def at(self, chat: ChatId) -> list[datetime]:
        return [moment for to, moment, _ in self.sent if to == chat]


@dataclass
class Telegram:
    """``practice`` with Telegram; :meth:`start` is a new process."""

    practice: Practice
    delivery: Delivery = field(default_factory=lambda: Delivery(telegram=True))

    def __post_init__(self) -> None:
        self.channel = FakeTelegram(lambda: self.practice.now)
        self.start()

    def start(self) -> None:
        practice = self.practice
        practice.delivery = self.delivery
        practice.start_bot()
        self.deliver = DeliverTelegram(
            practice.uow,
            channel=self.channel,
            clock=practice.clock,
            device=practice.device,
            rules=practice.rules,
            delivery=self.delivery,
        )

    def set(self, **changes: object) -> None:
        """Other settings of the delivery, from a new start on."""
        self.delivery = replace(self.delivery, **changes)  # type: ignore[arg-type]  # fields by name
        self.start()

    def link(
        self,
        recipient: RecipientId,
        on: NudgeOn | None = None,
        *,
        level: Level = Level.PLAIN,
        language: Language = Language.FR,
    ) -> ChatId:
        """A chat, with a choice for ``level`` where there is one."""
        chat = ChatId(int.from_bytes(recipient.encode()[-6:], "big"))
        with self.practice.home.uow() as uow:
            uow.telegram.put_chat(
                TelegramChat(
                    id=new_id("chat"),
                    recipient=recipient,
                    chat=chat,
                    language=language,
                    linked_at=self.practice.now,
                    nudge_on=((level.value, on),) if on else (),
                )
            )
            uow.commit()
        return chat

    def link_all(self, on: NudgeOn | None = None, *, level: Level = Level.PLAIN) -> list[ChatId]:
        with self.practice.home.uow() as uow:
            everybody = [recipient.id for recipient in uow.recipients.all()]
        return [self.link(recipient, on, level=level) for recipient in everybody]

    async def send(self, rounds: int = 1) -> None:
        """All that is due on both channels, the pace of Telegram kept by moving the clock."""
        for _ in range(rounds):
            await self.practice.send_nudges()
            await self.copies()

    async def copies(self) -> int:
        """All that is due on Telegram; how many copies were taken."""
        total = 0
        for _ in range(1000):
            taken = await self.deliver.due()
            total += taken
            wait = self.deliver.at() - self.practice.clock.monotonic()
            if not taken and wait <= 0:
                return total
            if wait > 10:
                return total  # held
            if wait > 0:
                self.practice.clock.forward(seconds=wait + 2e-6)  # a clock of whole microseconds
        raise AssertionError("copies never end")

    def rows(self, *states: OutboxState) -> list[OutboxRow]:
        return [r for r in self.practice.outbox(OutboxKind.TELEGRAM) if not states or r.state in states]

    def states(self) -> list[OutboxState]:
        return [row.state for row in self.rows()]
