"""What a picture is made of. Pure values; lengths in pixels of the smaller size, from the upper left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WIDTH, HEIGHT = 1600, 1000

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A filled rectangle; ``colour`` as ``#rrggbb``."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """One line of text on the baseline ``y``."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    bold: bool = False
    anchor: Anchor = "start"


Shape = Bar | Label


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """``told``: the same in words, for whoever does not see it."""

    title: str
    told: str
    shapes: tuple[Shape, ...]
