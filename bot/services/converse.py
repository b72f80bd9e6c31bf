"""One message in, one answer out: understand, step through the table, do what it says.

1. A message is obeyed once: its event id and its place in the Megolm session are remembered in the transaction that
   first acts on it.
2. That transaction also holds a row for the answer, so that a crash in between ends with a question, not in silence.
3. A device that is not the pinned one never touches the conversation of the one that is.
4. Every message of digits is answered after one fixed delay, with the same redactions and the same rotation, whatever
   came of it. It is taken back at that moment too: an earlier one would wait for the check now and then, and tell how
   long it took.
5. What a state no longer needs is forgotten (codes, PINs, the list), also when its time is over.
6. What comes too late to be meant (:mod:`bot.domain.late`) is answered with a question, as after a crash.
7. Codes are looked at one after the other, whoever types them: a crowd that guesses holds no thread and one of the two
   places at Argon2id, and the PINs of others find the second.
8. What is said while details are open is taken back, and so is every other answer to the same word: else the one that
   stays would tell that no right PIN was typed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.conversation import (
    LIMITS,
    Action,
    Limit,
    Outcome,
    Session,
    State,
    Step,
    Tick,
    advance,
    holds,
    rest_from,
    rest_of,
    settle,
)
from bot.domain.dialogue import telegram
from bot.domain.intents import Intent, not_text, understand
from bot.domain.late import is_too_late
from bot.domain.messages import Incoming, Oddity, OpenSentence, PrivateText
from bot.domain.records import (
    AuditKind,
    OutboxKind,
    OutboxState,
    ProblemKind,
    Recipient,
    RecipientState,
    Room,
)
from bot.domain.templates import Template, Words, is_release
from bot.domain.values import Language, RoomId
from bot.domain.vocabulary import IntentKind
from bot.errors import PliError
from bot.ports import Clock
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.acts import Acts
from bot.services.deliver import Deliver
from bot.services.enrol import Enrol
from bot.services.link_telegram import LinkTelegram
from bot.services.memory import Memory, Told
from bot.services.release_details import ReleaseDetails
from bot.services.settle_sent import Release
from bot.services.tallies import Counted, tally

log = logging.getLogger("pli.converse")

PATIENCE = timedelta(minutes=10)
_LAST = (Action.SAY, Action.SAY_OPEN, Action.NOTHING)
_AFTER_A_CRASH = {
    State.READY: Template.ASK_PIN,
    State.CODE_AGAIN: Template.CODE_AGAIN,
    State.LOCKED: Template.LOCKED,
}
# What shows an appointment or a link while the window is open (rule 8); a wish in free words excepted.
_ASKED_WHILE_OPEN = frozenset(
    {
        IntentKind.SHOW,
        IntentKind.MORE,
        IntentKind.DATA,
        IntentKind.CONFIRM,
        IntentKind.CANCEL,
        IntentKind.KEEP,
        IntentKind.MOVE,
        IntentKind.NUMBER,
        IntentKind.YES,
        *telegram.ASKED,
    }
)
_ENDLESS = 12  # steps a message; the table needs four


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """``unlock`` is the window after a right PIN, ``redact_after`` in minutes, ``delay`` before every PIN's answer."""

    unlock: timedelta
    redact_after: int
    delay: timedelta
    min_digits: int


@dataclass(slots=True)
class _Begun:
    """What the first transaction found and wrote. ``at`` is the bot's own time: the homeserver's could be chosen so
    that the delay says how long the check took.
    """

    at: datetime
    room: Room
    recipient: Recipient | None
    memory: Memory
    known: bool
    step: Step
    intent: Intent
    taken_back: bool
    held: int | None = None


class Converse:
    """One instance a process; ``handle`` may run for several rooms at once, in order within one."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        *,
        keys: KeyRing,
        enrol: Enrol,
        release: ReleaseDetails,
        deliver: Deliver,
        words: Mapping[Language, Words],
        clock: Clock,
        rules: Rules,
        telegram: LinkTelegram | None = None,
    ) -> None:
        self._telegram = telegram
        self._uow, self._deliver, self._words, self._clock, self._rules = uow, deliver, words, clock, rules
        self._acts = Acts(
            uow,
            keys=keys,
            enrol=enrol,
            release=release,
            words=words,
            unlock=rules.unlock,
            min_digits=rules.min_digits,
            telegram=telegram,
        )
        self._memories: dict[RoomId, Memory] = {}
        self._locks: dict[RoomId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._codes = asyncio.Lock()

    async def handle(self, incoming: Incoming) -> None:
        """Never raises for what a message contains; a storage failure is raised: the message is handled again later."""
        async with self._locks[incoming.room]:
            if understand(incoming.text).kind is IntentKind.CODE:  # rule 7
                async with self._codes:
                    await self._obey(incoming)
            else:
                await self._obey(incoming)
        self._deliver.wake.set()

    async def _obey(self, incoming: Incoming) -> None:
        begun = await asyncio.to_thread(self._begin, incoming)
        if begun is None:
            return
        if _is_pin(begun.intent):  # rule 4: also where the check is not over by then
            left = (begun.at + self._rules.delay - self._clock.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(left, 0.0), self._deliver.wake.set)
        await asyncio.to_thread(self._finish, begun, incoming)

    async def forget(self) -> None:
        """Drop what is held past its time. To be called now and then."""
        now = self._clock.now()
        for room, memory in list(self._memories.items()):
            if not self._locks[room].locked():  # whoever is being answered keeps what the answer needs
                self._expire(memory, now)

    # -- one message, in a thread -------------------------------------------------------------------------------

    def _finish(self, begun: _Begun, incoming: Incoming) -> None:
        try:
            told = self._run(begun, incoming)
        except PliError as error:
            log.error("a message was not answered as it should", extra={"error": type(error).__name__})  # noqa: TRY400 - a traceback could quote what was typed
            told = Told(step=advance(begun.step.session, Outcome.TROUBLE))
            with self._uow() as uow:
                uow.problems.add(
                    ProblemKind.TROUBLE,
                    self._clock.now(),
                    begun.recipient.id if begun.recipient else None,
                )
                uow.commit()
        self._answer(begun, told)

    def _begin(self, incoming: Incoming) -> _Begun | None:
        now = self._clock.now()
        keys = [_digest(incoming.event)]
        if incoming.replay_key is not None:
            keys.append(incoming.replay_key)
        with self._uow() as uow:
            room = uow.rooms.by_room(incoming.room)
            if room is None or room.user != incoming.user:
                return None
            if not uow.seen.add(keys, now):
                uow.commit()  # whichever of the two was new is known from now on as well
                return None  # rule 1
            recipient = uow.recipients.get(room.recipient) if room.recipient else None
            if incoming.oddity in (Oddity.UNENCRYPTED, Oddity.UNDECRYPTABLE) or incoming.device is None:
                self._odd(uow, incoming, room, now)
                uow.commit()
                return None
            intent = not_text() if incoming.oddity is Oddity.NOT_TEXT else understand(incoming.text)
            if self._telegram is None:
                intent = telegram.without(intent)
            known = bool(recipient and recipient.pin and recipient.pin.knows(incoming.device))
            memory = self._memory(room, recipient, known=known)
            self._expire(memory, now)
            step = advance(memory.session, intent)
            if step.redact:
                self._redact(uow, incoming, room, now + self._rules.delay if _is_pin(intent) else now)
            question = _AFTER_A_CRASH.get(rest_of(memory.session.state)) if known else None
            if question and is_too_late(intent, memory.session.state, now - incoming.at):  # rule 6
                log.warning("a message came too late to be obeyed")
                rest = Session(language=memory.session.language, state=rest_of(memory.session.state))
                step = Step(session=rest, action=Action.SAY, templates=(question,))
            if incoming.oddity is Oddity.EDIT:
                step = replace(step, session=memory.session, action=Action.NOTHING)
            begun = _Begun(
                at=now,
                room=room,
                recipient=recipient,
                memory=memory,
                known=known,
                step=step,
                intent=intent,
                taken_back=_is_pin(intent)
                or (known and _has_pin(recipient) and intent.kind in _ASKED_WHILE_OPEN),
            )
            if step.action is not Action.NOTHING:
                fallback = _AFTER_A_CRASH.get(rest_of(step.session.state)) if known else None
                begun.held = uow.outbox.add(
                    kind=OutboxKind.REPLY if fallback else OutboxKind.OPEN,
                    state=OutboxState.HELD,
                    due=now,
                    room=room.id,
                    # a second code may remove the old recipient, and with it every row that is its own
                    recipient=None if step.action is Action.REDEEM_CODE else room.recipient,
                    template=fallback.value if fallback else OpenSentence.HELLO.value,
                    redact_after=self._rules.redact_after if begun.taken_back else 0,
                    rotate=_is_pin(intent),
                )
            uow.commit()
        return begun

    def _odd(self, uow: UnitOfWork, incoming: Incoming, room: Room, now: datetime) -> None:
        """Not encrypted, or from nobody known: nothing of it is acted on."""
        if incoming.oddity is Oddity.UNENCRYPTED:
            self._redact(uow, incoming, room, now)
            sentence = OpenSentence.UNENCRYPTED
        elif incoming.oddity is Oddity.UNDECRYPTABLE:
            late = understand(incoming.text)  # there are words only where they came out of their order
            if late.may_hold_secret or _is_pin(late):
                self._redact(uow, incoming, room, now)
            sentence = OpenSentence.UNREADABLE
        else:
            self._redact(uow, incoming, room, now)
            sentence = OpenSentence.UNKNOWN_DEVICE
        uow.outbox.add(
            kind=OutboxKind.OPEN, due=now, room=room.id, recipient=room.recipient, template=sentence.value
        )

    @staticmethod
    def _redact(uow: UnitOfWork, incoming: Incoming, room: Room, due: datetime) -> None:
        uow.outbox.add(kind=OutboxKind.REDACT, due=due, room=room.id, event=incoming.event)

    def _memory(self, room: Room, recipient: Recipient | None, *, known: bool) -> Memory:
        language = recipient.language if recipient else room.language
        pinned = recipient is not None and recipient.pin is not None
        rest = rest_from(recipient.state if recipient else None, pinned=pinned, known_device=known)
        if pinned and not known:
            return Memory(session=Session(language=language, state=rest))  # rule 3
        memory = self._memories.setdefault(room.room, Memory(session=Session(language=language, state=rest)))
        memory.session = replace(settle(memory.session, rest), language=language)
        memory.keep_only(holds(memory.session.state))
        return memory

    def _expire(self, memory: Memory, now: datetime) -> None:
        limit = LIMITS.get(memory.session.state)
        ends = {
            Limit.CODE: memory.code_at + PATIENCE if memory.code_at else None,
            Limit.WINDOW: memory.window.until if memory.window else None,
            Limit.QUESTION: memory.asked_at + PATIENCE if memory.asked_at else None,
        }
        end = ends[limit] if limit is not None else None
        if end is not None and memory.old_pin_at is not None:
            end = min(
                end, memory.old_pin_at + PATIENCE
            )  # small talk does not keep a PIN in memory for longer
        if limit is not None and (end is None or end <= now):
            memory.session = advance(memory.session, Tick.TIME_UP).session
        memory.keep_only(holds(memory.session.state))

    def _run(self, begun: _Begun, incoming: Incoming) -> Told:
        step, told = begun.step, Told(step=begun.step)
        for _ in range(_ENDLESS):
            if step.action in _LAST:
                break
            result = self._acts.do(
                step,
                begun.intent,
                memory=begun.memory,
                room=begun.room,
                device=incoming.device,
                now=self._clock.now(),
            )
            told.values |= result.values
            told.chosen = result.chosen or told.chosen
            step = advance(step.session, result.outcome)
        told.step = step
        return told

    # -- the answer ---------------------------------------------------------------------------------------------

    def _answer(self, begun: _Begun, told: Told) -> None:
        now = self._clock.now()
        step, memory = told.step, begun.memory
        memory.session = step.session
        memory.asked_at = now
        memory.keep_only(holds(step.session.state))
        if step.session.state is not State.UNKNOWN_DEVICE:
            self._memories[begun.room.room] = memory
        due = max(now, begun.at + self._rules.delay) if _is_pin(begun.intent) else now
        with self._uow() as uow:
            if begun.held is None:
                return
            if step.action is Action.NOTHING:
                uow.outbox.settle(begun.held, OutboxState.DROPPED, now=now)
            elif step.action is Action.SAY_OPEN and step.sentence is not None:
                self._write(uow, begun, OutboxKind.OPEN, step.sentence.value, due=due)
            elif any(is_release(t) for t in step.templates):
                text = self._render(
                    step, told, memory, gone=due + timedelta(minutes=self._rules.redact_after)
                )
                self._write(uow, begun, OutboxKind.RELEASE, "", due=due, redact=True)
                self._hold(uow, begun, told, text, now)
            else:
                said = step.templates if self._telegram is None else telegram.with_help(step.templates)
                names = ",".join(t.value for t in said)
                self._write(uow, begun, OutboxKind.REPLY, names, due=due, params=told.values)
            uow.commit()

    def _hold(self, uow: UnitOfWork, begun: _Begun, told: Told, text: PrivateText, now: datetime) -> None:
        """Audited before it leaves: a crash may log a release that never arrived, and never hides one that did."""
        window = begun.memory.window
        if begun.held is None or begun.recipient is None or window is None:
            return
        shown = window.page() if Template.LIST in told.step.templates else [c for c in (told.chosen,) if c]
        uow.recipients.note_seen(begun.recipient.id, now)
        uow.recipients.switch_on(begun.recipient.id)
        if Template.TELEGRAM_LINK in told.step.templates:
            pass  # audited where it was made
        elif Template.DATA in told.step.templates:
            uow.audit.add(AuditKind.DATA_SHOWN, now, begun.recipient.id, count=window.data_page + 1)
        else:
            uow.audit.add(AuditKind.RELEASED, now, begun.recipient.id, count=len(shown))
            if not window.counted:
                tally(uow, Counted.OPENED, now)
                window.counted = True
        release = Release(
            text=text,
            until=window.until,
            recipient=begun.recipient.id,
            told=tuple((item.row.id, item.row.change) for item in shown),
        )
        self._deliver.hold(begun.held, release)

    def _write(
        self,
        uow: UnitOfWork,
        begun: _Begun,
        kind: OutboxKind,
        template: str,
        *,
        due: datetime,
        params: Mapping[str, int | str] | None = None,
        redact: bool = False,
    ) -> None:
        if begun.held is None:
            return
        back = begun.taken_back and template != Template.LEFT.value  # how to come back is kept
        uow.outbox.rewrite(
            begun.held,
            kind=kind,
            state=OutboxState.QUEUED,
            due=due,
            template=template,
            params=params or {},
            redact_after=self._rules.redact_after if redact or back else 0,
        )

    def _render(self, step: Step, told: Told, memory: Memory, *, gone: datetime) -> PrivateText:
        """``gone``: when the message is taken back, which is not when the window closes."""
        words = self._words[step.session.language]
        window = memory.window
        several = window.several if window else False
        if Template.LIST in step.templates and window is not None:
            page = [i.listed() for i in window.page()]
            text = words.list(page, several_patients=several, until=gone, more=window.more)
            return PrivateText(text=text)
        if Template.DATA in step.templates and window is not None:
            return PrivateText(text=words.data_page(window.data, window.data_page, until=gone))
        if Template.LIST_EMPTY in step.templates and window is not None:
            return PrivateText(text=words.list([], several_patients=several, until=gone, more=False))
        values = dict(told.values)
        if told.chosen is not None:
            values["appointment"] = words.one(told.chosen.detail, several_patients=several)
        return PrivateText(text=words.text(*step.templates, **values))


def _has_pin(recipient: Recipient | None) -> bool:
    return recipient is not None and recipient.state in (RecipientState.ENROLLED, RecipientState.LOCKED)


def _is_pin(intent: Intent) -> bool:
    """Rule 4: decided by what was typed alone, before anything is checked."""
    return intent.kind in (IntentKind.DIGITS, IntentKind.DIGITS_ODD)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
