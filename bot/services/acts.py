"""What the table's actions do. Each gives one outcome back; see :mod:`bot.domain.conversation`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

from bot.domain.conversation import Action, Outcome, Step
from bot.domain.dialogue.times import wish
from bot.domain.intents import Intent
from bot.domain.pin import PinFault, judge_pin
from bot.domain.records import AuditKind, Recipient, Room
from bot.domain.templates import Words
from bot.domain.trust import Device
from bot.domain.values import Language, RecipientId, Secret
from bot.errors import InvalidSeal, KeyDestroyed, MustWait, StaleGeneration, WrongSecret
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWorkFactory
from bot.services.collect_data import CollectData
from bot.services.enrol import Enrol
from bot.services.link_telegram import LinkTelegram
from bot.services.memory import Memory
from bot.services.redeem_code import RedeemCode
from bot.services.release_details import Opened, ReleaseDetails, Window

TRIES = 10
NAMED_FROM = 5  # from this wrong PIN on, the tries left are named


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Result:
    outcome: Outcome
    values: dict[str, int | str] = field(default_factory=dict)
    chosen: Opened | None = None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Call:
    """Everything an action may look at."""

    step: Step
    intent: Intent
    memory: Memory
    room: Room
    device: Device | None
    now: datetime


class Acts:
    """See the module. Raises only :class:`bot.errors.StorageError` and defects."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        *,
        keys: KeyRing,
        enrol: Enrol,
        release: ReleaseDetails,
        words: Mapping[Language, Words],
        unlock: timedelta,
        min_digits: int,
        telegram: LinkTelegram | None = None,
    ) -> None:
        self._uow, self._keys, self._enrol, self.release = uow, keys, enrol, release
        self._telegram = telegram
        self._redeem_code = RedeemCode(uow, keys)
        self._collect_data, self._words = CollectData(uow), words
        self._unlock, self._min_digits = unlock, min_digits
        self._table: dict[Action, Callable[[_Call], Result]] = {
            Action.REDEEM_CODE: self._redeem,
            Action.RECORD_CONSENT: self._consent,
            Action.JUDGE_PIN: self._judge,
            Action.SET_PIN: self._set_pin,
            Action.CHANGE_PIN: self._change_pin,
            Action.CHECK_PIN: self._check_pin,
            Action.CHECK_OLD_PIN: self._check_old_pin,
            Action.LIST: self._list,
            Action.LIST_MORE: self._more,
            Action.SHOW_DATA: self._show_data,
            Action.MORE_DATA: self._more_data,
            Action.FIND: self._find,
            Action.ACT: self._act,
            Action.ACT_AGREED: self._act,
            Action.SET_LANGUAGE: self._language,
            Action.SET_TIMES: self._times,
            Action.TELEGRAM: self._ask_telegram,
            Action.TELEGRAM_OFF: self._leave_telegram,
            Action.PAUSE: self._pause,
            Action.START: self._start,
            Action.LEAVE: self._leave,
        }

    def do(
        self, step: Step, intent: Intent, *, memory: Memory, room: Room, device: Device | None, now: datetime
    ) -> Result:
        call = _Call(step=step, intent=intent, memory=memory, room=room, device=device, now=now)
        return self._table[step.action](call)

    # -- becoming a recipient -----------------------------------------------------------------------------------

    def _redeem(self, call: _Call) -> Result:
        if call.intent.code is None or call.device is None:
            return Result(outcome=Outcome.CODE_WRONG)
        redeemed = self._redeem_code(call.intent.code, call.room, call.device, call.now)
        if redeemed.outcome is Outcome.CODE_GONE:
            return Result(outcome=Outcome.CODE_WRONG)  # to a stranger, expired and unknown are one
        if redeemed.recipient is not None:
            call.memory.code, call.memory.code_at = call.intent.code.secret, call.now
            call.memory.enrolling = redeemed.recipient
        return Result(outcome=redeemed.outcome)

    def _consent(self, call: _Call) -> Result:
        recipient = self._recipient(call)
        if recipient is None:
            return Result(outcome=Outcome.TROUBLE)
        return Result(outcome=self._enrol.consent(recipient.id, call.now))

    def _judge(self, call: _Call) -> Result:
        digits = call.intent.digits
        if digits is None:
            return Result(outcome=Outcome.PIN_LENGTH)
        fault = judge_pin(digits, self._min_digits)
        if fault in (PinFault.TOO_SHORT, PinFault.TOO_LONG):
            return Result(outcome=Outcome.PIN_LENGTH)
        if fault is not None:
            return Result(outcome=Outcome.PIN_EASY)
        call.memory.new_pin = digits
        return Result(outcome=Outcome.PIN_CHOSEN)

    def _set_pin(self, call: _Call) -> Result:
        if call.memory.code is None:
            return Result(outcome=Outcome.CODE_GONE)
        result = self._change(call, call.memory.code)
        # A code that opens nothing any more is one that is gone, whatever the vault says of it.
        known = (Outcome.PIN_SET, Outcome.PIN_DIFFERS, Outcome.TROUBLE)
        return result if result.outcome in known else Result(outcome=Outcome.CODE_GONE)

    def _change_pin(self, call: _Call) -> Result:
        if call.memory.old_pin is None:
            return Result(outcome=Outcome.TROUBLE)
        return self._change(call, call.memory.old_pin)

    def _change(self, call: _Call, secret: Secret) -> Result:
        recipient, chosen, repeated = self._recipient(call), call.memory.new_pin, call.intent.digits
        if recipient is None or chosen is None or repeated is None:
            return Result(outcome=Outcome.TROUBLE)
        if chosen.reveal() != repeated.reveal():
            return Result(outcome=Outcome.PIN_DIFFERS)
        done: list[Outcome] = []
        guarded = self._guarded(
            call,
            recipient,
            lambda: done.append(self._enrol.set_pin(recipient.id, secret, chosen, call.now)),
        )
        return guarded or Result(outcome=done[0])

    # -- the PIN ------------------------------------------------------------------------------------------------

    def _check_pin(self, call: _Call) -> Result:
        recipient, pin = self._recipient(call), call.intent.digits
        if recipient is None or pin is None:
            return Result(outcome=Outcome.TROUBLE)

        def unlock() -> None:
            private = self._keys.unlock(recipient, pin)
            window = self.release.open(recipient, private, now=call.now, until=call.now + self._unlock)
            window.before = call.memory.before
            call.memory.window = window

        return self._guarded(call, recipient, unlock) or Result(outcome=Outcome.PIN_RIGHT)

    def _check_old_pin(self, call: _Call) -> Result:
        recipient, pin = self._recipient(call), call.intent.digits
        if recipient is None or pin is None:
            return Result(outcome=Outcome.TROUBLE)
        guarded = self._guarded(call, recipient, lambda: self._keys.unlock(recipient, pin))
        if guarded is None:
            call.memory.old_pin, call.memory.old_pin_at = pin, call.now
        return guarded or Result(outcome=Outcome.PIN_RIGHT)

    def _guarded(self, call: _Call, recipient: Recipient, act: Callable[[], object]) -> Result | None:
        """None where ``act`` went through, else what to say of the PIN."""
        try:
            act()
        except WrongSecret as wrong:
            self._audit(AuditKind.PIN_WRONG, recipient.id, call.now)
            return _wrong(wrong)
        except MustWait as early:
            return Result(outcome=Outcome.PIN_WAIT, values={"wait": max(1, ceil(early.wait_seconds))})
        except KeyDestroyed:
            self._enrol.lock(recipient.id, call.now)
            return Result(outcome=Outcome.PIN_DESTROYED)
        except (StaleGeneration, InvalidSeal):
            self._enrol.report_stores(recipient.id, call.now)
            return Result(outcome=Outcome.PIN_STALE)
        return None

    def _audit(self, kind: AuditKind, recipient: RecipientId, now: datetime) -> None:
        with self._uow() as uow:
            uow.audit.add(kind, now, recipient)
            uow.commit()

    # -- in the window ------------------------------------------------------------------------------------------

    def _list(self, call: _Call) -> Result:
        window = self._window(call)
        if window is None:
            return Result(outcome=Outcome.STALE)
        window.shown = window.first = 0
        return Result(outcome=Outcome.LISTED if window.turn() else Outcome.LISTED_NOTHING)

    def _window(self, call: _Call) -> Window | None:
        """What is open, unless the agenda changed since: then the PIN opens it afresh."""
        window, recipient = call.memory.window, self._recipient(call)
        if window is None or recipient is None:
            return None
        return window if self.release.refresh(recipient.id, window, call.now) else None

    def _more(self, call: _Call) -> Result:
        window = self._window(call)
        if window is None:
            return Result(outcome=Outcome.STALE)
        if window.turn():
            return Result(outcome=Outcome.LISTED)
        return Result(outcome=Outcome.NO_MORE if window.items else Outcome.LISTED_NOTHING)

    def _show_data(self, call: _Call) -> Result:
        window, recipient = self._window(call), self._recipient(call)
        if window is None or recipient is None:
            return Result(outcome=Outcome.STALE)
        held = self._collect_data(recipient, call.room, window, call.now)
        window.data, window.data_page = self._words[recipient.language].data(held), 0
        return Result(outcome=Outcome.DATA_SHOWN)

    def _more_data(self, call: _Call) -> Result:
        window = call.memory.window
        if window is None:
            return Result(outcome=Outcome.TROUBLE)
        if window.data_page + 1 >= len(window.data):
            return Result(outcome=Outcome.DATA_END)
        window.data_page += 1
        return Result(outcome=Outcome.DATA_SHOWN)

    def _find(self, call: _Call) -> Result:
        window, command = call.memory.window, call.step.session.pending
        if window is None or command is None:
            return Result(outcome=Outcome.STALE)
        outcome, chosen = self.release.find(window, command)
        if outcome is Outcome.LISTED:
            window.turn()
        values: dict[str, int | str] = {}
        if outcome is Outcome.WHICH:
            values["count"] = len(window.items)
        return Result(outcome=outcome, chosen=chosen, values=values)

    def _act(self, call: _Call) -> Result:
        found = self._find(call)
        recipient, command = self._recipient(call), call.step.session.pending
        if found.outcome is not Outcome.FOUND or found.chosen is None or recipient is None or command is None:
            return found
        outcome = self.release.act(recipient, found.chosen, command, call.now)
        return Result(outcome=outcome, chosen=found.chosen)

    # -- settings -----------------------------------------------------------------------------------------------

    def _language(self, call: _Call) -> Result:
        language = call.intent.language
        if language is None:
            return Result(outcome=Outcome.TROUBLE)
        with self._uow() as uow:
            room = uow.rooms.get(call.room.id)
            if room is not None:
                uow.rooms.save(replace(room, language=language))
            recipient = uow.recipients.get(room.recipient) if room and room.recipient else None
            if recipient is not None:
                uow.recipients.save(replace(recipient, language=language))
                uow.audit.add(AuditKind.LANGUAGE_SET, call.now, recipient.id)
            uow.commit()
        return Result(outcome=Outcome.LANGUAGE_SET)

    def _times(self, call: _Call) -> Result:
        recipient = self._recipient(call)
        if recipient is None:
            return Result(outcome=Outcome.TROUBLE)
        wishes = wish(recipient.wishes, call.intent)
        return Result(outcome=self._enrol.choose_times(recipient.id, wishes, call.now))

    def _ask_telegram(self, call: _Call) -> Result:
        recipient, command = self._recipient(call), call.step.session.pending
        if recipient is None or command is None or self._telegram is None:
            return Result(outcome=Outcome.TROUBLE)
        answered = self._telegram(recipient.id, command.kind, call.now)
        return Result(outcome=answered.outcome, values={"link": answered.link} if answered.link else {})

    def _leave_telegram(self, call: _Call) -> Result:
        recipient = self._recipient(call)
        if recipient is None or self._telegram is None:
            return Result(outcome=Outcome.TROUBLE)
        return Result(outcome=self._telegram.off(recipient.id, call.now))

    def _pause(self, call: _Call) -> Result:
        return self._reminders(call, on=False)

    def _start(self, call: _Call) -> Result:
        return self._reminders(call, on=True)

    def _reminders(self, call: _Call, *, on: bool) -> Result:
        recipient = self._recipient(call)
        if recipient is None:
            return Result(outcome=Outcome.TROUBLE)
        return Result(outcome=self._enrol.reminders(recipient.id, call.now, on=on))

    def _leave(self, call: _Call) -> Result:
        recipient = self._recipient(call)
        if recipient is None:
            return Result(outcome=Outcome.TROUBLE)
        return Result(outcome=self._enrol.leave(recipient.id, call.now))

    def _recipient(self, call: _Call) -> Recipient | None:
        """Read afresh: an action before this one may have changed it."""
        with self._uow() as uow:
            room = uow.rooms.get(call.room.id)
            return uow.recipients.get(room.recipient) if room and room.recipient else None


def _wrong(wrong: WrongSecret) -> Result:
    wait, left = max(0, ceil(wrong.wait_seconds)), wrong.tries_left
    if left is not None and TRIES - left >= NAMED_FROM:
        return Result(outcome=Outcome.PIN_WRONG_TRIES, values={"tries": left, "wait": wait})
    if wait > 0:
        return Result(outcome=Outcome.PIN_WRONG_WAIT, values={"wait": wait})
    return Result(outcome=Outcome.PIN_WRONG)
