"""What Telegram saw is judged whole: a constant more, a word more, another field, and it is strange."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from bot.demo.calendar import ZONE
from bot.demo.stage import Stage
from bot.demo.telegram_saw import Request, constants, judge
from bot.demo.verdict import Verdict
from bot.demo.words_en import ENGLISH
from bot.domain.telegram import TelegramSentence
from bot.domain.values import Language
from config.wording import PracticeFacts, Wording

BOT, TOKEN = "@messages:pli.localhost", "12345:token"
FACTS = PracticeFacts(name="Cabinet", phone="01", zone=ZONE, min_digits=6)
WORDS = {language: Wording(language, FACTS) for language in Language}
ALLOWED = constants(WORDS, BOT)


def request(method: str, *, path: str = "", **values: Any) -> Request:
    body = json.dumps(values).encode()
    return Request(method=method, path=path or f"/bot{TOKEN}/{method}", body=body, values=values)


def sent(text: str, **values: Any) -> Request:
    told: dict[str, Any] = {
        "chat_id": "6120457893",
        "text": text,
        "protect_content": True,
        "link_preview_options": {"is_disabled": True},
    }
    return request("sendMessage", **{**told, **values})


def notice(language: Language, **values: Any) -> Request:
    button = {"text": WORDS[language].telegram_button(), "url": f"https://matrix.to/#/{BOT}"}
    keyboard = {"inline_keyboard": [[button]]}
    return sent(WORDS[language].telegram_nudge(), **{"reply_markup": keyboard, **values})


HELP = WORDS[Language.EN].telegram_text(TelegramSentence.HELP)
POLL: dict[str, Any] = {
    "timeout": "25",
    "offset": "702",
    "allowed_updates": ["message", "edited_message", "my_chat_member"],
}


def test_rules_1_and_2_what_pli_sends_is_counted_by_language() -> None:
    saw = judge(
        [
            request("getMe"),
            request("deleteWebhook", drop_pending_updates=False),
            request("getUpdates", **POLL),
            notice(Language.EN),
            notice(Language.EN, chat_id="77"),
            notice(Language.FR),
            sent(HELP),
            request("deleteMessage", chat_id="77", message_id="4"),
        ],
        ALLOWED,
        TOKEN,
    )
    assert not saw.strange
    told = {lang: (bodies.total(), len(bodies)) for lang, bodies in saw.notices.items()}
    assert told == {Language.EN: (2, 1), Language.FR: (1, 1)}
    assert saw.sentences[Language.EN].total() == 1
    assert saw.calls.keys() == {"getMe", "deleteWebhook", "getUpdates", "deleteMessage"}


@pytest.mark.parametrize(
    "strange",
    [
        sent("Votre bilan est demain."),
        sent(f"{HELP} "),
        sent(HELP, parse_mode="HTML"),
        sent(HELP, protect_content=False),
        sent(HELP, chat_id="Odette"),
        sent(HELP, reply_markup=ALLOWED.buttons[Language.EN]),
        notice(Language.EN, reply_markup=ALLOWED.buttons[Language.FR]),
        notice(Language.EN, reply_markup=constants(WORDS, "@p-7:pli.localhost").buttons[Language.EN]),
        request("sendMessage", text=HELP),
        request("sendDocument", chat_id="77", document="file"),
        request("deleteMessage", chat_id="77", message_id="4", note="PIN"),
        request("deleteMessage", message_id="4"),
        request("getUpdates", **{**POLL, "offset": "702 Odette"}),
        request("getUpdates", **{**POLL, "allowed_updates": ["poll"]}),
        request("getUpdates", **{**POLL, "chat_id": "77"}),
        request("getMe", who="Odette"),
        request("getMe", path=f"/bot{TOKEN}/getMe?who=Odette"),
    ],
    ids=lambda each: f"{each.path[-15:]} {list(each.values)}"[:60],
)
def test_rule_1_anything_else_is_strange_and_bad(strange: Request) -> None:
    saw = judge([notice(Language.EN), strange], ALLOWED, TOKEN)
    assert saw.strange.total() == 1
    assert not judged(notice(Language.EN), strange).good
    assert judged(notice(Language.EN)).good


def judged(*requests: Request) -> Verdict:
    verdict = Verdict(Stage(Console(record=True, width=100, quiet=True), ENGLISH.headings), ENGLISH)
    verdict.telegram(judge(requests, ALLOWED, TOKEN))
    return verdict


def test_rule_2_without_a_notice_nothing_is_shown() -> None:
    assert not judged(sent(HELP), request("getMe")).good


def test_rule_2_two_bodies_in_one_language_are_bad() -> None:
    other = notice(Language.EN)
    padded = replace(other, body=other.body + b" ")
    assert not judge([padded], ALLOWED, TOKEN).strange
    assert not judged(other, padded).good
    assert judged(padded, notice(Language.FR)).good
