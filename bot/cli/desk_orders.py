"""The import side at work for the staff room: one order at a time, each written to the audit log, none twice.

1. Who a member is, and what its role may do, is read from the database for each order; the room's word for it is not
   taken. Without a member, or for what its role may not do, nothing is begun.
2. The order's key is noted in the transaction that audits it, before it is begun: the same order is never carried out
   twice, whoever was killed meanwhile. Its answer is kept in memory until the next order, to be given again.
3. The audit log keeps the member and the command's name; what stands behind it is not kept anywhere.
4. Whatever goes wrong is answered in words, without a traceback and without what was typed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.app import Installation
from bot.cli.approvals import Approvals
from bot.cli.line import Understood, Word, arguments, split, suggestion, understand
from bot.cli.reply import Line, Part, Reply, as_texts
from bot.cli.room_run import Stopped, flags, run
from bot.cli.seat import Memory, Seat, room_words, taken
from bot.cli.staffroom import RoomCommand, allowed_to, named
from bot.cli.usage import UsageError
from bot.domain.records import AuditKind
from bot.domain.staff import Member, MemberId, StaffFile, StaffOrder, StaffReply
from bot.errors import ChannelError, PliError, Refused, SecondNeeded, StorageError, WrongUse
from config.staff_words import StaffWords

log = logging.getLogger("pli.desk")

FindMember = Callable[[MemberId], Member | None]
TakeFile = Callable[[StaffFile], Reply]
UNKNOWN, FILE = "unknown", "file"


class DeskOrders:
    """One a process. ``find`` looks a member up in the database; ``take_file`` looks at what was dropped."""

    def __init__(self, home: Installation, find: FindMember, *, take_file: TakeFile | None = None) -> None:
        self._home, self._find, self._take_file = home, find, take_file
        self._memory = Memory()
        self._last: tuple[tuple[str, str], StaffReply] | None = None
        self._say = room_words(home)

    def __call__(self, order: StaffOrder) -> StaffReply:
        """Never raises but :class:`bot.errors.StorageError`, where nothing was begun because it could not be noted."""
        whose = (order.member, order.key)
        if self._last is not None and self._last[0] == whose:
            return self._last[1]
        self._last = None
        member = self._find(order.member)
        self._say = StaffWords(member.language) if member is not None else room_words(self._home)
        file = order.file
        reply = self._line(order, member) if file is None else self._file(order, member, file)
        self._last = (whose, reply)
        return reply

    # -- a line -------------------------------------------------------------------------------------------------

    def _line(self, order: StaffOrder, member: Member | None) -> StaffReply:
        try:
            typed = split(order.line)
        except WrongUse as error:
            return self._refuse(order, UNKNOWN, self._of_error(error))
        understood = understand(typed)
        name = understood.command.name if understood else UNKNOWN
        if member is None:
            return self._refuse(order, name, [self._say("order.no_member")])
        if understood is None:
            return self._refuse(order, name, self._unknown(typed, member))
        if not understood.command.allows(member):
            return self._refuse(order, name, [self._say("order.role", role=self._say(f"role.{member.role}"))])
        if not self._begin(order, AuditKind.STAFF_ACT, name):
            return self._again()
        return self._carry_out(
            understood, Seat(home=self._home, member=member, memory=self._memory, run=self._rerun)
        )

    def _rerun(self, name: str, given: Sequence[str], seat: Seat) -> Reply:
        """For an approval: the line as it was understood when it was typed, by whoever is a member now (rule 1).

        Raises :class:`Refused`.
        """
        command = named(name)
        member = self._find(seat.member.id) if seat.member else None
        if command is None or member is None or not command.allows(member):
            raise Refused("nothing waits under this number", mend="see: approve")
        return run(command, given, replace(seat, member=member))

    def _carry_out(self, understood: Understood, seat: Seat) -> StaffReply:
        command = understood.command
        given: list[str] = []

        def act() -> Reply:
            given.extend(arguments(understood, flags(command)))
            return run(command, given, seat)

        return self._told(act, command, seat, given)

    def _told(
        self, act: Callable[[], Reply], command: RoomCommand | None, seat: Seat, given: Sequence[str] = ()
    ) -> StaffReply:
        """Rule 4."""
        private = command is None or command.private
        try:
            reply = act()
        except SecondNeeded as needed:
            return self._ask_second(needed, command, seat, given)
        except PliError as error:
            return self._reply([Line(text=t) for t in self._of_error(error)], private=private)
        except UsageError as error:
            return self._reply([Line(text=t) for t in self._of_usage(error, command)], private=private)
        except Stopped:
            return self._reply([Line(text=self._say("order.nothing"))], private=private)
        except Exception as error:  # noqa: BLE001 - rule 4: a traceback could quote what was typed
            log.error("an order failed", extra={"error": type(error).__name__})  # noqa: TRY400 - as above
            return self._reply([Line(text=self._say("order.failed"))], private=private)
        return self._reply(reply.parts, private=private or reply.private, files=reply.files)

    def _ask_second(
        self, needed: SecondNeeded, command: RoomCommand | None, seat: Seat, given: Sequence[str]
    ) -> StaffReply:
        if command is None or seat.member is None or not given:
            return self._reply([Line(text=self._say("order.failed"))], private=True)
        try:
            asked = self._memory.of(Approvals).ask(
                member=seat.member,
                name=command.name,
                words=given,
                count=needed.count,
                now=self._home.clock.now(),
            )
        except Refused as error:
            return self._reply([Line(text=t) for t in self._of_error(error)], private=command.private)
        text = self._say("approve.asked", number=asked.number, count=self._say.count("people", needed.count))
        return self._reply([Line(text=text)], private=command.private)

    # -- a file -------------------------------------------------------------------------------------------------

    def _file(self, order: StaffOrder, member: Member | None, file: StaffFile) -> StaffReply:
        if member is None:
            return self._refuse(order, FILE, [self._say("order.no_member")])
        take = self._take_file
        if take is None:
            return self._refuse(order, FILE, [self._say("order.no_files")])
        if not self._begin(order, AuditKind.STAFF_ACT, FILE):
            return self._again()
        seat = Seat(home=self._home, member=member, memory=self._memory, run=self._rerun)

        def act() -> Reply:
            with taken(seat):
                return take(file)

        return self._told(act, None, seat)

    # -- what is written and told -------------------------------------------------------------------------------

    def _begin(self, order: StaffOrder, kind: AuditKind, name: str) -> bool:
        """Rules 2 and 3: whether this order is new. Raises :class:`bot.errors.StorageError`."""
        now = self._home.clock.now()
        digest = hashlib.sha256(b"pli/v1/staff-order\0" + order.key.encode(errors="replace")).hexdigest()
        with self._home.uow() as uow:
            fresh = uow.seen.add([digest], now)
            if fresh:
                uow.audit.add(kind, now, member=order.member, act=name)
                uow.commit()
        return fresh

    def _refuse(self, order: StaffOrder, name: str, texts: Sequence[str]) -> StaffReply:
        if not self._begin(order, AuditKind.STAFF_REFUSED, name):
            return self._again()
        return self._reply([Line(text=text) for text in texts], private=True)

    def _again(self) -> StaffReply:
        return self._reply([Line(text=self._say("order.again"))], private=False)

    def _reply(
        self, parts: Sequence[Part], *, private: bool, files: tuple[StaffFile, ...] = ()
    ) -> StaffReply:
        texts = as_texts(parts, cut=self._say("order.cut"))
        if not texts and not files:
            texts = (self._say("order.nothing"),)
        return StaffReply(texts=texts, files=files, private=private)

    def _unknown(self, typed: Sequence[Word], member: Member) -> list[str]:
        spellings = [spelling for command in allowed_to(member) for spelling in command.spellings]
        meant = suggestion(typed, spellings)
        command = named(meant) if meant else None
        meant = command.typed(self._say.language) if command else None
        return [self._say("order.unknown_meant", meant=meant) if meant else self._say("order.unknown")]

    def _of_error(self, error: PliError) -> list[str]:
        if isinstance(error, StorageError):
            return [self._say("order.storage")]
        if isinstance(error, ChannelError):
            return [self._say("order.homeserver")]
        return [self._say.error(error)]

    def _of_usage(self, error: Exception, command: RoomCommand | None) -> list[str]:
        kind = {
            "MissingParameter": "usage.missing",
            "NoSuchOption": "usage.option",
            "BadParameter": "usage.value",
        }
        told = [self._say(kind.get(type(error).__name__, "usage.other"))]
        if command is not None:
            told.append(self._say(f"help.{command.key}"))
        return told
