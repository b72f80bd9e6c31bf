"""A scene as a file. The same scene is the same bytes; nothing comes from outside of it, the fonts are in it."""

from __future__ import annotations

import base64
import io
from functools import cache
from typing import Final
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from bot.leaflet.sheet import BOLD, FONTS, REGULAR
from bot.picture.scene import HEIGHT, WIDTH, Bar, Label, Scene

_FINER: Final = 4  # drawn so much larger, then averaged: smooth edges
_SCALE: Final = 2  # of the PNG: sharp on paper
_PAPER: Final = "#ffffff"
_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


def svg(scene: Scene) -> bytes:
    """A drawing that needs no other file."""
    faces = "".join(
        f"@font-face{{font-family:Pli;font-weight:{weight};src:url(data:font/ttf;base64,{_embedded(font)})}}"
        for font, weight in ((REGULAR, 400), (BOLD, 700))
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(scene.title)}</title><desc>{escape(scene.told)}</desc>",
        f"<style>{faces}text{{font-family:Pli,sans-serif;white-space:pre}}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{_PAPER}"/>',
    ]
    for shape in scene.shapes:
        match shape:
            case Bar():
                parts.append(
                    f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}"'
                    f' height="{shape.height:.1f}" fill="{shape.colour}"/>'
                )
            case Label():
                parts.append(
                    f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:.1f}"'
                    f' font-weight="{700 if shape.bold else 400}" text-anchor="{shape.anchor}"'
                    f' fill="{shape.colour}">{escape(shape.text)}</text>'
                )
    return "\n".join([*parts, "</svg>", ""]).encode()


def png(scene: Scene) -> bytes:
    """3200 × 2000 pixels."""
    finer = _SCALE * _FINER // 2
    image = Image.new("RGB", (WIDTH * finer, HEIGHT * finer), _PAPER)
    draw = ImageDraw.Draw(image)
    for shape in scene.shapes:
        match shape:
            case Bar():
                right, below = shape.x + shape.width, shape.y + shape.height
                box = [round(side * finer) for side in (shape.x, shape.y, right, below)]
                if box[2] > box[0] and box[3] > box[1]:
                    draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=shape.colour)
            case Label():
                draw.text(
                    (shape.x * finer, shape.y * finer),
                    shape.text,
                    font=_font(BOLD if shape.bold else REGULAR, shape.size * finer),
                    fill=shape.colour,
                    anchor=_ANCHORS[shape.anchor],
                )
    small = image.resize((WIDTH * _SCALE, HEIGHT * _SCALE), Image.Resampling.BOX)
    file = io.BytesIO()
    small.quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def width_of(label: Label) -> float:
    """As it is drawn."""
    font = _font(BOLD if label.bold else REGULAR, label.size)
    return float(font.getlength(label.text))


@cache
def _embedded(font: str) -> str:
    return base64.b64encode((FONTS / f"{font}.ttf").read_bytes()).decode()


@cache
def _font(name: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"{name}.ttf", size, layout_engine=ImageFont.Layout.BASIC)
