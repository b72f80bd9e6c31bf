"""A leaflet for somebody who is being invited: to a file on the command line, as an attachment in the staff room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot.app import Installation
from bot.channels.matrix.session import Seeds
from bot.cli.reply import Facts, Part, Remark
from bot.cli.seat import Seat, words
from bot.domain.staff import StaffFile
from bot.domain.values import Language, RecipientId, Secret, UserId
from bot.errors import PliError, Refused
from bot.leaflet.facts import Account, LeafletFacts
from bot.leaflet.paper import Paper, paper
from bot.services.invite_recipient import Invited

Leaflet = Annotated[
    Path | None,
    typer.Option(help="Write a page to hand over (PDF, A5) into this new file, too."),
]

# As wide as a code and a password can be, and as long as the names of accounts are.
_CODE = Secret("-".join(["MMMM"] * 5))
_PASSWORD = "-".join(["mmmm"] * 4)
_NAME = "p-" + "m" * 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What the answer says of it. ``failed``: the code was made, and its leaflet was not."""

    parts: tuple[Part, ...] = ()
    data: dict[str, str | None] = field(default_factory=lambda: {"leaflet": None})
    files: tuple[StaffFile, ...] = ()
    failed: bool = False

    @property
    def once(self) -> str:
        """What to say of where the code is, in the catalogue."""
        return "leaflet.once" if self.data["leaflet"] else "invite.once"


class Handout:
    """A leaflet that will fit, and where it goes; nowhere where ``file`` is None on the command line."""

    def __init__(self, here: Seat, file: Path | None, sheet: Paper | None, *, wanted: bool) -> None:
        self._here, self._file, self._sheet, self._wanted = here, file, sheet, wanted

    def give(
        self,
        invited: Invited,
        *,
        language: Language,
        user: str | None,
        password: str | None,
        relink: bool = False,
    ) -> Given:
        """Never raises: the code is made, and is told whatever becomes of the leaflet."""
        say = words(self._here.home)
        if not self._wanted:
            return Given(parts=(Remark(text=say("leaflet.none")),) if self._here.in_room else ())
        account = Account(user=UserId(user), password=Secret(password)) if user and password else None
        try:
            pdf = _pdf(_facts(self._here.home, invited, language, account, relink=relink))
            if self._sheet is not None:
                self._sheet.write(pdf)
        except PliError as error:
            return Given(parts=(Remark(text=say.error(error)),), failed=True)
        if self._file is not None:
            return Given(
                parts=(Facts(values=((say("fact.leaflet"), str(self._file)),)),),
                data={"leaflet": str(self._file)},
            )
        file = StaffFile(name=say("leaflet.file"), media_type="application/pdf", data=pdf)
        return Given(files=(file,))


def _pdf(facts: LeafletFacts) -> bytes:
    from bot.leaflet.page import leaflet_pdf  # noqa: PLC0415 - most invitations have no leaflet to draw

    return leaflet_pdf(facts)


@contextmanager
def handout(here: Seat, file: Path | None) -> Iterator[Handout]:
    """To be entered before a code is made. In the room there is always one, where this practice can have one.

    Raises :class:`Refused` or :class:`bot.errors.WrongUse` for what cannot be written.
    """
    if here.in_room:
        yield Handout(here, None, None, wanted=_fits(here.home))
    elif file is None:
        yield Handout(here, None, None, wanted=False)
    else:
        _rehearse(here.home)
        with paper(file) as sheet:
            yield Handout(here, file, sheet, wanted=True)


def _fits(home: Installation) -> bool:
    try:
        _rehearse(home)
    except PliError:
        return False
    return True


def _rehearse(home: Installation) -> None:
    """Whether every leaflet of this practice can be made: asked before there is a code, so that none is lost."""
    server = home.session().user.split(":", 1)[1]
    account = Account(user=UserId(f"@{_NAME}:{server}"), password=Secret(_PASSWORD))
    invited = Invited(
        recipient=RecipientId(""),
        code=_CODE,
        public="",
        expires=home.clock.now() + timedelta(days=1),
        others=0,
        missing=0,
        by_hand=0,
    )
    for language in Language:
        facts = _facts(home, invited, language, account, relink=False)
        for other in (facts, replace(facts, account=None), replace(facts, account=None, relink=True)):
            _pdf(other)


def _facts(
    home: Installation, invited: Invited, language: Language, account: Account | None, *, relink: bool
) -> LeafletFacts:
    practice = home.settings.practice
    if not practice.phone.strip():
        raise Refused(
            "a leaflet needs a telephone number for help", mend="set it in pli.toml: [practice] phone"
        )
    return LeafletFacts(
        language=language,
        bot=home.session().user,
        master_key=Seeds.load(home.bot_dir).master_key,
        code=invited.code,
        expires=invited.expires,
        zone=practice.zone,
        phone=" ".join(practice.phone.split()),
        min_digits=home.settings.pin.min_digits,
        account=account,
        relink=relink,
    )
