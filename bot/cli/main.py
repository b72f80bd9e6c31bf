"""The command ``pli``: parses, calls one service, prints. No traceback reaches a user."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import (
    acts,
    agenda,
    answers,
    approvals,
    audit,
    conversation,
    desk,
    doctor,
    dropped,
    homeserver,
    invitations,
    keys,
    nudges,
    overview,
    patients,
    pausing,
    problems,
    purge,
    reset,
    room_help,
    run,
    safekeeping,
    setup,
    staff,
    stats,
    status,
    vault,
)
from bot.cli.common import DONE, REFUSED, choose_config, complain, err
from bot.errors import PliError, WrongUse
from bot.hardening import harden
from bot.logs import silence

app = typer.Typer(
    name="pli",
    help="Appointment reminders that tell nobody but the patient.\n\n"
    "First: pli init DIR. Then: pli --config DIR COMMAND.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
setup.register(app)
homeserver.register(app)
patients.register(app)
invitations.register(app)
agenda.register(app)
answers.register(app)
problems.register(app)
audit.register(app)
purge.register(app)
keys.register(app)
run.register(app)
vault.register(app)
reset.register(app)
acts.register(app)
overview.register(app)
pausing.register(app)
dropped.register(app)
doctor.register(app)
staff.register(app)
conversation.register(app)
stats.register(app)
desk.register(app)
room_help.register(app)
approvals.register(app)
safekeeping.register(app)
status.register(app)
nudges.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pli {version('pli')}")
        raise typer.Exit


@app.callback()
def options(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="pli.toml or its folder. Also PLI_CONFIG; may stand anywhere on the line."
        ),
    ] = None,
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """``--config`` is taken by :func:`main` before anything else; it is here for the help page."""


def _readable(arguments: Sequence[str]) -> list[str]:
    """Raises :class:`WrongUse` for bytes that are no text in the terminal's encoding."""
    for argument in arguments:
        if "\0" in argument or any("\ud800" <= c <= "\udfff" for c in argument):
            raise WrongUse("an argument is not readable text", mend="check the terminal's encoding")
    return list(arguments)


def _take_config(arguments: list[str]) -> list[str]:
    """``--config FILE`` may stand behind the command as well: take it out wherever it is.

    Behind ``homeserver check`` it names Synapse's file instead, and is left there.
    """
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--" or rest == ["homeserver", "check"]:
            rest.append(argument)
            rest.extend(left)
        elif argument == "--config":
            value = next(left, None)
            if value is None:
                rest.append(argument)
            else:
                choose_config(Path(value))
        elif argument.startswith("--config="):
            choose_config(Path(argument.removeprefix("--config=")))
        else:
            rest.append(argument)
    return rest


def _name_default(arguments: list[str]) -> list[str]:
    """``pli invite REF`` is ``pli invite to REF``, and ``pli backup DIR`` is ``pli backup to DIR``."""
    if arguments[:1] == ["invite"] and arguments[1:] and arguments[1] not in invitations.COMMANDS:
        return ["invite", "to", *arguments[1:]]
    if arguments[:1] == ["backup"] and arguments[1:] and arguments[1] not in safekeeping.COMMANDS:
        return ["backup", "to", *arguments[1:]]
    return arguments


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    silence()
    try:
        given = _name_default(_take_config(_readable(sys.argv[1:] if arguments is None else arguments)))
        typer.main.get_command(app).main(given, prog_name="pli")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    except PliError as error:
        return complain(error)
    except KeyboardInterrupt:
        err.print("stopped")
        return REFUSED
    except Exception as error:  # noqa: BLE001 - a traceback could quote what must not be shown
        err.print(f"error: something unexpected went wrong ({type(error).__name__})", style="bold red")
        err.print("  mend: please report it, with the command but without patients' data")
        return REFUSED
    return DONE


def run_and_exit() -> None:
    """Entry point of the installed command."""
    try:
        harden()
    except PliError as error:
        sys.exit(complain(error))
    sys.exit(main())
