"""What is written after a copy of a nudge was tried on Telegram, or can be tried no more. The caller commits.

1. Telegram takes no transaction id: a copy that may have left is never sent again. It is "unknown", with one line for
   the staff; nobody misses a decoy.
2. Where the copy was the whole nudge and did not leave, the nudge goes to Matrix: when its chat is gone, or Telegram is
   switched off. When it is of no use any more it is dropped with its copy, and reported where somebody missed it.
3. A chat that is closed to the bot is unbound, and the patient told in the encrypted room.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.records import DECOY, OutboxKind, OutboxRow, OutboxState, ProblemKind
from bot.domain.telegram import ChatId
from bot.domain.templates import Template
from bot.errors import ChannelError, PliError
from bot.ports_storage import UnitOfWork
from bot.services.copy_nudges import is_alone
from bot.services.settle_sent import put_off
from bot.services.tallies import Counted, tally
from bot.services.unbind_telegram import unbind_telegram


def settle_copy(uow: UnitOfWork, copy: OutboxRow, error: PliError | None, now: datetime) -> None:
    """After a try: sent, unknown, or to be tried again."""
    if error is None:
        uow.outbox.sent({copy.id: None}, now=now)
        tally(uow, Counted.NUDGED, now, int(is_alone(copy)))
    elif not isinstance(error, ChannelError) or error.unsure:
        unknown_copy(uow, copy, now)
    else:
        put_off(uow, copy, error, now)


def unknown_copy(uow: UnitOfWork, copy: OutboxRow, now: datetime) -> None:
    """Rule 1."""
    uow.outbox.settle(copy.id, OutboxState.UNKNOWN, now=now)
    if copy.template != DECOY:
        # One that stood beside Matrix' leaves nobody to be telephoned: what became of that one is told on its own.
        kind = ProblemKind.UNKNOWN_SEND if is_alone(copy) else ProblemKind.UNKNOWN_COPY
        uow.problems.add(kind, now, copy.recipient)
        tally(uow, Counted.UNREACHED, now, int(is_alone(copy)))


def drop_copy(uow: UnitOfWork, copy: OutboxRow, problem: ProblemKind | None, now: datetime) -> None:
    """Rule 2: ``problem`` is why somebody misses it, if somebody does."""
    uow.outbox.settle(copy.id, OutboxState.DROPPED, now=now)
    if not is_alone(copy) or copy.copy_of is None:
        return  # the one on Matrix tells of itself
    _take_back(uow, copy)
    uow.outbox.settle(copy.copy_of, OutboxState.DROPPED, now=now)
    if problem is not None:
        uow.problems.add(problem, now, copy.recipient)
        tally(uow, Counted.UNREACHED, now)


def to_matrix(uow: UnitOfWork, copy: OutboxRow, now: datetime, *, state: OutboxState) -> None:
    """Rule 2: ``copy`` ends as ``state``, and its nudge is judged and leaves anew, if this was all of it."""
    uow.outbox.settle(copy.id, state, now=now)
    if is_alone(copy) and copy.copy_of is not None:
        _take_back(uow, copy)
        uow.outbox.requeue(copy.copy_of, now)


def _take_back(uow: UnitOfWork, copy: OutboxRow) -> None:
    """It was noted as the recipient's last nudge, and was none."""
    if copy.recipient is None or copy.copy_of is None:
        return
    signs = uow.recipients.signs([copy.recipient]).get(copy.recipient)
    if signs is not None and signs.nudged_at == uow.outbox.settled_at(copy.copy_of):
        uow.recipients.note_nudged([copy.recipient], None)


def close_chat(uow: UnitOfWork, copy: OutboxRow, chat: ChatId, now: datetime) -> None:
    """Rule 3: ``copy`` was refused for good by ``chat``. Where another one was bound meanwhile, that one is tried."""
    bound = uow.telegram.by_recipient(copy.recipient) if copy.recipient is not None else None
    if bound is not None and bound.chat != chat:
        uow.outbox.postpone(copy.id, due=now)
        return
    if copy.recipient is not None:
        unbind_telegram(uow, copy.recipient, now, tell=Template.TELEGRAM_BLOCKED)
    to_matrix(uow, copy, now, state=OutboxState.FAILED)


def recover_copies(uow: UnitOfWork, now: datetime) -> int:
    """Rule 1, of what a process that died had marked; how many."""
    marked = uow.outbox.marked_copies()
    for copy in marked:
        unknown_copy(uow, copy, now)
    return len(marked)


def give_up_waiting(uow: UnitOfWork, now: datetime) -> int:
    """Rule 2, where Telegram refuses the bot; how many."""
    waiting = uow.outbox.waiting(OutboxKind.TELEGRAM)
    for copy in waiting:
        to_matrix(uow, copy, now, state=OutboxState.DROPPED)
    return len(waiting)


def give_up_copies(uow: UnitOfWork, now: datetime) -> int:
    """Rules 1 and 2, where Telegram was switched off; how many."""
    return recover_copies(uow, now) + give_up_waiting(uow, now)
