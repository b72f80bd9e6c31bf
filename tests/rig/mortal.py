"""``python -m tests.rig.mortal POINT NTH ARMED …``: ``pli``, killed by SIGKILL when it passes POINT.

The product knows nothing of it: the functions are wrapped from outside, before the command starts. Only passes while
the file ARMED exists are counted; at the NTH the process kills itself, as a power cut would, between two instructions.

==================  =====================================================================================
point               where
==================  =====================================================================================
before-claim        nudges are due and chosen; the claim is not committed
after-claim         the claim is committed; nothing has left
after-encrypt       one message is encrypted; it has not been sent
after-put           the homeserver has answered for one message; nothing of it is written down
before-sharing      room keys are encrypted and the sessions' new state is stored; they have not left
after-sharing       room keys were accepted by the homeserver; the process does not know it yet
storing-token       the new sync token is written beside the old one, which it has not replaced
after-vault         the vault has counted, compared and answered; nobody has been told
==================  =====================================================================================
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bot.channels.matrix import send, wire
from bot.channels.matrix.http import Http
from bot.cli.main import main
from bot.domain.records import OutboxKind
from bot.services.deliver import Deliver
from storage.outbox import OutboxRows
from storage.vault import Vault

Wrapped = Callable[..., Any]


class Fate:
    """Counts the passes."""

    def __init__(self, nth: int, armed: Path) -> None:
        self._left, self._armed = nth, armed

    def passed(self) -> None:
        if not self._armed.exists():
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _after(
    owner: object, name: str, fate: Fate, *, when: Callable[..., bool] = lambda *_, **__: True
) -> None:
    """Pass once ``owner.name`` has returned. ``when`` sees the result and the arguments."""
    inner: Wrapped = getattr(owner, name)

    @functools.wraps(inner)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = inner(*arguments, **named)
        if when(result, *arguments, **named):
            fate.passed()
        return result

    setattr(owner, name, wrapped)


def _around_async(
    owner: object,
    name: str,
    fate: Fate,
    *,
    before: bool = False,
    when: Callable[..., bool] = lambda *_, **__: True,
) -> None:
    """Pass ``before`` the call, or once it has been answered. ``when`` sees the arguments."""
    inner: Wrapped = getattr(owner, name)

    @functools.wraps(inner)
    async def wrapped(*arguments: Any, **named: Any) -> Any:
        meant = when(*arguments, **named)
        if before and meant:
            fate.passed()
        result = await inner(*arguments, **named)
        if not before and meant:
            fate.passed()
        return result

    setattr(owner, name, wrapped)


def _are_nudges(rows: Sequence[object], *_: object, kinds: Sequence[OutboxKind], **__: object) -> bool:
    return bool(rows) and tuple(kinds) == (OutboxKind.NUDGE,)


def _works(claimed: tuple[int, Sequence[object]], *_: object) -> bool:
    return bool(claimed[1])


def _is_message(_: Http, method: str, path: str, *__: object, **___: object) -> bool:
    return method == "PUT" and "/send/m.room.encrypted/" in path


def _storing_token(fate: Fate) -> None:
    inner = Path.replace

    def wrapped(self: Path, target: Path) -> Path:
        if self.name == "sync.json.new":
            fate.passed()
        return inner(self, target)

    Path.replace = wrapped  # type: ignore[method-assign, assignment]  # narrower than pathlib's: what the bot uses


def _after_vault(fate: Fate) -> None:
    for name in ("unlock", "unlock_and_stage"):
        _after(Vault, name, fate)


POINTS: Final[dict[str, Callable[[Fate], None]]] = {
    "before-claim": lambda fate: _after(OutboxRows, "claim", fate, when=_are_nudges),
    "after-claim": lambda fate: _after(Deliver, "_claim_nudges", fate, when=_works),
    "after-encrypt": lambda fate: _after(wire, "checked", fate),
    "after-put": lambda fate: _around_async(Http, "call", fate, when=_is_message),
    "before-sharing": lambda fate: _around_async(send, "send_to_device", fate, before=True),
    "after-sharing": lambda fate: _around_async(send, "send_to_device", fate),
    "storing-token": _storing_token,
    "after-vault": _after_vault,
}


def run(arguments: Sequence[str]) -> int:
    """The exit code, where the process lives to give one."""
    point, nth, armed, *rest = arguments
    POINTS[point](Fate(int(nth), Path(armed)))
    return main(list(rest))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
