"""The scenes in which Telegram sees something: a link, a notice, a PIN in the wrong place, and the end of it."""

from __future__ import annotations

import json
from typing import Any, Final

from rich.text import Text

from bot.app import Installation
from bot.demo.leaks import Canary
from bot.demo.phone import Phone
from bot.demo.stage import PATIENT, TELEGRAM, excerpt, lines, typed
from bot.demo.telegram_saw import Constants, Request, constants
from bot.demo.teller import Teller
from bot.demo.words import Kind
from bot.domain.telegram import TelegramSentence
from config.settings import FILE_NAME, load

_POLL: Final = "getUpdates"


class TelegramScenes(Teller):
    """Odette's."""

    async def telegram_is_on(self) -> Text:
        """Wait until the bot listens there; what Telegram saw of that."""
        await self.telegram.listened_to()
        self.ledger.secrets += [
            Canary(kind="token", text=self.telegram.token),
            Canary(kind="chat", text=str(self.telegram.chat)),
        ]
        return self._seen_there()

    async def link_telegram(self, odette: Phone, pin: str) -> None:
        w = self.words
        self.scene(w.telegram, telegram=True)
        await self.say(odette, w.typed.telegram)
        await self.hear(odette, Kind.ASK_PIN)
        event = await self.say(odette, pin)
        told = await self.hear(odette, Kind.TELEGRAM, pin=event)
        _, _, token = told.partition("?start=")
        self.happened(token)
        token = token.split()[0]
        self.ledger.secrets.append(Canary(kind="link", text=token))
        self._say_there(f"/start {token}")
        await self._hear_there()
        (hidden,) = self.stolen("SELECT hex(chat_enc) FROM telegram_chat")
        event, text = await self.listen(odette, Kind.TELEGRAM)
        self.show_message(event, text)
        self.stage.row(outside=self.at_rest(w.chat_at_rest, hidden))

    async def notice_there(self) -> None:
        """The notice that came in the conversation as well."""
        await self._hear_there(rings=True)

    async def wrong_place(self, odette: Phone, pin: str) -> None:
        self.scene(self.words.wrong_place, telegram=True)
        message = self._say_there(pin)
        await self.telegram.gone(message)
        await self._hear_there(gone=True)
        event, text = await self.listen(odette, Kind.TELEGRAM)
        self.show_message(event, text)

    async def nobody_there(self) -> None:
        """After she left: her chat is a stranger's."""
        (left,) = self.stolen("SELECT count(*) FROM telegram_chat")
        self.happened(left == 0)
        self._say_there(self.words.typed.thanks, outside=self.words.no_chat)
        said = await self._hear_there()
        self.happened(
            said == self._installation.words[self.words.language].telegram_text(TelegramSentence.STRANGER)
        )

    def rest_of_telegram(self) -> None:
        """What it saw since, while the programs stopped."""
        if seen := self._seen_there():
            self.stage.row(telegram=seen)

    @property
    def constants(self) -> Constants:
        return constants(self._installation.words, self.bot_user)

    @property
    def _installation(self) -> Installation:
        return Installation(load(self.folder.practice / FILE_NAME))

    # -- in the app, and behind it ----------------------------------------------------------------------------------

    def _say_there(self, text: str, *, outside: Text | str = "") -> int:
        message = self.telegram.say(text, self.words.language.value)
        self.stage.row(
            patient=lines(self._label, typed(text)),
            outside=outside,
            telegram=lines(self.words.she_typed, excerpt(text, self.stage.column), style=TELEGRAM),
        )
        return message

    async def _hear_there(self, *, rings: bool = False, gone: bool = False) -> str:
        text, button = await self.telegram.hear()
        above = [Text(f"♪ {self.words.rings}", style=f"bold {PATIENT}")] if rings else []
        below = [Text(self.words.button.format(label=button), style=f"bold {PATIENT}")] if button else []
        if gone:
            below.append(Text(self.words.gone_there, style="dim"))
        self.stage.row(
            patient=lines(self._label, *above, Text(text, style=PATIENT), *below), telegram=self._seen_there()
        )
        return text

    @property
    def _label(self) -> Text:
        return Text(self.words.in_telegram, style="dim")

    def _seen_there(self) -> Text:
        """Every request that came since this was asked last, whole, but for what a poll repeats."""
        before, news = self.telegram.news()
        polls = [request for request in before if request.method == _POLL]
        shown: list[Text] = []
        for request in news:
            last = polls[-1] if polls and request.method == _POLL else None
            shown.append(self._request(request, last))
            if request.method == _POLL:
                polls.append(request)
        return Text("\n").join(shown)

    def _request(self, request: Request, last: Request | None) -> Text:
        known: dict[str, Any] = dict(last.values) if last is not None else {}
        new = {name: value for name, value in request.values.items() if known.get(name) != value}
        told = [f"{name}: {_readable(value)}" for name, value in new.items()]
        if last is not None:
            told.append(self.words.repeated)
        return lines(Text(f"/bot…/{request.method}", style=f"bold {TELEGRAM}"), *told, style=TELEGRAM)


def _readable(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
