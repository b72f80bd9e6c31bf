"""The staff room's commands: which of the command line's it has, under which words, and who may give them.

**To add one**: write a command as always, in a module of ``bot/cli``, under ``@group.command(…)`` and
:func:`bot.cli.seat.told`; it takes the practice from :func:`bot.cli.seat.seat` and returns a
:class:`bot.cli.reply.Reply` whose words come from ``config/locale/*/LC_MESSAGES/staff.po``
(:func:`bot.cli.seat.words`). Give it a line in :data:`COMMANDS` and the texts ``help.NAME`` (how it is typed, a colon,
what it does) and ``help.NAME.more`` (examples), in both catalogues. Where it touches many people, it calls
:func:`bot.cli.seat.touches` first; where it asks back, :func:`bot.cli.seat.agree`. What it remembers from one line
to the next is a class of its own, kept by ``seat().memory.of(Class)``. Tests then want it in the table of
``tests/cli/test_staffroom.py`` and among the shared commands of ``tests/cli/test_both.py``.

1. What is not in the table is not to be had in the room, whatever the command line can do; nor is an option that the
   table does not name, so that no line of the room names a file of the import side, or asks for JSON.
2. A role has a command only where the table says so.
3. What is typed and told counts as private unless the table says that neither holds a detail.

Secretaries have all that is done at the desk. Administrators have the practice as a whole, and of the patients what
only they can mend: they neither read answers nor enter appointments, as they need no patient's affairs for their work.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from bot.domain.staff import Member, Role
from bot.domain.values import Language

BOTH: Final = frozenset(Role)
SECRETARY: Final = frozenset({Role.SECRETARY})
ADMINISTRATOR: Final = frozenset({Role.ADMINISTRATOR})

_ALIKE: Final = dict.fromkeys(map(ord, "’‘ʼ`´"), "'") | dict.fromkeys(map(ord, "‐‑"), "-")
_NONE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
YES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"--yes": ("oui", "yes")})


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomCommand:
    """``name`` as the audit log keeps it, and as it is typed in English; ``also``: other ways to type it.

    ``path``: the words of the command line that it stands for. ``options``: those that the room has, and the plain
    words that mean them. ``private``: rule 3. ``bare``: it takes no word but options.
    """

    name: str
    french: str
    path: tuple[str, ...]
    roles: frozenset[Role]
    also: tuple[str, ...]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)
    private: bool = True
    bare: bool = False

    @property
    def spellings(self) -> tuple[str, ...]:
        return (self.name, self.french, *self.also)

    def typed(self, language: Language) -> str:
        return self.french if language is Language.FR else self.name

    @property
    def key(self) -> str:
        """In the catalogue."""
        return self.name.replace(" ", "_")

    def allows(self, member: Member | None) -> bool:
        """Rule 2. None is whoever holds the practice's files."""
        return member is None or member.role in self.roles


COMMANDS: Final[tuple[RoomCommand, ...]] = (
    RoomCommand(name="help", french="aide", path=("help",), roles=BOTH, also=("?",), private=False),
    RoomCommand(
        name="patients",
        french="patients",
        path=("patient", "list"),
        roles=BOTH,
        also=("patient list", "liste"),
    ),
    RoomCommand(
        name="patient add",
        french="patient ajouter",
        path=("patient", "add"),
        roles=SECRETARY,
        also=("ajouter patient", "nouveau patient", "new patient"),
        options=MappingProxyType({"--name": ("nom", "prénom", "name")}),
    ),
    RoomCommand(
        name="patient remove",
        french="patient retirer",
        path=("patient", "remove"),
        roles=SECRETARY,
        also=("retirer patient", "patient supprimer", "remove patient"),
        options=YES,
    ),
    RoomCommand(
        name="invite",
        french="inviter",
        path=("invite", "to"),
        roles=SECRETARY,
        also=("invitation",),
        options=MappingProxyType(
            {
                "--also": ("aussi", "also", "et", "and"),
                "--lang": ("langue", "language"),
                "--expires": ("valable", "expire", "expires"),
                "--account": ("avec-compte", "compte", "account"),
                "--no-account": ("sans-compte", "no-account"),
                "--another": ("autre-personne", "another"),
            }
        ),
    ),
    RoomCommand(
        name="reset",
        french="réinitialiser",
        path=("reset",),
        roles=SECRETARY,
        also=("code", "nouveau code", "new code"),
        options=MappingProxyType({"--recipient": ("destinataire", "recipient"), **YES}),
    ),
    RoomCommand(
        name="relink",
        french="relier",
        path=("relink",),
        roles=SECRETARY,
        also=("nouveau téléphone", "new phone"),
        options=MappingProxyType(
            {"--recipient": ("destinataire", "recipient"), "--password": ("mot-de-passe", "password")}
        ),
    ),
    RoomCommand(
        name="answers",
        french="réponses",
        path=("answers",),
        roles=SECRETARY,
        also=("réponse", "answer"),
        options=MappingProxyType({"--since": ("depuis", "since")}),
        bare=True,
    ),
    RoomCommand(
        name="answers done",
        french="réponses fait",
        path=("answers", "done"),
        roles=SECRETARY,
        also=("réponse faite", "réponse fait", "fait", "done"),
        private=False,
    ),
    RoomCommand(name="add", french="ajouter", path=("add",), roles=SECRETARY, also=("rendez-vous", "rdv")),
    RoomCommand(name="cancel", french="annuler", path=("cancel",), roles=SECRETARY, also=("annule",)),
    RoomCommand(
        name="absent", french="absent", path=("absent",), roles=SECRETARY, also=("absente", "absence")
    ),
    RoomCommand(name="today", french="aujourd'hui", path=("today",), roles=SECRETARY, also=("jour", "day")),
    RoomCommand(
        name="unreached",
        french="à appeler",
        path=("unreached",),
        roles=SECRETARY,
        also=("non joints", "injoignables", "to call"),
    ),
    RoomCommand(
        name="preview", french="aperçu", path=("preview",), roles=BOTH, also=("exemple",), private=False
    ),
    RoomCommand(name="pause", french="suspendre", path=("pause",), roles=BOTH, also=()),
    RoomCommand(name="resume", french="reprendre", path=("resume",), roles=BOTH, also=("reprise",)),
    RoomCommand(
        name="apply",
        french="appliquer",
        path=("apply",),
        roles=SECRETARY,
        also=("importer",),
    ),
    RoomCommand(
        name="drop", french="oublier", path=("drop",), roles=SECRETARY, also=("jeter",), private=False
    ),
    RoomCommand(
        name="stats",
        french="statistiques",
        path=("stats",),
        roles=BOTH,
        also=("chiffres", "statistics"),
        options=MappingProxyType({"--weeks": ("semaines", "weeks")}),
        private=False,
        bare=True,
    ),
    RoomCommand(
        name="audit",
        french="journal",
        path=("audit", "show"),
        roles=BOTH,
        also=("audit show", "log"),
        options=MappingProxyType(
            {
                "--patient": ("patient",),
                "--since": ("depuis", "since"),
                "--until": ("jusqu'à", "until"),
                "--limit": ("dernières", "last"),
            }
        ),
    ),
    RoomCommand(
        name="audit verify",
        french="journal vérifier",
        path=("audit", "verify"),
        roles=ADMINISTRATOR,
        also=("vérifier journal", "verify log"),
        private=False,
    ),
    RoomCommand(
        name="approve",
        french="approuver",
        path=("approve",),
        roles=BOTH,
        also=("approuve",),
    ),
)


def fold(word: str) -> str:
    """As it is compared: small letters, without accents, one kind of apostrophe and hyphen."""
    plain = word.translate(_ALIKE).replace("œ", "oe").replace("Œ", "oe")
    plain = unicodedata.normalize("NFKD", plain).casefold()
    return "".join(c for c in plain if not unicodedata.combining(c))


def spelled() -> Iterator[tuple[tuple[str, ...], RoomCommand]]:
    """Every spelling, as folded words; the longest first."""
    found = [
        (tuple(fold(spelling).split()), command) for command in COMMANDS for spelling in command.spellings
    ]
    yield from sorted(found, key=lambda each: -len(each[0]))


def named(name: str) -> RoomCommand | None:
    """By any of its spellings."""
    wanted = tuple(fold(name).split())
    return next((command for spelling, command in spelled() if spelling == wanted), None)


def allowed_to(member: Member | None) -> tuple[RoomCommand, ...]:
    return tuple(command for command in COMMANDS if command.allows(member))
