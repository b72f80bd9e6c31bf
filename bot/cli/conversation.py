"""``pli conversation draw``: the transition table as a picture."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.domain.conversation_picture import draw as draw_table
from bot.errors import WrongUse

group = typer.Typer(no_args_is_help=True, help="The conversation with patients.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="conversation")


@group.command("draw")
def draw(format: Annotated[str, typer.Option(help="mermaid or dot.")] = "mermaid") -> None:  # noqa: A002 - the option's name
    """Print the conversation's table as a diagram.

    Example: pli conversation draw --format dot
    """
    if format not in ("mermaid", "dot"):
        raise WrongUse("--format is mermaid or dot")
    typer.echo(draw_table("dot" if format == "dot" else "mermaid"))
