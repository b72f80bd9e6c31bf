"""Which device events are looked at at all. What anybody on the homeserver may send costs a comparison, not a key.

1. Only Olm messages of people who are in a room with the bot.
2. Of one sender at most :data:`MAX_FROM_ONE` in one answer: the rest is dropped. (Synapse puts no more than that
   into an answer altogether, so nobody honest loses any.)
3. Only from a device that its owner lists: made-up ones would each leave an Olm session behind. Where the device is
   not known, the homeserver is asked; while it does not say, the answer is read again, :data:`_TRIES` times at most.
4. One person's devices about which nothing true is said stop nobody else: what comes from them waits, in bounded
   memory, and is looked at when they are listed after all. A key is not lost because a list had vanished for a while.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

from bot.channels.matrix.directory import Directory
from bot.channels.matrix.olm import OLM
from bot.channels.matrix.safejson import JsonObject, as_object, as_text
from bot.domain.values import UserId
from bot.errors import ChannelError

MAX_FROM_ONE: Final = 100
MAX_WAITING_FROM_ONE: Final = 20
_TRIES: Final = 3
_ANSWER_SECONDS: Final = 5.0
_ASK_AGAIN_SECONDS: Final = 60.0

_log = logging.getLogger("pli.matrix.admission")


class Admission:
    """Remembers what waits for its device to be listed (rule 4)."""

    def __init__(self, directory: Directory, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._monotonic = monotonic
        self._waiting: dict[UserId, deque[JsonObject]] = {}
        self._asked_at: dict[UserId, float] = {}
        self._silences: Counter[UserId] = Counter()

    async def admitted(self, events: Sequence[object], *, people: Collection[UserId]) -> Sequence[JsonObject]:
        """What of ``events``, and of what waited, is to be decrypted. Raises :class:`ChannelError`."""
        for gone in self._waiting.keys() - set(people):
            del self._waiting[gone]
        chosen = [event for waiting in self._waiting.values() for event in waiting]
        heard: Counter[UserId] = Counter()
        for event in map(as_object, events):
            content, sender = as_object(event.get("content")), _sender(event)
            if (
                event.get("type") != "m.room.encrypted"
                or content.get("algorithm") != OLM
                or sender not in people
            ):
                continue  # rule 1
            heard[sender] += 1
            if heard[sender] <= MAX_FROM_ONE:
                chosen.append(event)
        await self._ask({_sender(event) for event in chosen if not self._is_listed(event)})
        self._waiting.clear()
        fit = []
        for event in chosen:
            if self._is_listed(event):
                fit.append(event)
            else:
                self._waiting.setdefault(_sender(event), deque(maxlen=MAX_WAITING_FROM_ONE)).append(event)
        if (missed := heard.total() - len(fit)) > 0:  # what had waited comes on top
            _log.warning("device events that were not looked at: %d", missed)
        return fit

    def _is_listed(self, event: JsonObject) -> bool:
        return self._directory.lists(_sender(event), as_text(as_object(event["content"]).get("sender_key")))

    async def _ask(self, users: Collection[UserId]) -> None:
        """Rules 3 and 4. Each on their own: the silence about one says nothing of the others."""
        now = self._monotonic()
        self._asked_at = {u: at for u, at in self._asked_at.items() if now - at < _ASK_AGAIN_SECONDS}
        asked = [u for u in users if u not in self._asked_at or self._directory.stale([u])]
        silent = {
            u
            for u, said in zip(asked, await asyncio.gather(*map(self._says, asked)), strict=True)
            if not said
        }
        for user in asked:
            self._silences[user] = self._silences[user] + 1 if user in silent else 0
        if any(self._silences[user] < _TRIES for user in silent):
            raise ChannelError("the homeserver said nothing about a sender's devices", permanent=False)
        self._asked_at |= dict.fromkeys(asked, now)

    async def _says(self, user: UserId) -> bool:
        try:
            await asyncio.wait_for(self._directory.refresh([user]), _ANSWER_SECONDS)
        except TimeoutError:
            return False
        except ChannelError as error:
            return error.permanent
        return True


def _sender(event: JsonObject) -> UserId:
    return UserId(as_text(event.get("sender")))
