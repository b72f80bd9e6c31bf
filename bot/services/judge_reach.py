"""Who can be reached by a nudge, and who has to be telephoned, and why. Read in the caller's unit of work.

A recipient's channel is dead where there is no room, where they left it, where it was switched off, or where a message
was refused, doubted or lost since they were last heard of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from bot.domain.records import ProblemKind, Recipient, RecipientState, Room, Signs
from bot.domain.values import PatientId, RecipientId
from bot.ports_storage import UnitOfWork

_DEAD = (ProblemKind.SEND_FAILED, ProblemKind.NOT_TRUSTED, ProblemKind.ROOM_LEFT, ProblemKind.UNKNOWN_SEND)


class Why(StrEnum):
    """Why somebody has to telephone; the first that holds, of the recipient who comes nearest to being reached."""

    NOBODY = "nobody"
    NOTHING_TO_READ = "nothing_to_read"
    DEAD = "dead"
    PAUSED = "paused"
    STOPPED = "stopped"
    TOO_LATE = "too_late"
    SILENT = "silent"


_NEARNESS = tuple(Why)


class JudgeReach:
    """For all of ``patients``, read at once."""

    def __init__(self, uow: UnitOfWork, patients: Iterable[PatientId]) -> None:
        self._told = uow.patients.recipients_of_many(patients)
        everybody = [r for many in self._told.values() for r in many]
        self._recipients: Mapping[RecipientId, Recipient] = uow.recipients.many(everybody)
        self._rooms: Mapping[RecipientId, Room] = uow.rooms.by_recipients(everybody)
        self.signs: Mapping[RecipientId, Signs] = uow.recipients.signs(everybody)
        self._dead = {r for r, known in self.signs.items() if known.off_since is not None}
        for problem in uow.problems.all():
            if problem.recipient is None or problem.kind not in _DEAD:
                continue
            signs = self.signs.get(problem.recipient)
            if signs is not None and (signs.seen_at is None or signs.seen_at < problem.at):
                self._dead.add(problem.recipient)

    def enrolled(self, patient: PatientId) -> list[Recipient]:
        told = (self._recipients.get(r) for r in self._told.get(patient, ()))
        return [r for r in told if r is not None and r.state is RecipientState.ENROLLED]

    def why_not(self, patient: PatientId, can_read: Iterable[RecipientId], *, news: bool) -> Why | None:
        """None where somebody is reached; ``can_read``: who has an envelope; ``news``: of a cancellation or a move."""
        readers = set(can_read)
        found: list[Why] = []
        for recipient in self.enrolled(patient):
            why = self._why(recipient, readers, news=news)
            if why is None:
                return None
            found.append(why)
        return max(found, key=_NEARNESS.index, default=Why.NOBODY)

    def _why(self, recipient: Recipient, readers: set[RecipientId], *, news: bool) -> Why | None:
        if recipient.id not in readers:
            return Why.NOTHING_TO_READ
        room = self._rooms.get(recipient.id)
        if room is None or room.left or recipient.id in self._dead:
            return Why.DEAD
        if self.signs[recipient.id].paused:
            return Why.PAUSED
        if not (recipient.changes_on if news else recipient.reminders_on):
            return Why.STOPPED
        return None
