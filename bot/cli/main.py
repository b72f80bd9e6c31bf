"""The command ``pli``: parses, calls one service, prints. No traceback reaches a user."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import typer

from bot.cli.common import DONE, REFUSED, WRONG, choose_config, complain, err, tongue
from bot.cli.ondemand import OnDemand
from bot.cli.usage import UsageError, shown_instead, wrong_use
from bot.errors import PliError, WrongUse
from bot.hardening import harden
from bot.logs import silence

# What stands behind these is a reference or a folder, unless it is one of their own commands.
_OWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "invite": frozenset({"to", "revoke"}),
        "backup": frozenset({"to", "keygen"}),
    }
)

app = typer.Typer(
    name="pli",
    cls=OnDemand,
    help="Appointment reminders that tell nobody but the patient.\n\n"
    "First: pli init DIR. Then: pli --config DIR COMMAND.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    """``pli invite REF`` is ``pli invite to REF``, and ``pli backup DIR`` is ``pli backup to DIR``; so for help."""
    if len(arguments) > 1 and arguments[1] not in _OWN.get(arguments[0], (arguments[1],)):
        return [arguments[0], "to", *arguments[1:]]
    return arguments


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    silence()
    try:
        given = _name_default(_take_config(_readable(sys.argv[1:] if arguments is None else arguments)))
        done = typer.main.get_command(app).main(given, prog_name="pli", standalone_mode=False)
        return done if isinstance(done, int) else DONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    except PliError as error:
        return complain(error)
    except UsageError as error:
        return WRONG if shown_instead(error) else complain(wrong_use(error))
    except (KeyboardInterrupt, typer.Abort):
        err.print(tongue().own("stopped"))
        return REFUSED
    except Exception as error:  # noqa: BLE001 - a traceback could quote what must not be shown
        return complain(
            PliError(
                f"something unexpected went wrong ({type(error).__name__})",
                mend="please report it, with the command but without patients' data",
            )
        )


def run_and_exit() -> None:
    """Entry point of the installed command."""
    try:
        harden()
    except PliError as error:
        sys.exit(complain(error))
    sys.exit(main())
