"""Links to Telegram and the chats that were bound by them. A chat's number is sealed, its index keyed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from bot.domain.telegram import ChatId, NudgeOn, TelegramChat, TelegramLink
from bot.domain.values import Language, RecipientId
from storage import tables as t
from storage.chunks import chunks
from storage.columns import Columns

_chat, _link = t.telegram_chat, t.telegram_link


class TelegramTables:
    """See :class:`bot.ports_telegram.TelegramRows`."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def add_link(self, link: TelegramLink) -> None:
        values = {"id": link.id, "recipient": link.recipient, "expires": link.expires, "spent": link.spent}
        self._db.execute(insert(_link).values(values))

    def link(self, digest: str) -> TelegramLink | None:
        row = self._db.execute(select(_link).where(_link.c.id == digest)).mappings().one_or_none()
        if row is None:
            return None
        return TelegramLink(
            id=row["id"],
            recipient=RecipientId(row["recipient"]),
            expires=row["expires"],
            spent=bool(row["spent"]),
        )

    def spend_links(self, recipient: RecipientId) -> None:
        self._db.execute(update(_link).where(_link.c.recipient == recipient).values(spent=True))

    def purge_links(self, before: datetime) -> int:
        return int(self._db.execute(delete(_link).where(_link.c.expires < before)).rowcount)

    def digest(self, token: str) -> str:
        return self._columns.index("telegram-link", token)

    def chat_index(self, chat: ChatId) -> str:
        return self._columns.index("telegram-chat", str(chat))

    def put_chat(self, chat: TelegramChat) -> None:
        self.unbind(chat.recipient)
        sealed = self._columns.seal(str(chat.chat), table="telegram_chat", column="chat", row=chat.id)
        values = {
            "id": chat.id,
            "recipient": chat.recipient,
            "chat_idx": self.chat_index(chat.chat),
            "chat_enc": sealed,
            "language": chat.language.value,
            "nudge_on": json.dumps({level: on.value for level, on in chat.nudge_on}),
            "linked_at": chat.linked_at,
        }
        self._db.execute(insert(_chat).values(values))

    def by_chat(self, chat: ChatId) -> TelegramChat | None:
        return self._one(_chat.c.chat_idx == self.chat_index(chat))

    def by_recipient(self, recipient: RecipientId) -> TelegramChat | None:
        return self._one(_chat.c.recipient == recipient)

    def by_recipients(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, TelegramChat]:
        query = select(_chat)
        return {
            RecipientId(row["recipient"]): self._open(row)
            for chunk in chunks(recipients)
            for row in self._db.execute(query.where(_chat.c.recipient.in_(chunk))).mappings()
        }

    def unbind(self, recipient: RecipientId) -> bool:
        return bool(self._db.execute(delete(_chat).where(_chat.c.recipient == recipient)).rowcount)

    def count(self) -> int:
        return int(self._db.execute(select(func.count()).select_from(_chat)).scalar_one())

    def _one(self, condition: Any) -> TelegramChat | None:  # noqa: ANN401 - SQLAlchemy's clause types are not nameable here
        row = self._db.execute(select(_chat).where(condition)).mappings().one_or_none()
        return self._open(row) if row else None

    def _open(self, row: RowMapping) -> TelegramChat:
        number = self._columns.open(row["chat_enc"], table="telegram_chat", column="chat", row=row["id"])
        return TelegramChat(
            id=row["id"],
            recipient=RecipientId(row["recipient"]),
            chat=ChatId(int(number)),
            language=Language(row["language"]),
            linked_at=row["linked_at"],
            nudge_on=tuple((level, NudgeOn(on)) for level, on in json.loads(row["nudge_on"]).items()),
        )
