"""A staff room without Matrix: members in the database, and the desk's work in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import select

from bot.app import Installation
from bot.cli.desk import find_member
from bot.cli.desk_orders import DeskOrders
from bot.cli.staffroom import RoomCommand
from bot.domain.staff import Member, MemberId, Role, StaffFile, StaffOrder, StaffReply
from bot.domain.values import Language, UserId
from storage.tables import audit

SECRETARY, OTHER, ADMINISTRATOR = MemberId("m-secretary"), MemberId("m-other"), MemberId("m-administrator")
OF_ROLE = {Role.SECRETARY: SECRETARY, Role.ADMINISTRATOR: ADMINISTRATOR}
_keys = count()


def hire(home: Installation) -> None:
    """Two secretaries and an administrator."""
    roles = {SECRETARY: Role.SECRETARY, OTHER: Role.SECRETARY, ADMINISTRATOR: Role.ADMINISTRATOR}
    with home.uow() as uow:
        for member, role in roles.items():
            uow.staff.add(
                Member(
                    id=member,
                    user=UserId(f"@{member}:example.org"),
                    role=role,
                    language=Language.FR,
                    added_at=home.clock.now(),
                )
            )
        uow.commit()


def order(
    line: str, member: MemberId = SECRETARY, *, key: str = "", file: StaffFile | None = None
) -> StaffOrder:
    """A new one, unless ``key`` is that of an earlier one."""
    return StaffOrder(member=member, key=key or f"event-{next(_keys)}", line=line, file=file)


def staff_audit(home: Installation) -> list[tuple[str, str, str]]:
    """Kind, member and act of each row about the staff."""
    c = audit.c
    with home.engine.begin() as db:
        rows = db.execute(select(c.kind, c.member, c.act).where(c.member != "").order_by(c.seq))
        return [(row[0], row[1], row[2]) for row in rows]


@dataclass
class Room:
    """What the desk answers, here."""

    home: Installation
    desk: DeskOrders = field(init=False)

    def __post_init__(self) -> None:
        hire(self.home)
        self.restart()

    def restart(self) -> None:
        """A new process of the desk: nothing in its memory."""
        self.desk = DeskOrders(self.home, lambda member: find_member(self.home, member))

    def say(self, line: str, member: MemberId = SECRETARY, *, key: str = "") -> StaffReply:
        return self.desk(order(line, member, key=key))

    def text(self, line: str, member: MemberId = SECRETARY) -> str:
        return "\n".join(self.say(line, member).texts)


# A line for each command that needs nothing to be there: it is understood, and refused at the latest by what it finds.
LINES = {
    "help": "aide",
    "patients": "patients",
    "patient add": "patient ajouter P-7",
    "patient remove": "patient retirer P-1 oui",
    "invite": "inviter P-1",
    "reset": "réinitialiser P-1 oui",
    "relink": "relier P-1",
    "answers": "réponses",
    "answers done": "réponses fait 1",
    "stats": "statistiques",
    "add": "ajouter P-1 3/12/2028 14h30",
    "cancel": "annuler P-1 3/12/2028",
    "absent": "absent Dr Noël 3/12/2028",
    "today": "aujourd'hui",
    "unreached": "à appeler",
    "preview": "aperçu",
    "pause": "suspendre",
    "resume": "reprendre",
    "apply": "appliquer",
    "drop": "oublier",
    "audit": "journal P-1",
    "audit verify": "journal vérifier",
    "approve": "approuver",
}


def line_of(command: RoomCommand) -> str:
    return LINES[command.name]
