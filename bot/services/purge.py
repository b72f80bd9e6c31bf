"""Forget what is no longer needed. Run now and then by the bot.

1. What was settled is deleted after two days: long enough to see what happened, and no list of who was told when.
2. Appointments, with their envelopes, reminders and answers that are done or void, go a week after they are past.
3. Who left is deleted with all that hangs on it, once its room is closed (:mod:`bot.services.open_rooms` 4), or is
   somebody else's, and the practice has dealt with its answers.
4. Wrong codes are forgotten after a day without another.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.records import AnswerState, RecipientState
from bot.ports_storage import KeyRing, UnitOfWorkFactory

SETTLED = timedelta(days=2)
SEEN = timedelta(days=60)
WRONG_CODES = timedelta(days=1)  # longer than any wait
PAST = timedelta(days=7)


class Purge:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing) -> None:
        self._uow, self._keys = uow, keys

    def __call__(self, now: datetime) -> int:
        """How many rows went."""
        with self._uow() as uow:
            gone = uow.outbox.purge(now - SETTLED) + uow.seen.purge(now - SEEN)
            gone += uow.guesses.purge(now - WRONG_CODES)
            for row in uow.appointments.past(now - PAST):
                if all(a.state is not AnswerState.OPEN for a in uow.answers.of(row.id)):
                    uow.appointments.remove(row.id)
                    gone += 1
            left = [r.id for r in uow.recipients.all() if r.state is RecipientState.LEFT]
            uow.commit()
        for recipient in left:
            self._keys.destroy(recipient)  # again, if a crash came between the two stores
            with self._uow() as uow:
                if uow.rooms.by_recipient(recipient) is not None or uow.answers.has_open(recipient):
                    continue
                uow.recipients.remove(recipient)
                uow.commit()
            gone += 1
        return gone
