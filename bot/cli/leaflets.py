"""A leaflet for somebody who is being invited: what stands on it, and its file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.app import Installation
from bot.channels.matrix.identity import Seeds
from bot.domain.values import Language, RecipientId, Secret, UserId
from bot.errors import Refused
from bot.leaflet.facts import Account, LeafletFacts
from bot.leaflet.page import leaflet_pdf
from bot.leaflet.paper import Paper, paper
from bot.services.invite_recipient import Invited

# As wide as a code and a password can be, and as long as the names of accounts are.
_CODE = Secret("-".join(["MMMM"] * 5))
_PASSWORD = Secret("-".join(["mmmm"] * 4))
_NAME = "p-" + "m" * 16


def sheet_for(home: Installation, file: Path) -> AbstractContextManager[Paper]:
    """An empty file for a leaflet that will fit. Raises :class:`Refused` or :class:`bot.errors.WrongUse`."""
    rehearse(home)
    return paper(file)


def rehearse(home: Installation) -> None:
    """Whether any leaflet of this practice can be made: asked before there is a code, so that none is lost."""
    bot = home.session().user
    account = Account(user=UserId(f"@{_NAME}:{bot.split(':', 1)[1]}"), password=_PASSWORD)
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
        facts = _facts(home, invited, language=language, account=account, relink=False)
        for other in (facts, replace(facts, account=None), replace(facts, account=None, relink=True)):
            leaflet_pdf(other)


def leaflet_for(
    home: Installation, invited: Invited, *, language: Language, account: Account | None, relink: bool
) -> bytes:
    """The PDF. Raises as :func:`sheet_for`."""
    return leaflet_pdf(_facts(home, invited, language=language, account=account, relink=relink))


def _facts(
    home: Installation, invited: Invited, *, language: Language, account: Account | None, relink: bool
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
