"""``python -m tests.picture.draw``: draw the stored pictures anew. Look at them before they are kept."""

from __future__ import annotations

import io

from PIL import Image

from bot.domain.values import Language
from bot.picture.scene import HEIGHT, WIDTH
from bot.picture.weeks import draw_weeks
from bot.picture.writing import png
from tests.picture.test_nudges import scenes
from tests.picture.test_nudges import small as nudges
from tests.picture.test_weeks import PICTURES, PRACTICE


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for language in Language:
        with Image.open(io.BytesIO(png(draw_weeks(PRACTICE, language)))) as drawn:
            small = drawn.convert("L").resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX)
        small.quantize(16).save(PICTURES / f"weeks-{language}.png", optimize=True)
        for name, scene in scenes(language).items():
            nudges(scene).quantize(16).save(PICTURES / f"{name}-{language}.png", optimize=True)


if __name__ == "__main__":
    main()
