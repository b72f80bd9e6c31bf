"""``pli today``, ``unreached``, ``preview``: what is on, whom to telephone, what a patient would see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot.cli.acts import to_call
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.appointment import Detail
from bot.domain.human_dates import take_day
from bot.domain.slots import at_local
from bot.domain.templates import Listed, Template
from bot.domain.values import Language
from bot.errors import Unclear, WrongUse
from bot.services.look_at_days import LookAtDays, Visit
from bot.services.pause_nudges import PauseNudges
from config.staff_words import StaffWords


def register(app: typer.Typer) -> None:
    app.command("today")(today)
    app.command("unreached")(unreached)
    app.command("preview")(preview)


@told
def today(
    day: Annotated[list[str] | None, typer.Argument(help="Another day: tomorrow, 3/12.")] = None,
) -> Reply:
    """List the patients of a day and what is known of each: nudged, opened, answered, to be telephoned.

    Neither hour nor place: the program cannot read them. Example: pli today tomorrow
    """
    here = seat()
    home, say = here.home, words(here.home)
    now, zone = home.clock.now(), home.settings.practice.zone
    chosen = now.astimezone(zone).date()
    if day:
        chosen, rest = take_day(" ".join(day), now=now, zone=zone)
        if rest:
            raise Unclear("rest")
    look = LookAtDays(home.uow, home.import_side().sealer, rules=home.settings.nudge_rules())
    found = look(chosen, chosen, now=now)
    rows = Rows(
        columns=tuple(Column(heading=say(f"today.column.{name}")) for name in ("patient", "state", "call")),
        rows=tuple(
            (v.patient, _state(v, say), say(f"why.{v.to_call.value}") if v.to_call else "") for v in found
        ),
        empty=say("today.none"),
    )
    title = Line(text=say("today.title", day=say.day(chosen)), bold=True)
    parts: tuple[Part, ...] = (
        *paused_lines(PauseNudges(home.uow, home.settings.nudge_rules()), say),
        title,
        rows,
    )
    return Reply(parts=parts, data=[_as_json(v) for v in found], private=True)


def _state(visit: Visit, say: StaffWords) -> str:
    if visit.cancelled:
        return say("today.cancelled")
    if visit.answer is not None:
        return say(f"answer.{visit.answer.value}")
    if visit.opened:
        return say("today.opened")
    return say("today.nudged" if visit.nudged else "today.booked")


def _as_json(visit: Visit) -> dict[str, object]:
    return {
        "id": visit.id,
        "patient": visit.patient,
        "day": visit.day.isoformat(),
        "cancelled": visit.cancelled,
        "nudged": visit.nudged,
        "opened": visit.opened,
        "answer": visit.answer,
        "call": visit.to_call,
    }


@told
def unreached() -> Reply:
    """List whom to telephone: nobody read or answered by the last slot, or no nudge can reach them.

    Example: pli unreached
    """
    here = seat()
    home, say = here.home, words(here.home)
    look = LookAtDays(home.uow, home.import_side().sealer, rules=home.settings.nudge_rules())
    found = look.unreached(now=home.clock.now())
    visits = [(v.patient, v.day, v.to_call) for v in found if v.to_call is not None]
    rows = to_call(visits, say, empty=say("unreached.none"))
    parts: tuple[Part, ...] = (*paused_lines(PauseNudges(home.uow, home.settings.nudge_rules()), say), rows)
    return Reply(parts=parts, data=[_as_json(v) for v in found], private=True)


def paused_lines(pauses: PauseNudges, say: StaffWords) -> Sequence[Line]:
    """What a pause means for all that is listed."""
    state = pauses.state()
    lines = []
    if state.everybody:
        lines.append(Line(text=say("pause.is_on"), bold=True))
    if state.patients:
        lines.append(Line(text=say("pause.is_on_for", patients=", ".join(state.patients))))
    return lines


@told
def preview(
    language: Annotated[str, typer.Argument(help="fr or en; else the practice's language.")] = "",
) -> Reply:
    """Show what a patient would read, on made-up appointments: the nudge, the question, the list, an answer.

    Example: pli preview en
    """
    here = seat()
    home, say = here.home, words(here.home)
    if language not in ("", *Language):
        raise WrongUse("there is no such language", mend="fr or en")
    chosen = Language(language) if language else home.settings.practice.language
    texts, zone = home.words[chosen], home.settings.practice.zone
    now = home.clock.now()
    details = sample(chosen, now.astimezone(zone).date(), zone)
    listed = [Listed(number=n, detail=d) for n, d in enumerate(details, 1)]
    until = now + timedelta(minutes=home.settings.release.redact_after_minutes)
    shown = (
        ("nudge", texts.nudge()),
        ("ask_pin", texts.text(Template.ASK_PIN)),
        ("list", texts.list(listed, several_patients=False, until=until, more=False)),
        (
            "confirmed",
            texts.text(Template.CONFIRMED, appointment=texts.one(details[0], several_patients=False)),
        ),
    )
    parts: list[Part] = [Line(text=say("preview.title"), bold=True)]
    for name, text in shown:
        parts += [Line(text=say(f"preview.{name}"), bold=True), Line(text=text)]
    return Reply(parts=tuple(parts), data=dict(shown))


_SAMPLE = {
    Language.FR: (
        ("Dr Hélène Exemple", "Cabinet, 2e étage", "Apportez votre ordonnance."),
        ("Laboratoire Exemple", "12 rue de l’Exemple", "Venez à jeun."),
    ),
    Language.EN: (
        ("Dr Helen Example", "The surgery, 2nd floor", "Bring your prescription."),
        ("Example Laboratory", "12 Example Street", "Do not eat before you come."),
    ),
}


def sample(language: Language, today_: date, zone: ZoneInfo) -> list[Detail]:
    """Two appointments of nobody, in the days ahead."""
    found = []
    for ahead, (practitioner, place, note) in zip((1, 8), _SAMPLE[language], strict=True):
        start: datetime = at_local(today_ + timedelta(days=ahead), time(9, 40), zone)
        found.append(
            Detail(
                source=f"sample:{ahead}",
                patient="sample",
                start=start.astimezone(UTC),
                end=start + timedelta(minutes=30),
                zone=zone.key,
                practitioner=practitioner,
                place=place,
                note=note,
            )
        )
    return found
