"""``--plot FILE``: a picture into a new file of ours, as its name says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.errors import WrongUse
from bot.leaflet.paper import paper

if TYPE_CHECKING:
    from bot.picture.scene import Scene

_KINDS = (".png", ".svg")

Plot = Annotated[Path | None, typer.Option(help="Draw a picture into this new file too: .png or .svg.")]


@contextmanager
def drawing(file: Path | None) -> Iterator[Callable[[Callable[[], Scene]], None]]:
    """What draws into ``file``, which is taken first; without one it does nothing. Raises :class:`PliError`.

    It asks for the scene where there is something to draw: the libraries that draw are large.
    """
    if file is None:
        yield lambda _: None
        return
    kind = file.suffix.lower()
    if kind not in _KINDS:
        raise WrongUse("a picture is .png or .svg", mend="name it so: --plot nudges.png")
    with paper(file) as sheet:
        yield lambda scene: sheet.write(drawn(scene(), kind))


def drawn(scene: Scene, kind: str = ".png") -> bytes:
    """The picture's bytes."""
    from bot.picture.writing import png, svg  # noqa: PLC0415 - see above

    return svg(scene) if kind == ".svg" else png(scene)
