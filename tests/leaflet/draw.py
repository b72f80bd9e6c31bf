"""``python -m tests.leaflet.draw``: draw the stored pictures anew. Look at them before they are kept."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.values import Language
from bot.leaflet.page import leaflet_pdf
from tests.leaflet.reading import rendered
from tests.leaflet.test_page import PAGES, VARIANTS, WIDEST


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    for name, shown in {**VARIANTS, "widest": WIDEST}.items():
        for language in Language:
            image = rendered(leaflet_pdf(replace(shown, language=language)), dpi=72).resize((420, 595))
            image.quantize(16).save(PAGES / f"{name}-{language}.png", optimize=True)


if __name__ == "__main__":
    main()
