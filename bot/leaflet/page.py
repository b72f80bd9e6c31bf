"""The leaflet's one page: title, four steps, what to allow, fingerprint, whom to call.

1. The whole page is tried in smaller and smaller writing until it fits; below the last of :data:`_SIZES` it is refused.
2. Code, password and telephone are never broken over two lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.errors import WrongUse
from bot.leaflet import drawings
from bot.leaflet.facts import LeafletFacts, contact_link, sign_in_link
from bot.leaflet.sheet import (
    ACCENT,
    BOLD,
    HEIGHT,
    INK,
    MARGIN,
    REGULAR,
    SOFT,
    TINT,
    WHITE,
    WIDTH,
    Colour,
    Sheet,
    Style,
    broken,
    shrunk,
    width_of,
)
from config.catalogue import Catalogue, load
from config.day_format import day_in_words

NAME: Final = "leaflet"  # of the catalogue
_SIZES: Final = (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82)  # of the writing, tried in this order
_FULL: Final = WIDTH - 2 * MARGIN
_TEXT: Final = MARGIN + 78  # left edge of a step's words
_MOST_LINES: Final = 5  # of a homeserver's name
_LEAST_GAP: Final = 3.0
_HELP: Final = 50.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """``qr``: content, and side in points."""

    name: str
    drawing: drawings.Drawing
    qr: tuple[str, float] | None = None


def leaflet_pdf(facts: LeafletFacts) -> bytes:
    """One page of A5. The same facts give the same bytes. Raises :class:`WrongUse` for what cannot be printed."""
    for size in _SIZES:
        trial = _Page(Sheet(dry=True), facts, size)
        height = trial.draw(gap=0.0)
        gap = (HEIGHT - MARGIN - height) / trial.gaps
        if gap >= _LEAST_GAP:
            sheet = Sheet()
            _Page(sheet, facts, size).draw(gap=gap)
            return sheet.bytes()
    raise WrongUse(
        "the names are too long for the leaflet", mend="hand the code over without it: leave --leaflet out"
    )


class _Page:
    """Writes from the top to the bottom; ``gap`` is the white that is left over, shared out between the parts."""

    gaps: Final = 7

    def __init__(self, sheet: Sheet, facts: LeafletFacts, size: float) -> None:
        self._sheet, self._facts, self._size = sheet, facts, size
        self._words: Catalogue = load(facts.language, NAME)

    def draw(self, *, gap: float) -> float:
        """Where the page ends, without its margin."""
        y = self._title(MARGIN) + gap
        for number, step in enumerate(self._steps(), start=1):
            y = self._step(number, step, y) + gap
        y = self._allow(y) + gap
        y = self._compare(y) + gap
        return self._help(y)

    def _steps(self) -> tuple[_Step, ...]:
        facts = self._facts
        contact = contact_link(facts.bot)
        last = _Step(name="type", drawing=drawings.type_code)
        if facts.account is not None:
            return (
                _Step(name="install", drawing=drawings.install),
                _Step(
                    name="sign_in",
                    drawing=drawings.scan,
                    qr=(sign_in_link(facts.account.user), 96),
                ),
                _Step(name="accept", drawing=drawings.accept, qr=(contact, 62)),
                last,
            )
        if facts.relink:
            return (
                _Step(name="new_phone", drawing=drawings.open_app),
                _Step(name="ring", drawing=drawings.bell),
                _Step(name="find", drawing=drawings.accept, qr=(contact, 84)),
                last,
            )
        return (
            _Step(name="own_app", drawing=drawings.open_app),
            _Step(name="contact", drawing=drawings.scan, qr=(contact, 96)),
            _Step(name="greet", drawing=drawings.accept),
            last,
        )

    def _title(self, y: float) -> float:
        name = "title_relink" if self._facts.relink else "title"
        said = self._text(name)
        style = shrunk(said, self._style(21, BOLD, ACCENT, leading=1.1), _FULL, smallest=12)
        y = self._sheet.lines(MARGIN, y, [said], style, width=_FULL)
        return self._sheet.paragraph(
            MARGIN, y + 2, self._text("lead"), self._style(10.5, colour=SOFT), width=_FULL
        )

    def _step(self, number: int, step: _Step, top: float) -> float:
        sheet = self._sheet
        sheet.rule(top + 1, TINT)
        y = top + 8
        sheet.pen(MARGIN, y, 20, ACCENT).circle(12, 12, 12, fill=ACCENT, stroke=0)
        sheet.centred(MARGIN, y + 10, str(number), Style(size=13, font=BOLD, colour=WHITE), width=20)
        step.drawing(sheet.pen(MARGIN + 27, y, 42, ACCENT))
        width = WIDTH - MARGIN - _TEXT
        ends = [y + 42]
        if step.qr is not None:
            content, side = step.qr[0], step.qr[1] * self._size
            sheet.qr(WIDTH - MARGIN - side, y - 4, side, content)
            ends.append(y - 4 + side)
            width -= side + 6
        below = sheet.paragraph(
            _TEXT,
            y - 1,
            self._text(f"{step.name}.do"),
            self._style(13, BOLD, ACCENT, leading=1.15),
            width=width,
        )
        how = "type.how_relink" if step.name == "type" and self._facts.relink else f"{step.name}.how"
        below = sheet.paragraph(_TEXT, below + 2, self._text(how), self._style(10.5), width=width)
        if step.name == "sign_in":
            below = self._sign_in(below + 3, width)
        elif step.name == "contact":
            below = self._named(below + 2, "", self._facts.bot, width)
        ends.append(below)
        y = max(ends)
        return self._code(y + 6) if step.name == "type" else y + 3

    def _sign_in(self, y: float, width: float) -> float:
        """What is typed: account and password on a line each, and where to, should the link not work."""
        account = self._facts.account
        if account is None:
            return y
        label = self._style(9, colour=SOFT)
        for name, value in (("account", account.name), ("password", account.password.reveal())):
            said = self._text(name)
            style = shrunk(value, self._style(12.5, BOLD), width, smallest=8)
            self._sheet.text(_TEXT, y + label.size, said, label, width=width)
            y += label.size + 2
            self._sheet.text(_TEXT, y + style.size, value, style, width=width)
            y += style.size + 4
        return self._named(y, self._text("server"), self._facts.server, width)

    def _named(self, y: float, name: str, value: str, width: float) -> float:
        """A homeserver's name in small writing, broken where it must be."""
        style = self._style(8.5, colour=SOFT)
        lines = [f"{name} {value}".strip()]
        if width_of(lines[0], style) > width:
            lines = [*filter(None, [name]), *broken(value, style, width)]
        if len(lines) > _MOST_LINES:
            raise WrongUse(
                "the homeserver's name is too long for the leaflet",
                mend="hand the code over without it: leave --leaflet out",
            )
        return self._sheet.lines(_TEXT, y, lines, style, width=width)

    def _code(self, y: float) -> float:
        """The one-time code in a box over the whole width, and how long it holds."""
        facts, sheet = self._facts, self._sheet
        height = 50.0
        sheet.box(MARGIN, y, _FULL, height, TINT, radius=6)
        groups = facts.code.reveal().split("-")
        inner = _FULL - 20
        spaced = Style(size=25, font=BOLD, colour=INK)
        one = max(width_of(group, spaced) for group in groups)
        gap = 15.0
        size = min(spaced.size, spaced.size * (inner - gap * (len(groups) - 1)) / (one * len(groups)))
        style = Style(size=size, font=BOLD, colour=INK)
        one = max(width_of(group, style) for group in groups)
        x = MARGIN + (_FULL - one * len(groups) - gap * (len(groups) - 1)) / 2
        for group in groups:
            sheet.centred(x, y + 20, group, style, width=one)
            x += one + gap
        until = day_in_words(facts.expires.astimezone(facts.zone).date(), "long", self._words.locale)
        said = self._words.fill("code.holds", until=until)
        small = shrunk(said, self._style(9, colour=SOFT), inner, smallest=7)
        sheet.centred(MARGIN, y + 41, said, small, width=_FULL)
        return y + height + 3

    def _allow(self, y: float) -> float:
        sheet = self._sheet
        sheet.rule(y + 1, TINT)
        said, style = self._text("allow.do"), self._style(11, BOLD, ACCENT, leading=1.2)
        wide = width_of(said, style)
        sheet.lines(MARGIN, y + 6, [said], style, width=wide)
        also = self._style(9.5, colour=SOFT, leading=style.line / (9.5 * self._size))
        y = sheet.lines(MARGIN + wide + 8, y + 7, [self._text("allow.also")], also, width=_FULL - wide - 8)
        third = _FULL / 3
        ends = [y + 26]
        shown = (("bell", drawings.bell), ("battery", drawings.battery), ("pause", drawings.awake))
        for number, (name, drawing) in enumerate(shown):
            x = MARGIN + number * third
            drawing(sheet.pen(x, y + 4, 22, ACCENT))
            end = y + 2.5
            for part, font in ((f"allow.{name}", REGULAR), (f"allow.{name}.set", BOLD)):
                style = self._style(10, font, leading=1.2)
                end = sheet.paragraph(x + 28, end, self._text(part), style, width=third - 30)
            ends.append(end)
        return max(ends) + 3

    def _compare(self, y: float) -> float:
        """The master key, for whoever wants to be sure whom they write to."""
        style = self._style(8.5, colour=SOFT, leading=1.2)
        y = self._sheet.paragraph(MARGIN, y, self._text("compare"), style, width=_FULL)
        key = shrunk(self._facts.fingerprint, self._style(10, BOLD), _FULL, smallest=6)
        return self._sheet.lines(MARGIN, y + 1, [self._facts.fingerprint], key, width=_FULL)

    def _help(self, y: float) -> float:
        sheet = self._sheet
        sheet.box(MARGIN, y, _FULL, _HELP, ACCENT, radius=6)
        inner = _FULL - 28
        asked = shrunk(self._text("help"), Style(size=12, colour=WHITE), inner, smallest=9)
        phone = shrunk(self._facts.phone, Style(size=21, font=BOLD, colour=WHITE), inner, smallest=6)
        sheet.centred(MARGIN + 14, y + 14, self._text("help"), asked, width=inner)
        sheet.centred(MARGIN + 14, y + 34, self._facts.phone, phone, width=inner)
        return y + _HELP

    def _text(self, name: str) -> str:
        return self._words.fill(name, minimum=str(self._facts.min_digits))

    def _style(
        self, size: float, font: str = REGULAR, colour: Colour = INK, *, leading: float = 1.25
    ) -> Style:
        return Style(size=size * self._size, font=font, colour=colour, leading=leading)
