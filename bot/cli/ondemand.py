"""The commands of ``pli``, each loaded when it is run: what one of them needs, the others do not wait for.

The page of ``pli --help`` is drawn from :data:`COMMANDS` alone. A test holds its words against the commands' own.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """``module`` of :mod:`bot.cli` has the function ``register``, which adds the command; ``help``: its first words."""

    module: str
    help: str
    hidden: bool = False


def _listed(module: str, text: str, *, hidden: bool = False) -> Listed:
    return Listed(module=module, help=text, hidden=hidden)


COMMANDS: Final[Mapping[str, Listed]] = MappingProxyType(
    {
        "init": _listed(
            "setup", "Make a practice's folder: settings, keys, database, vault. Writes over nothing."
        ),
        "login": _listed(
            "setup",
            "Log the bot in again, as a new signed device: its token no longer works, or its device's keys are lost.",
        ),
        "upgrade": _listed(
            "setup",
            "Bring database and vault to the form that this version needs, or leave both as they are. "
            "Stop the bot before.",
        ),
        "relink": _listed(
            "invitations",
            "Print a code for a new phone: key and PIN stay as they are. It is typed in the conversation with the bot.",
        ),
        "problems": _listed("problems", "List what went wrong and what to do about it, newest last."),
        "purge": _listed(
            "purge",
            "Delete what is older than \\[retention] says, overwrite it on the disk, and print the counts.",
        ),
        "run": _listed(
            "run",
            "Run the bot until stopped (Ctrl-C or SIGTERM). In a dry run nudges stay waiting; answers go on.",
        ),
        "reset": _listed(
            "reset",
            "Destroy the old key and print a new code; the patient reads of it in the old room. "
            "For a new phone: pli relink.",
        ),
        "add": _listed("acts", "Enter one appointment in one line. The day comes before the month."),
        "cancel": _listed(
            "acts",
            "Cancel one appointment. The patient is told at once if it is within 48 hours, else in the next slot.",
        ),
        "absent": _listed(
            "acts",
            "Cancel every appointment of a practitioner on some days, at once, and list whom to telephone.",
        ),
        "today": _listed(
            "overview",
            "List the patients of a day and what is known of each: nudged, opened, answered, to be telephoned.",
        ),
        "unreached": _listed(
            "overview",
            "List whom to telephone: nobody read or answered by the last slot, or no nudge can reach them.",
        ),
        "preview": _listed(
            "overview",
            "Show what a patient would read, on made-up appointments: the nudge, the question, the list, an answer.",
        ),
        "pause": _listed(
            "pausing",
            "Hold back all nudges, or those of who is told for one patient, until they are resumed. Answers go on.",
        ),
        "resume": _listed(
            "pausing", "Let nudges go on. What came too late meanwhile is listed as a problem: telephone."
        ),
        "apply": _listed(
            "dropped",
            "In the staff room: carry out the file that was dropped last and looked at.",
            hidden=True,
        ),
        "drop": _listed("dropped", "In the staff room: forget the file that was dropped last.", hidden=True),
        "doctor": _listed(
            "doctor",
            "Check files, database, vault, homeserver, identity, keys, an encrypted round trip, clock and zone data.",
        ),
        "stats": _listed(
            "stats", "Count by week what was sent, opened and answered. Under five no number is told."
        ),
        "desk": _listed(
            "desk",
            "Carry out what the staff room asks for, with the import side's keys, until stopped (Ctrl-C or SIGTERM).",
        ),
        "help": _listed(
            "room_help",
            "Show the staff room's commands, or one with examples. Those of the command line: pli --help.",
        ),
        "approve": _listed(
            "approvals",
            "In the staff room: agree to what another member asked for. "
            "Not on the command line, which needs no second.",
            hidden=True,
        ),
        "restore": _listed(
            "safekeeping",
            "Make a practice's folder out of a backup: verified first, nudges paused, as a new device. "
            "Writes over nothing.",
        ),
        "status": _listed(
            "status",
            "Show the bot, the queue, the next nudges, the last import, "
            "what is locked or open, and the disk: counts only.",
        ),
        "homeserver": _listed(
            "homeserver",
            "The homeserver: the embedded one, or the files, checks and accounts of one of your own.",
        ),
        "patient": _listed("patients", "Patients, by the agenda's reference."),
        "invite": _listed("invitations", "Invite somebody to be told: [bold]pli invite REF[/bold]."),
        "agenda": _listed("agenda", "Agendas in: a file, a folder, one appointment."),
        "nudges": _listed("nudges", "When nudges leave, and what their times tell."),
        "answers": _listed("answers", "What patients answered."),
        "audit": _listed("audit", "The log of releases and of the staff's acts."),
        "keys": _listed("keys", "The practice's keys."),
        "vault": _listed(
            "vault", "The vault in a process of its own: nobody but its account reads or copies the file."
        ),
        "staff": _listed("staff", "People of the practice who work in the staff room."),
        "conversation": _listed("conversation", "The conversation with patients."),
        "backup": _listed(
            "safekeeping", "One sealed file of everything: pli backup DIR, pli backup keygen FILE."
        ),
    }
)


class _Loaded(MutableMapping[str, Any]):  # Typer's click is not nameable here
    """The commands by name. One is loaded when it is looked at, with all others of its module."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name not in self._made:
            app = typer.Typer(rich_markup_mode="rich")
            importlib.import_module(f"bot.cli.{COMMANDS[name].module}").register(app)
            self._made |= typer.main.get_group(app).commands
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 - as above
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class OnDemand(TyperGroup):
    """The whole of ``pli``."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(**attributes)
        self.commands = _Loaded()

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer's click is not nameable here
        """Nothing is loaded for it."""
        page = TyperGroup(
            name=self.name,
            commands={
                name: TyperCommand(name, help=listed.help, hidden=listed.hidden)
                for name, listed in COMMANDS.items()
            },
            params=self.params,
            help=self.help,
            rich_markup_mode=self.rich_markup_mode,
        )
        page.format_help(ctx, formatter)
