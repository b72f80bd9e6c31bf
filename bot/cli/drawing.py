"""``--plot FILE``: a picture into a new file of ours, as its name says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bot.errors import WrongUse
from bot.leaflet.paper import paper
from bot.picture.scene import Scene
from bot.picture.writing import png, svg

_WRITERS = {".png": png, ".svg": svg}

Plot = Annotated[Path | None, typer.Option(help="Draw a picture into this new file too: .png or .svg.")]


@contextmanager
def drawing(file: Path | None) -> Iterator[Callable[[Scene], None]]:
    """What draws into ``file``, which is taken first; without one it does nothing. Raises :class:`PliError`."""
    if file is None:
        yield lambda _: None
        return
    write = _WRITERS.get(file.suffix.lower())
    if write is None:
        raise WrongUse("a picture is .png or .svg", mend="name it so: --plot nudges.png")
    with paper(file) as sheet:
        yield lambda scene: sheet.write(write(scene))
