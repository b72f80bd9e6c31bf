"""A leaflet as others see it: rendered by PDFium, its words read by pypdf, its QR codes by ZXing."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pypdf
import pypdfium2
import zxingcpp
from PIL import Image

from bot.domain.values import Language, Secret, UserId
from bot.leaflet.facts import Account, LeafletFacts

A5_MM = (148, 210)
POINTS_PER_MM = 72 / 25.4
Box = tuple[float, float, float, float]


def facts(**changed: Any) -> LeafletFacts:
    values: dict[str, Any] = {
        "language": Language.FR,
        "bot": UserId("@accueil:messages.example.org"),
        "master_key": "q7Pb0ZVxGmT3nRk2yD5sWf8LhJcA1uEoXiN4vQ9tYzM",
        "code": Secret("7K3M-Q9WX-4TFB-2HJN-8VRC"),
        "expires": datetime(2026, 12, 9, 23, 30, tzinfo=UTC),
        "zone": ZoneInfo("Europe/Paris"),
        "phone": "01 23 45 67 89",
        "min_digits": 6,
        "account": Account(
            user=UserId("@p-7f3kq9wzt4hbm2xd:messages.example.org"), password=Secret("hk7m-q9wx-4tfb-zjn8")
        ),
    }
    return LeafletFacts(**values | changed)


def words(pdf: bytes) -> str:
    """All that is written on the only page, its white space made equal."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    return " ".join(reader.pages[0].extract_text().split())


def rendered(pdf: bytes, *, dpi: int = 200) -> Image.Image:
    page = pypdfium2.PdfDocument(pdf)[0]
    image: Image.Image = page.render(scale=dpi / 72).to_pil()
    return image.convert("L")


def qr_codes(pdf: bytes) -> list[str]:
    """What a camera reads, from the top to the bottom."""
    found = zxingcpp.read_barcodes(rendered(pdf))
    return [code.text for code in sorted(found, key=lambda c: c.position.top_left.y)]


def text_boxes(pdf: bytes) -> list[Box]:
    """Left, bottom, right, top of every run of words, in points from the lower left corner."""
    text = pypdfium2.PdfDocument(pdf)[0].get_textpage()
    boxes: list[Box] = [text.get_rect(number) for number in range(text.count_rects())]
    return boxes
