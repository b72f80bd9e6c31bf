"""A page of A5 on which nothing can be written outside of its place.

Lengths are points, measured from the upper left corner. A dry sheet measures and draws nothing.

1. What does not fit is refused (:class:`bot.errors.WrongUse`), never cut and never written over something else.
2. A character that the fonts do not have is refused, never printed as an empty box.
3. The same sheet is the same bytes: no time, no author, nothing from elsewhere; both fonts are in it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import segno
from reportlab.lib.pagesizes import A5
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from bot.errors import WrongUse

WIDTH, HEIGHT = A5
MARGIN: Final = 28.0
REGULAR, BOLD = "AtkinsonHyperlegible-Regular", "AtkinsonHyperlegible-Bold"
FONTS: Final = Path(__file__).parent / "fonts"

Colour = tuple[float, float, float]
INK: Colour = (0.10, 0.11, 0.13)
SOFT: Colour = (0.33, 0.36, 0.40)
ACCENT: Colour = (0.05, 0.27, 0.40)
TINT: Colour = (0.91, 0.945, 0.965)
WHITE: Colour = (1.0, 1.0, 1.0)

_QUIET = 4  # modules of white around a QR code, by its standard
_OVERLAP = 1.02  # of a row of modules with the one above: no hairlines between them either
_SLACK = 0.01
_CAP_HEIGHT = 0.668  # of Atkinson Hyperlegible, in its size


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    size: float
    font: str = REGULAR
    colour: Colour = INK
    leading: float = 1.25

    @property
    def line(self) -> float:
        return self.size * self.leading


@cache
def _characters(font: str) -> frozenset[int]:
    """Registers ``font``; the characters that it has."""
    made = TTFont(font, str(FONTS / f"{font}.ttf"))
    pdfmetrics.registerFont(made)
    return frozenset(made.face.charToGlyph)


def width_of(text: str, style: Style) -> float:
    """Raises :class:`WrongUse` (rule 2)."""
    if any(ord(character) not in _characters(style.font) for character in text):
        raise WrongUse(
            "a character cannot be printed on the leaflet",
            mend="write [practice] phone with digits and spaces, the homeserver's name in Latin letters",
        )
    return float(pdfmetrics.stringWidth(text, style.font, style.size))


def wrapped(text: str, style: Style, width: float) -> list[str]:
    """Lines of at most ``width``, broken at spaces; no-break spaces hold. A longer word makes a longer line."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(longer, style) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def broken(text: str, style: Style, width: float) -> list[str]:
    """As :func:`wrapped`, for a name: broken behind dots and hyphens, or wherever the line is full."""
    lines = [""]
    for part in re.findall(r"[^.-]*[.-]?", text):
        if lines[-1] and width_of(lines[-1] + part, style) > width:
            lines.append("")
        for character in part:
            if lines[-1] and width_of(lines[-1] + character, style) > width:
                lines.append("")
            lines[-1] += character
    return lines


def shrunk(text: str, style: Style, width: float, *, smallest: float) -> Style:
    """``style`` in the largest size, not below ``smallest``, in which ``text`` is one line of ``width``."""
    size = min(style.size, style.size * width / max(width_of(text, style), _SLACK))
    return Style(size=max(size, smallest), font=style.font, colour=style.colour, leading=style.leading)


def _canvas(file: io.BytesIO) -> Canvas:
    first: Any = REGULAR  # the stubs take a font's name for a number
    return Canvas(file, pagesize=A5, invariant=1, pageCompression=1, initialFontName=first)


class Sheet:
    """One page. ``dry``: measures only."""

    def __init__(self, *, dry: bool = False) -> None:
        self._file = io.BytesIO()
        _characters(REGULAR)  # registered: otherwise the page names a font that it does not carry
        self._canvas = None if dry else _canvas(self._file)

    def bytes(self) -> bytes:
        """The finished page (rule 3). Once."""
        if self._canvas is None:
            raise WrongUse("a dry sheet has no bytes")
        for say_nothing in (
            self._canvas.setTitle,
            self._canvas.setAuthor,
            self._canvas.setSubject,
            self._canvas.setCreator,
            self._canvas.setProducer,
        ):
            say_nothing("")
        self._canvas.showPage()
        self._canvas.save()
        return self._file.getvalue()

    def text(self, x: float, y: float, text: str, style: Style, *, width: float) -> None:
        """One line with its baseline at ``y``, at most ``width`` wide. Raises :class:`WrongUse` (rule 1)."""
        if width_of(text, style) > width + _SLACK:
            raise WrongUse("something is too long for the leaflet", mend="shorten [practice] phone")
        self._within(x, y - style.size * 0.9, x + width, y + style.size * 0.25)
        if self._canvas is None:
            return
        self._canvas.setFillColorRGB(*style.colour)
        self._canvas.setFont(style.font, style.size)
        self._canvas.drawString(x, HEIGHT - y, text)

    def lines(self, x: float, y: float, lines: Sequence[str], style: Style, *, width: float) -> float:
        """Lines below ``y``; where they end."""
        for line in lines:
            self.text(x, y + style.size * 0.95, line, style, width=width)
            y += style.line
        return y

    def paragraph(self, x: float, y: float, text: str, style: Style, *, width: float) -> float:
        """Wrapped below ``y``; where it ends."""
        return self.lines(x, y, wrapped(text, style, width), style, width=width)

    def centred(self, x: float, y: float, text: str, style: Style, *, width: float) -> None:
        """One line in the middle of ``width``, its capitals in the middle of ``y``."""
        wide = width_of(text, style)
        self.text(x + (width - wide) / 2, y + style.size * _CAP_HEIGHT / 2, text, style, width=wide)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, *, radius: float) -> None:
        self._within(x, y, x + width, y + height)
        if self._canvas is not None:
            self._canvas.setFillColorRGB(*colour)
            self._canvas.roundRect(x, HEIGHT - y - height, width, height, radius, stroke=0, fill=1)

    def rule(self, y: float, colour: Colour) -> None:
        if self._canvas is not None:
            self._canvas.setStrokeColorRGB(*colour)
            self._canvas.setLineWidth(0.6)
            self._canvas.line(MARGIN, HEIGHT - y, WIDTH - MARGIN, HEIGHT - y)

    def qr(self, x: float, y: float, side: float, content: str) -> None:
        """``content`` in a square of ``side``, its white border included; a sixth of it may be dirty."""
        self._within(x, y, x + side, y + side)
        code = segno.make_qr(content, error="m", boost_error=False)
        modules = [bytes(row) for row in code.matrix]
        one = side / (len(modules) + 2 * _QUIET)
        if self._canvas is None:
            return
        self.box(x, y, side, side, WHITE, radius=0)
        path = self._canvas.beginPath()
        for down, row in enumerate(modules, start=_QUIET):
            start = 0
            while (start := row.find(1, start)) >= 0:  # a run at a time: no hairlines between its modules
                end = next((i for i in range(start, len(row)) if not row[i]), len(row))
                top = HEIGHT - y - (down + 1) * one
                path.rect(x + (start + _QUIET) * one, top, (end - start) * one, one * _OVERLAP)
                start = end
        self._canvas.setFillColorRGB(0, 0, 0)
        self._canvas.drawPath(path, stroke=0, fill=1)

    def pen(self, x: float, y: float, side: float, colour: Colour) -> Pen:
        """Draws in a square of 24 × 24."""
        self._within(x, y, x + side, y + side)
        return Pen(self._canvas, x, y, side / 24, colour)

    def _within(self, left: float, top: float, right: float, bottom: float) -> None:
        """Rule 1. A dry sheet has no end."""
        edge = MARGIN - _SLACK
        lowest = HEIGHT - edge if self._canvas else bottom
        if left < edge or top < edge or right > WIDTH - edge or bottom > lowest:
            raise WrongUse("the leaflet is too full", mend="shorten [practice] phone")


class Pen:
    """Round lines of one width; ``fill`` shapes are filled with their own colour and outlined."""

    def __init__(self, canvas: Canvas | None, x: float, y: float, unit: float, colour: Colour) -> None:
        self._canvas, self._x, self._y, self._unit, self._colour = canvas, x, y, unit, colour

    def lighter(self) -> Pen:
        """The same place in white: what sets two lines apart."""
        return Pen(self._canvas, self._x, self._y, self._unit, WHITE)

    def line(self, *points: tuple[float, float], width: float = 1.5) -> None:
        """A line through ``points``."""
        if self._canvas is None:
            return
        path = self._canvas.beginPath()
        path.moveTo(*self._at(*points[0]))
        for point in points[1:]:
            path.lineTo(*self._at(*point))
        self._begin(width)
        self._canvas.drawPath(path, stroke=1, fill=0)

    def curve(self, *points: tuple[float, float], fill: Colour | None = None, width: float = 1.5) -> None:
        """A start and, three by three, the points of Bézier curves."""
        if self._canvas is None:
            return
        path = self._canvas.beginPath()
        path.moveTo(*self._at(*points[0]))
        for number in range(1, len(points) - 2, 3):
            path.curveTo(
                *self._at(*points[number]), *self._at(*points[number + 1]), *self._at(*points[number + 2])
            )
        if fill is not None:
            path.close()
        self._begin(width, fill)
        self._canvas.drawPath(path, stroke=1, fill=int(fill is not None))

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        radius: float = 0,
        fill: Colour | None = None,
        stroke: float = 1.5,
    ) -> None:
        if self._canvas is None:
            return
        left, bottom = self._at(x, y + height)
        u = self._unit
        self._begin(stroke, fill)
        self._canvas.roundRect(
            left,
            bottom,
            width * u,
            height * u,
            radius * u,
            stroke=int(stroke > 0),
            fill=int(fill is not None),
        )

    def circle(
        self, x: float, y: float, radius: float, *, fill: Colour | None = None, stroke: float = 1.5
    ) -> None:
        if self._canvas is None:
            return
        self._begin(stroke, fill)
        u = self._unit
        self._canvas.circle(*self._at(x, y), radius * u, stroke=int(stroke > 0), fill=int(fill is not None))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._x + x * self._unit, HEIGHT - self._y - y * self._unit

    def _begin(self, width: float, fill: Colour | None = None) -> None:
        if self._canvas is None:
            return
        self._canvas.setStrokeColorRGB(*self._colour)
        self._canvas.setLineWidth(width * self._unit)
        self._canvas.setLineCap(1)
        self._canvas.setLineJoin(1)
        if fill is not None:
            self._canvas.setFillColorRGB(*fill)
