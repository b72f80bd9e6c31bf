"""Small drawings of what to do, each on a square of 24 × 24."""

from __future__ import annotations

from collections.abc import Callable

from bot.leaflet.sheet import ACCENT, TINT, WHITE, Pen

Drawing = Callable[[Pen], None]


def install(pen: Pen) -> None:
    """A telephone, and an arrow into it."""
    _phone(pen)
    pen.line((12, 6.2), (12, 13.8), width=1.9)
    pen.line((8.9, 10.9), (12, 14), (15.1, 10.9), width=1.9)
    pen.line((8.7, 17), (15.3, 17), width=1.9)


def open_app(pen: Pen) -> None:
    """A telephone with a speech bubble."""
    _phone(pen)
    pen.rectangle(7.8, 6, 8.4, 6, radius=1.6, fill=WHITE, stroke=1.2)
    pen.line((9.6, 12), (9.6, 14.4), (12.2, 12), width=1.2)
    for x in (10, 12, 14):
        pen.circle(x, 9, 0.6, fill=ACCENT, stroke=0)


def scan(pen: Pen) -> None:
    """A telephone that looks at a QR code."""
    _phone(pen)
    for x, y in ((8.1, 7.2), (12.7, 7.2), (8.1, 11.8)):
        pen.rectangle(x, y, 3.2, 3.2, stroke=0.9, fill=WHITE)
        pen.rectangle(x + 1.05, y + 1.05, 1.1, 1.1, stroke=0, fill=ACCENT)
    for x, y in ((12.6, 11.8), (14.9, 11.8), (13.75, 13), (12.6, 14.2), (14.9, 14.2)):
        pen.rectangle(x, y, 1.1, 1.1, stroke=0, fill=ACCENT)
    for x, y, right, down in ((1, 3, 1, 1), (23, 3, -1, 1), (1, 19.5, 1, -1), (23, 19.5, -1, -1)):
        pen.line((x, y + 3 * down), (x, y), (x + 3 * right, y), width=1.3)


def accept(pen: Pen) -> None:
    """A speech bubble with a tick."""
    pen.curve(
        *((4.6, 3), (3.1, 3), (2, 4.1), (2, 5.6)),
        *((2, 5.6), (2, 14.4), (2, 14.4)),
        *((2, 15.9), (3.1, 17), (4.6, 17)),
        *((4.6, 17), (6.2, 17), (6.2, 17)),
        *((6.2, 17), (6.2, 21.6), (6.2, 21.6)),
        *((6.2, 21.6), (11, 17), (11, 17)),
        *((11, 17), (19.4, 17), (19.4, 17)),
        *((20.9, 17), (22, 15.9), (22, 14.4)),
        *((22, 14.4), (22, 5.6), (22, 5.6)),
        *((22, 4.1), (20.9, 3), (19.4, 3)),
        *((19.4, 3), (4.6, 3), (4.6, 3)),
        fill=TINT,
    )
    pen.line((7.8, 10.2), (10.9, 13.2), (16.4, 7), width=2.2)


def type_code(pen: Pen) -> None:
    """A line that is being typed, above a keyboard."""
    pen.rectangle(1.5, 2, 21, 7.6, radius=2.4, fill=TINT)
    for x in (5.6, 9, 12.4):
        pen.circle(x, 5.8, 1.05, fill=ACCENT, stroke=0)
    pen.line((15.8, 3.9), (15.8, 7.7), width=1.3)
    for y in (12.4, 15.9, 19.4):
        for x in (3, 7.9, 12.8, 17.7):
            pen.rectangle(x, y, 3.4, 2.2, radius=0.7, stroke=0, fill=ACCENT)


def bell(pen: Pen) -> None:
    """A ringing bell."""
    pen.curve(
        *((4.5, 17), (6.6, 15), (6.2, 12.4), (6.2, 10.2)),
        *((6.2, 6.6), (8.6, 4.2), (12, 4.2)),
        *((15.4, 4.2), (17.8, 6.6), (17.8, 10.2)),
        *((17.8, 12.4), (17.4, 15), (19.5, 17)),
        fill=WHITE,
        width=1.8,
    )
    pen.line((12, 2.4), (12, 4.2), width=1.8)
    pen.curve((9.9, 19.6), (10.3, 21.4), (13.7, 21.4), (14.1, 19.6), width=1.8)
    pen.curve((3, 8.5), (3.2, 6.3), (4, 4.6), (5.2, 3.2), width=1.4)
    pen.curve((21, 8.5), (20.8, 6.3), (20, 4.6), (18.8, 3.2), width=1.4)


def battery(pen: Pen) -> None:
    """A full battery."""
    pen.rectangle(2, 7, 17.5, 10.5, radius=2, fill=WHITE, stroke=1.8)
    pen.line((22, 10.6), (22, 13.9), width=2)
    for x in (4.6, 9.3, 14):
        pen.rectangle(x, 9.6, 3, 5.3, radius=0.5, stroke=0, fill=ACCENT)


def awake(pen: Pen) -> None:
    """A sleeper's Z and z, crossed out."""
    for x, y, side in ((2.6, 8.6, 8.6), (14.2, 3.4, 6.2)):
        pen.line((x, y), (x + side, y), (x, y + side), (x + side, y + side), width=2)
    pen.lighter().line((3.4, 3.4), (20.6, 20.6), width=5.2)
    pen.line((3.4, 3.4), (20.6, 20.6), width=1.9)


def _phone(pen: Pen) -> None:
    pen.rectangle(5.2, 1, 13.6, 22, radius=2.4, fill=TINT)
    pen.line((10.6, 20.4), (13.4, 20.4), width=1.2)
