"""``pli answers``: what patients confirmed, cancelled or asked to move."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from bot.app import Installation
from bot.cli.common import Json, installation, print_json, say, table
from bot.errors import WrongUse
from bot.services.record_answer import Answer, ReadAnswers

group = typer.Typer(invoke_without_command=True, help="What patients answered.")
WORDS = {"confirmed": "confirms", "cancelled": "cannot come", "move": "asks to move"}


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="answers")


def _service(home: Installation) -> ReadAnswers:
    return ReadAnswers(home.uow, home.import_side().sealer)


@group.callback()
def answers(
    ctx: typer.Context,
    since: Annotated[str, typer.Option(help="YYYY-MM-DD or a time; answers received since then.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are done or no longer hold.")
    ] = False,
    json: Json = False,
) -> None:
    """List what patients answered and nobody has dealt with yet.

    Example: pli answers --since 2026-12-01; then: pli answers done ID
    """
    if ctx.invoked_subcommand is not None:
        return
    home = installation()
    found = _service(home)(now=home.clock.now(), since=_since(since, home), everything=everything)
    zone = home.settings.practice.zone
    if json:
        print_json([_as_json(a) for a in found])
        return
    rows = [
        [a.id, WORDS[a.answer.value], a.patient, _local(a.at), a.with_, a.text]
        if a.readable
        else [a.id, "cannot be opened with this practice's key", "", "", "", ""]
        for a in found
    ]
    table(["id", "answer", "patient", "appointment", "with", "text"], rows, empty="no open answers")
    if found:
        say(f"times in {zone.key}; when the agenda is right again: pli answers done ID")


def _as_json(a: Answer) -> dict[str, object]:
    return {
        "id": a.id,
        "source": a.source,
        "patient": a.patient,
        "answer": a.answer.value,
        "at": a.at,
        "with": a.with_,
        "text": a.text,
        "state": a.state.value,
        "received": a.received.isoformat(timespec="seconds"),
        "readable": a.readable,
    }


def _local(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M") if at else ""


def _since(text: str, home: Installation) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUse("--since is not a day or a time", mend="write it like 2026-12-01") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=home.settings.practice.zone)).astimezone(UTC)


@group.command("done")
def done(answer: Annotated[str, typer.Argument(metavar="ID", help="As listed.")], json: Json = False) -> None:
    """Close an answer: the agenda is right again.

    Example: pli answers done w-abcd…
    """
    home = installation()
    _service(home).done(answer.strip(), now=home.clock.now())
    if json:
        print_json({"done": answer.strip()})
    else:
        say("done")
