"""What ``pli doctor`` finds out about the bot on Telegram. Looks only.

1. Whoever searches Telegram reads the bot's name and description, and whoever looks at a telephone its name and
   picture: none of the words may tell what it is for, nor name the practice. A picture cannot be read by us: somebody
   has to look.
2. The bot can be put into no group.
3. Where it listens nobody else does: no webhook while it polls, and no other one than its own.
4. No finding quotes a name, a description or an address.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.app import Installation
from bot.domain.telling import telling
from bot.domain.values import Language
from bot.errors import ChannelError, PliError

if TYPE_CHECKING:
    from bot.channels.telegram.line import Line

_LEAST: Final = 4  # letters of a practice's name that are looked for


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """``mend`` is empty where all is well."""

    name: str
    found: str
    mend: str = ""


class Bad(Exception):
    """A check failed; what was found, and the mend."""

    def __init__(self, found: str, mend: str) -> None:
        super().__init__(found)
        self.found, self.mend = found, mend


async def examine_telegram(home: Installation) -> list[Finding]:
    """Each check on its own; where the token does not work, the others say so too."""
    checks: tuple[tuple[str, Callable[[Installation, Line], Awaitable[str]]], ...] = (
        ("Telegram: token", _token),
        ("Telegram: groups", _groups),
        ("Telegram: what strangers see", _seen),
        ("Telegram: who listens", _listens),
    )
    return [await _one(home, name, check) for name, check in checks]


async def _one(
    home: Installation, name: str, check: Callable[[Installation, Line], Awaitable[str]]
) -> Finding:
    try:
        async with _line(home) as line:
            return Finding(name=name, found=await check(home, line))
    except Bad as bad:
        return Finding(name=name, found=bad.found, mend=bad.mend)
    except ChannelError as error:
        return _no_answer(name, revoked=str(error) == "Telegram: revoked")
    except PliError as error:
        return Finding(name=name, found=str(error), mend=error.mend or "see the checks above")


def _no_answer(name: str, *, revoked: bool) -> Finding:
    bad = Bad("Telegram does not answer", "let this machine reach it, or check [telegram] api_url")
    if revoked:
        bad = Bad("the token is refused", "get a new one from @BotFather, into [telegram] token_file")
    return Finding(name=name, found=bad.found, mend=bad.mend)


@asynccontextmanager
async def _line(home: Installation) -> AsyncIterator[Line]:
    from bot.channels.telegram.line import Line  # noqa: PLC0415 - without a token the library is not loaded

    line = Line(token=home.telegram_token(), api_url=home.settings.telegram.api_url)
    try:
        yield line
    finally:
        await line.api.close_connections()


async def _token(home: Installation, line: Line) -> str:  # noqa: ARG001 - all checks are asked alike
    await line.greet()
    return "it works"


async def _groups(home: Installation, line: Line) -> str:  # noqa: ARG001 - as above
    """Rule 2."""
    if (await line.call(line.api.get_me)).can_join_groups is not False:
        raise Bad("it can be put into groups", "tell @BotFather: /setjoingroups, Disable")
    return "it can be put into none"


async def _seen(home: Installation, line: Line) -> str:
    """Rule 1."""
    me = await line.call(line.api.get_me)
    if _tells(home, [me.username or ""]):
        raise Bad(
            "the account's name tells what it is for", "it stays for good: make another bot with @BotFather"
        )
    texts = [me.first_name, me.last_name or ""]
    for language in (None, *Language):
        code = language.value if language else None
        name = await line.call(lambda code=code: line.api.get_my_name(language_code=code))  # type: ignore[misc]
        long = await line.call(lambda code=code: line.api.get_my_description(language_code=code))  # type: ignore[misc]
        short = await line.call(lambda code=code: line.api.get_my_short_description(language_code=code))  # type: ignore[misc]
        texts += [name.name, long.description, short.short_description]
    if _tells(home, texts):
        raise Bad(
            "its name or description tells what it is for",
            "make them neutral with @BotFather: /setname, /setdescription, /setabouttext",
        )
    photos = await line.call(lambda: line.api.get_user_profile_photos(me.id, limit=1))
    return (
        "neutral words; it has a picture: look at it yourself"
        if photos.total_count
        else "neutral words, no picture"
    )


def _tells(home: Installation, texts: list[str]) -> bool:
    practice = _letters(home.settings.practice.name)
    named = len(practice) >= _LEAST and any(practice in _letters(text) for text in texts)
    return named or any(telling(text) for text in texts)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


async def _listens(home: Installation, line: Line) -> str:
    """Rule 3."""
    url = (await line.call(line.api.get_webhook_info)).url
    chosen = home.settings.telegram
    if chosen.mode == "polling" and url:
        raise Bad(
            "a webhook is set, so nothing can be asked for",
            "start the bot, which takes it away; if it comes back somebody else has the token: make a new one",
        )
    if chosen.mode == "webhook" and url != chosen.webhook_url:
        raise Bad(
            "its webhook is not the one of [telegram] webhook_url",
            "start the bot, which sets it; if that does not last somebody else has the token: make a new one",
        )
    return "nobody else, as far as Telegram says"
