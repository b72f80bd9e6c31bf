"""Everything that is held of one person, in words and in pages.

1. Each page fits its budget of UTF-8 bytes with its title and foot; nothing is left out but the tail of an over-long
   value, and a page is never parted within an entry.
2. Values are made plain and isolated as in a list (:mod:`config.rendering` 2 and 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.domain.choices import Wishes
from bot.domain.held_data import HeldAnswer, HeldData, HeldPatient, Logged
from bot.domain.records import AnswerState
from bot.domain.telegram import TelegramChat
from bot.domain.templates import Template
from config.catalogue import Catalogue
from config.day_format import day_in_words
from config.rendering import clock, hour, isolate, item, plain

_FRAME_BYTES = 400  # title and foot
_NOTE, _VALUE = 1200, 160

Block = tuple[str, bool]  # a text, and whether it stands apart from what is before it


def pages(held: HeldData, zone: ZoneInfo, catalogue: Catalogue, *, max_bytes: int) -> Sequence[str]:
    """Rule 1."""
    room = max_bytes - _FRAME_BYTES
    found: list[str] = []
    for text, apart in _blocks(held, zone, catalogue):
        joined = ("\n\n" if apart else "\n").join((found[-1], text)) if found else text
        if found and len(joined.encode()) <= room:
            found[-1] = joined
        else:
            found.append(text)
    return found


def framed(
    bodies: Sequence[str], number: int, zone: ZoneInfo, catalogue: Catalogue, *, until: datetime
) -> str:
    """Page ``number`` (from 0) with its title, and how to read on."""
    title = catalogue.fill(Template.DATA, page=str(number + 1), pages=str(len(bodies)))
    foot = [catalogue.fill("part.until", time=clock(until, zone, catalogue))]
    if number + 1 < len(bodies):
        foot.insert(0, catalogue.fill("held.more"))
    return "\n\n".join([title, bodies[number], "\n".join(foot)])


def _blocks(held: HeldData, zone: ZoneInfo, catalogue: Catalogue) -> Iterator[Block]:
    for number, text in enumerate(_about(held, zone, catalogue)):
        yield text, number == 0
    items = [
        item(
            each,
            zone,
            catalogue,
            lead="– ",
            several_patients=len(held.patients) > 1,
            note_cap=_NOTE,
            cap=_VALUE,
        )
        for each in held.appointments
    ]
    yield from _section("appointments", items, catalogue, apart=True)
    yield from _section("answers", [_answer(a, zone, catalogue) for a in held.answers], catalogue)
    yield from _section("waiting", [f"– {_moment(at, zone, catalogue)}" for at in held.waiting], catalogue)
    if held.unsent:
        yield catalogue.fill("held.unsent", count=str(held.unsent)), True
    yield from _section("log", [_logged(each, zone, catalogue) for each in held.log], catalogue)


def _section(
    name: str, entries: Sequence[str], catalogue: Catalogue, *, apart: bool = False
) -> Iterator[Block]:
    """Title and first entry go together."""
    if not entries:
        yield catalogue.fill(f"held.no_{name}"), True
        return
    title, *rest = catalogue.fill(f"held.{name}"), *entries
    yield f"{title}\n{rest[0]}", True
    for entry in rest[1:]:
        yield entry, apart


def _about(held: HeldData, zone: ZoneInfo, catalogue: Catalogue) -> Iterator[str]:
    yield catalogue.fill("held.account", account=_value(held.account, catalogue))
    if held.fingerprint:
        yield catalogue.fill("held.fingerprint", fingerprint=_value(held.fingerprint, catalogue))
    for patient in held.patients:
        yield _patient(patient, catalogue)
    language = held.language.value
    yield catalogue.fill("held.language", language=catalogue.locale.languages.get(language, language))
    if held.consented_at is not None:
        when = _moment(held.consented_at, zone, catalogue)
        yield catalogue.fill("held.consent", when=when, version=held.consent_version)
    yield catalogue.fill("held.reminders_on" if held.reminders_on else "held.reminders_off")
    yield from _wished(held.wishes, catalogue)
    if held.telegram is not None:
        yield from _telegram(held.telegram, zone, catalogue)
    yield catalogue.fill("held.secret")


def _wished(wishes: Wishes, catalogue: Catalogue) -> Iterator[str]:
    """Only what was asked for."""
    if wishes.level is not None:
        yield catalogue.fill("held.wish_level", level=catalogue.fill(f"held.level_{wishes.level}"))
    if wishes.days_before is not None:
        yield catalogue.fill("held.wish_days", days=", ".join(map(str, wishes.days_before)))
    if wishes.confirmed is not None:
        yield catalogue.fill(f"held.wish_confirmed_{wishes.confirmed}")
    if wishes.slots is not None:
        yield catalogue.fill("held.wish_slots", hours=", ".join(hour(s, catalogue) for s in wishes.slots))
    if wishes.quiet is not None:
        begins, ends = hour(wishes.quiet.begins, catalogue), hour(wishes.quiet.ends, catalogue)
        yield catalogue.fill("held.wish_quiet", begins=begins, ends=ends)
    if wishes.daily_cap is not None:
        yield catalogue.fill("held.wish_cap", count=str(wishes.daily_cap))


def _telegram(chat: TelegramChat, zone: ZoneInfo, catalogue: Catalogue) -> Iterator[str]:
    language = chat.language.value
    yield catalogue.fill(
        "held.telegram",
        when=_moment(chat.linked_at, zone, catalogue),
        language=catalogue.locale.languages.get(language, language),
    )
    for level, on in chat.nudge_on:
        name = catalogue.fill(f"held.level_{level}")
        yield catalogue.fill("held.telegram_on", level=name, where=catalogue.fill(f"held.on_{on}"))


def _patient(patient: HeldPatient, catalogue: Catalogue) -> str:
    reference = _value(patient.reference, catalogue)
    if not patient.given_name:
        return catalogue.fill("held.patient", reference=reference)
    name = _value(patient.given_name, catalogue)
    return catalogue.fill("held.patient_named", name=name, reference=reference)


def _answer(answer: HeldAnswer, zone: ZoneInfo, catalogue: Catalogue) -> str:
    when = _moment(answer.at, zone, catalogue)
    what = catalogue.fill(f"held.answer_{answer.kind}")
    state = catalogue.fill("held.answer_open" if answer.state is AnswerState.OPEN else "held.answer_over")
    return catalogue.fill("held.answer", when=when, what=what, state=state)


def _logged(entry: Logged, zone: ZoneInfo, catalogue: Catalogue) -> str:
    what = catalogue.texts.get(f"log.{entry.kind}", entry.kind.value)
    if entry.kind == "released":
        what = catalogue.fill_counted("log.released", entry.count)
    return catalogue.fill("held.logged", when=_moment(entry.at, zone, catalogue), what=what)


def _moment(at: datetime, zone: ZoneInfo, catalogue: Catalogue) -> str:
    day = day_in_words(at.astimezone(zone).date(), "medium", catalogue.locale)
    return catalogue.fill("part.day_and_time", day=day, time=clock(at, zone, catalogue))


def _value(text: str, catalogue: Catalogue) -> str:
    return isolate(plain(text, _VALUE), catalogue)
