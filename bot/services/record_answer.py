"""What patients answer: recorded sealed to the practice, read and closed by the practice.

1. A sealed answer is not signed, so that whoever writes to the database can seal one. What is read is of exactly the
   form that is written here; anything else is shown as unreadable, controls no terminal and hides no other answer.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.appointment import Detail
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    AuditKind,
    Recipient,
    StoredAnswer,
    StoredAppointment,
)
from bot.domain.values import Secret, new_id
from bot.errors import InvalidSeal, Refused
from bot.ports_keys import AnswerOpener, KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.tallies import Counted, tally

_COUNTED = {
    AnswerKind.CONFIRMED: Counted.CONFIRMED,
    AnswerKind.CANCELLED: Counted.CANCELLED,
    AnswerKind.MOVE: Counted.MOVE,
}
_CONTENT = {"source", "patient", "at", "with", "text"}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Answer:
    """One answer, opened. ``source`` is the agenda's own identity; ``at`` ISO 8601 with offset; ``with_`` the
    practitioner; ``received`` when it was given; ``readable`` is False where the box does not open.
    """

    id: str
    state: AnswerState
    answer: AnswerKind
    received: datetime
    source: str = ""
    patient: str = ""
    at: str = ""
    with_: str = ""
    text: str = ""
    readable: bool = field(default=True)


def record_answer(
    uow: UnitOfWork,
    keys: KeyRing,
    *,
    recipient: Recipient,
    row: StoredAppointment,
    detail: Detail,
    kind: AnswerKind,
    wish: Secret | None,
    zone_time: str,
    now: datetime,
) -> str:
    """Void the earlier answer of this recipient, store the new one sealed; its id. The caller commits.

    ``zone_time`` is the start as ISO 8601 in the practice's zone.
    """
    for earlier in uow.answers.of(row.id, recipient.id):
        if earlier.state is AnswerState.OPEN:
            uow.answers.set_state(earlier.id, AnswerState.VOID)
    answer = new_id("w")
    content = {
        "source": _plain(detail.source),
        "patient": _plain(detail.patient),
        "at": zone_time,
        "with": _plain(detail.practitioner),
        "text": _plain(wish.reveal()) if wish is not None else "",
    }
    blob = keys.seal_answer(answer, recipient.id, json.dumps(content, ensure_ascii=False).encode())
    uow.answers.add(
        StoredAnswer(
            id=answer,
            appointment=row.id,
            recipient=recipient.id,
            time_revision=row.time_revision,
            kind=kind,
            state=AnswerState.OPEN,
            at=now,
            blob=blob,
        )
    )
    uow.audit.add(AuditKind.ANSWERED, now, recipient.id)
    tally(uow, _COUNTED[kind], now)
    return answer


def _plain(text: str) -> str:
    """Without control characters but line ends: it is read in a terminal."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf"))


def read_content(data: bytes) -> Mapping[str, str]:
    """What :func:`record_answer` sealed, rule 1. Raises ``ValueError`` for anything else."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict) or set(found) != _CONTENT:
        raise ValueError("not the content of an answer")
    if not all(isinstance(text, str) and _plain(text) == text and _has_utf8(text) for text in found.values()):
        raise ValueError("not the content of an answer")
    if found["at"]:
        datetime.fromisoformat(found["at"])
    return found


def _has_utf8(text: str) -> bool:
    return not any(unicodedata.category(c) == "Cs" for c in text)


def withdraw_answer(uow: UnitOfWork, *, recipient: Recipient, row: StoredAppointment, now: datetime) -> bool:
    """The patient keeps the appointment after all: void what is open. The caller commits."""
    found = [a for a in uow.answers.of(row.id, recipient.id) if a.state is AnswerState.OPEN]
    for answer in found:
        uow.answers.set_state(answer.id, AnswerState.VOID)
    if found:
        uow.audit.add(AuditKind.ANSWERED, now, recipient.id)
    return bool(found)


def open_stored(opener: AnswerOpener, stored: StoredAnswer) -> Answer:
    """One box that does not open never hides the others: it is told as unreadable."""
    base = Answer(id=stored.id, state=stored.state, answer=stored.kind, received=stored.at)
    try:
        content = read_content(opener.open_answer(stored))
    except (InvalidSeal, ValueError):
        return replace(base, readable=False)
    return replace(
        base,
        source=content["source"],
        patient=content["patient"],
        at=content["at"],
        with_=content["with"],
        text=content["text"],
    )


class ReadAnswers:
    """For the practice."""

    def __init__(self, uow: UnitOfWorkFactory, opener: AnswerOpener) -> None:
        self._uow, self._opener = uow, opener

    def __call__(
        self, *, now: datetime, since: datetime | None = None, everything: bool = False
    ) -> Sequence[Answer]:
        """Those that are open, oldest first; with ``everything`` also those that are done or void. Audited."""
        states = tuple(AnswerState) if everything else (AnswerState.OPEN,)
        with self._uow() as uow:
            stored = uow.answers.listing(since=since, states=states)
            uow.audit.add(AuditKind.ANSWERS_READ, now, count=len(stored))
            uow.commit()
        return [open_stored(self._opener, answer) for answer in stored]

    def done(self, answer: str, *, now: datetime) -> None:
        """The secretary has dealt with it. Raises :class:`Refused`."""
        with self._uow() as uow:
            stored = uow.answers.get(answer)
            if stored is None:
                raise Refused("no answer with this id", mend="see: pli answers")
            if stored.state is AnswerState.VOID:
                raise Refused("this answer no longer holds: the patient or the agenda changed it since")
            uow.answers.set_state(answer, AnswerState.DONE)
            uow.audit.add(AuditKind.ANSWER_DONE, now, stored.recipient)
            uow.commit()
