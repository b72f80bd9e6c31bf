"""Which device events are looked at at all. What anybody on the homeserver may send costs a comparison, not a key.

1. Only Olm messages of people who are in a room with the bot.
2. Of one sender at most :data:`MAX_FROM_ONE` in one answer: the rest is dropped. (Synapse puts no more than that
   into an answer altogether, so nobody honest loses any.)
3. Only from a device that its owner lists: made-up ones would each leave an Olm session behind. Where the device
   is not known, the homeserver is asked once an answer; while it does not say, nothing is dropped and the answer is
   read again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from bot.channels.matrix.directory import Directory
from bot.channels.matrix.olm import OLM
from bot.channels.matrix.safejson import JsonObject, as_object, as_text
from bot.domain.values import UserId
from bot.errors import ChannelError

MAX_FROM_ONE: Final = 100

_log = logging.getLogger("pli.matrix.admission")


async def admitted(
    events: Sequence[object], *, people: Collection[UserId], directory: Directory
) -> Sequence[JsonObject]:
    """What of ``events`` is to be decrypted. Raises :class:`ChannelError`."""
    heard: Counter[UserId] = Counter()
    chosen: list[tuple[UserId, str, JsonObject]] = []
    for event in map(as_object, events):
        content, sender = as_object(event.get("content")), UserId(as_text(event.get("sender")))
        if event.get("type") != "m.room.encrypted" or content.get("algorithm") != OLM or sender not in people:
            continue  # rule 1
        heard[sender] += 1
        if heard[sender] <= MAX_FROM_ONE:
            chosen.append((sender, as_text(content.get("sender_key")), event))
    if unknown := {sender for sender, key, _ in chosen if not directory.lists(sender, key)}:
        await _ask(directory, unknown)
    fit = [event for sender, key, event in chosen if directory.lists(sender, key)]
    if dropped := heard.total() - len(fit):
        _log.warning("device events that were not looked at: %d", dropped)
    return fit


async def _ask(directory: Directory, users: Collection[UserId]) -> None:
    """Rule 3."""
    try:
        await directory.refresh(users)
    except ChannelError as error:
        if not error.permanent:
            raise
