"""Members of the practice: added, removed, and pinned anew at the command line. The bot does the rest in its room.

1. An account belongs to the practice's own homeserver, is not the bot's, and does not talk with the bot as a patient.
2. A member who is removed counts as nobody from that moment on; the row stays until the bot has seen to the room.
3. Another identity than the pinned one becomes the pinned one only here, and only the one that was shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.domain.records import AuditKind
from bot.domain.staff import Member, MemberId, Role
from bot.domain.trust import Pin
from bot.domain.values import Language, UserId, new_id
from bot.errors import Refused, WrongUse
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory

_ACCOUNT: Final = re.compile(r"@[a-z0-9._=/+-]{1,200}:[A-Za-z0-9.:\[\]-]{1,200}")


class StaffMembers:
    """``bot`` is the bot's own account."""

    def __init__(self, uow: UnitOfWorkFactory, *, bot: UserId) -> None:
        self._uow, self._bot = uow, bot

    def check(self, user: str) -> UserId:
        """Rule 1, as far as the name tells. Raises :class:`Refused`, :class:`WrongUse`."""
        account = _account(user)
        if account == self._bot:
            raise Refused("this is the bot's own account", mend="name the account of a person")
        if account.partition(":")[2] != self._bot.partition(":")[2]:
            raise Refused(
                "this account is on another homeserver, and could not join",
                mend="make one on the practice's own: pli homeserver accounts",
            )
        return account

    def add(self, user: str, *, role: Role, language: Language, now: datetime) -> Member:
        """Raises :class:`Refused`, :class:`WrongUse`."""
        account = self.check(user)
        with self._uow() as uow:
            if uow.rooms.by_user(account) is not None:
                raise Refused(
                    "this account talks with the bot as a patient's",
                    mend="give the member of staff an account of their own for work",
                )
            known = uow.staff.by_user(account)
            if known is not None and not known.leaving:
                raise Refused("this account is a member already", mend="see: pli staff list")
            if known is not None:
                uow.staff.remove(known.id)
            member = Member(
                id=MemberId(new_id("m")), user=account, role=role, language=language, added_at=now
            )
            uow.staff.add(member)
            uow.audit.add(AuditKind.STAFF_ADDED, now, member=member.id)
            uow.commit()
        return member

    def all(self) -> Sequence[Member]:
        """Those who are leaving included."""
        with self._uow() as uow:
            return uow.staff.all()

    def remove(self, user: str, *, now: datetime) -> Member:
        """Rule 2. Raises :class:`Refused`."""
        with self._uow() as uow:
            member = _member(uow, user)
            uow.staff.save(replace(member, leaving=True))
            uow.audit.add(AuditKind.STAFF_REMOVED, now, member=member.id)
            uow.commit()
        return member

    def repin(self, user: str, *, now: datetime) -> Member:
        """Rule 3. Raises :class:`Refused`."""
        with self._uow() as uow:
            member = _member(uow, user)
            if not member.other:
                raise Refused("no other identity of this member was seen", mend="see: pli staff list")
            changed = replace(member, pin=Pin(master_key=member.other), other="")
            uow.staff.save(changed)
            uow.audit.add(AuditKind.STAFF_REPINNED, now, member=member.id)
            uow.commit()
        return changed


def _member(uow: UnitOfWork, user: str) -> Member:
    member = uow.staff.by_user(_account(user))
    if member is None or member.leaving:
        raise Refused("this account is no member", mend="see: pli staff list")
    return member


def _account(user: str) -> UserId:
    if not _ACCOUNT.fullmatch(user):
        raise WrongUse("this is no account", mend="write it like @name:server")
    return UserId(user)
