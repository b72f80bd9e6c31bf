"""``pli answers``: what patients confirmed, cancelled or asked to move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot.app import Installation
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.human_dates import read_since
from bot.domain.records import AnswerState
from bot.domain.staff import MemberId
from bot.errors import Refused
from bot.services.record_answer import Answer, ReadAnswers
from config.staff_words import StaffWords

IN_ROOM = 30  # answers at once

group = typer.Typer(invoke_without_command=True, help="What patients answered.")


class LastLists:
    """In the room: which answer a number meant, in the last list that each member asked for."""

    def __init__(self) -> None:
        self.ids: dict[MemberId, tuple[str, ...]] = {}


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="answers")


def _service(home: Installation) -> ReadAnswers:
    return ReadAnswers(home.uow, home.import_side().sealer)


@group.callback()
@told
def answers(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option(help="3/12, yesterday, 2026-12-03: answers received since then.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are done or no longer hold.")
    ] = False,
) -> Reply | None:
    """List what patients answered and nobody has dealt with yet.

    Example: pli answers --since yesterday; then: pli answers done ID
    """
    if ctx.invoked_subcommand is not None:
        return None
    here = seat()
    home, say = here.home, words(here.home)
    found = _service(home)(now=home.clock.now(), since=_since(since, home), everything=everything)
    shown = found[:IN_ROOM] if here.in_room else found
    if here.member is not None:
        here.memory.of(LastLists).ids[here.member.id] = tuple(a.id for a in shown)
    zone = home.settings.practice.zone
    rows = Rows(
        columns=tuple(
            Column(heading=say(f"answers.column.{name}"), named=name in ("source", "text"))
            for name in ("id", "answer", "patient", "at", "with", "source", "text")
        ),
        rows=tuple(
            (str(number) if here.in_room else a.id, *_cells(a, say, zone))
            for number, a in enumerate(shown, 1)
        ),
        empty=say("answers.none"),
    )
    parts: list[Part] = [rows]
    if (left := len(found) - len(shown)) > 0:
        parts.append(Line(text=say.count("answers.more", left)))
    if found:
        parts.append(Line(text=say("answers.done_how")))
    return Reply(parts=tuple(parts), data=[_as_json(a) for a in found], private=True)


def _cells(a: Answer, say: StaffWords, zone: ZoneInfo) -> tuple[str, ...]:
    """``source`` is the agenda's own identity: what the secretary looks for in her agenda."""
    if not a.readable:
        return (say("answers.unreadable"), "", "", "", "", "")
    at = say.moment(datetime.fromisoformat(a.at), zone) if a.at else ""
    told_ = say(f"answer.{a.answer.value}")
    if a.state is not AnswerState.OPEN:
        told_ += f" ({say('answers.closed' if a.state is AnswerState.DONE else 'answers.void')})"
    return (told_, a.patient, at, a.with_, a.source, a.text)


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


def _since(text: str, home: Installation) -> datetime | None:
    return read_since(text, now=home.clock.now(), zone=home.settings.practice.zone) if text else None


@group.command("done")
@told
def done(answer: Annotated[str, typer.Argument(metavar="ID", help="As listed.")]) -> Reply:
    """Close an answer: the agenda is right again.

    Example: pli answers done w-abcd…
    """
    here = seat()
    chosen = answer.strip()
    if here.member is not None:
        chosen = _meant(here.memory.of(LastLists).ids.get(here.member.id, ()), chosen)
    _service(here.home).done(chosen, now=here.home.clock.now())
    said = Line(text=words(here.home)("answers.done", answer=answer.strip()))
    return Reply(parts=(said,), data={"done": chosen})


def _meant(listed: Sequence[str], number: str) -> str:
    """Raises :class:`Refused`: a number means the list that this member was shown."""
    if not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= len(listed):
        raise Refused("no answer with this number in your last list", mend="ask for it again: answers")
    return listed[int(number) - 1]
