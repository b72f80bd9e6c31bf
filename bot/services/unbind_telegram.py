"""Undo what binds a chat of Telegram to a recipient, and tell the room. The caller commits."""

from __future__ import annotations

from datetime import datetime

from bot.domain.records import AuditKind, OutboxKind
from bot.domain.templates import Template
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork


def unbind_telegram(
    uow: UnitOfWork, recipient: RecipientId, now: datetime, *, tell: Template | None = None
) -> bool:
    """Links that were handed out bind nothing any more either. False where no chat was bound: then nothing is told."""
    uow.telegram.spend_links(recipient)
    if not uow.telegram.unbind(recipient):
        return False
    uow.audit.add(AuditKind.TELEGRAM_UNLINKED, now, recipient)
    if tell is not None:
        tell_room(uow, recipient, tell, now)
    return True


def tell_room(uow: UnitOfWork, recipient: RecipientId, template: Template, now: datetime) -> None:
    """A private text without values in the recipient's room, if there is one; it leaves after a crash as well."""
    room = uow.rooms.by_recipient(recipient)
    if room is not None and not room.left:
        uow.outbox.add(
            kind=OutboxKind.REPLY, due=now, room=room.id, recipient=recipient, template=template.value
        )
