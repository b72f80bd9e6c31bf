"""Long polling; rules by number are those of :mod:`bot.channels.telegram.listening`."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.telegram.health import Health
from bot.channels.telegram.listening import Polling
from bot.domain.telegram import Asked, Blocked, Elsewhere, Started, Typed
from bot.errors import StorageError
from tests.rig.bot_api import FLOOD, BotApi, Json, Trouble, membership, refusal
from tests.rig.waiting import until
from tests.telegram.kit import ANN, BEN, Ears, Wire, wired
from tests.telegram.test_wire_reading import UPDATES


async def rounds(polling: Polling, ears: Ears, number: int) -> None:
    for _ in range(number):
        await polling.once(ears)


async def test_what_people_do_is_heard_in_its_order(api: BotApi, wire: Wire) -> None:
    api.types(ANN.chat, "/start Zm9vYmFyYmF6-_1234567Q")
    api.types(BEN.chat, "hello")
    api.types(ANN.chat, "/stop")
    api.blocks(BEN.chat)
    api.push({"my_chat_member": membership(-5, "member", kind="group")})
    api.push({"poll": {"id": "1"}})
    ears = Ears()
    await rounds(wire.polling(), ears, 2)
    assert [type(thing) for thing in ears.things] == [Started, Typed, Asked, Blocked, Elsewhere]
    assert wire.told == [Health.CONNECTED]
    assert api._updates.keys() == {706}, "all that was asked for is confirmed"


async def test_as_little_as_possible_is_asked_for(api: BotApi, wire: Wire) -> None:
    await rounds(wire.polling(), Ears(), 1)
    assert [r.method for r in api.requests] == ["getMe", "deleteWebhook", "getUpdates"]
    assert api.of("getUpdates")[0].values["allowed_updates"] == [
        "message",
        "edited_message",
        "my_chat_member",
    ]
    assert api.of("deleteWebhook")[0].values == {"drop_pending_updates": False}


async def test_rule_1_what_the_storage_refused_comes_again_and_nothing_before_it(
    api: BotApi, wire: Wire
) -> None:
    for _ in range(3):
        api.types(ANN.chat, "/help")
    ears, polling = Ears(), wire.polling()
    ears.errors = []
    calls = 0

    async def refusing(update: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StorageError("full")
        await ears(update)  # type: ignore[arg-type]  # the same update

    with pytest.raises(StorageError):
        await polling.once(refusing)
    assert ears.numbers == [701]
    await polling.once(refusing)
    assert ears.numbers == [701, 702, 703]


async def test_rule_1_a_crash_before_the_next_round_loses_nothing(api: BotApi) -> None:
    api.types(ANN.chat, "/stop")
    for expected in ([701], [701]):  # the second life hears it again: it was not confirmed
        async with wired(api) as wire:
            ears = Ears()
            await rounds(wire.polling(), ears, 1)
            assert ears.numbers == expected
    async with wired(api) as wire:
        ears, polling = Ears(), wire.polling()
        await rounds(polling, ears, 1)
        await polling.stop()
    async with wired(api) as wire:
        ears = Ears()
        await rounds(wire.polling(), ears, 1)
        assert ears.numbers == []


async def test_rule_1_any_order_and_repeats(api: BotApi, wire: Wire) -> None:
    api.shuffled = api.repeats = True
    for _ in range(30):
        api.types(ANN.chat, "/help")
    ears = Ears()
    await rounds(wire.polling(), ears, 6)
    assert ears.numbers == list(range(701, 731)), "rule 3: each once, in its order"


async def test_numbers_that_begin_anew_are_heard(api: BotApi, wire: Wire) -> None:
    """The documentation: after a week without updates the next number is drawn by chance."""
    ears, polling = Ears(), wire.polling()
    api.types(ANN.chat, "/help")
    await rounds(polling, ears, 3)
    api.push({"update_id": 12, "my_chat_member": membership(ANN.chat, "kicked")})
    await rounds(polling, ears, 2)
    assert ears.numbers == [701, 12]


async def test_rule_2_what_a_handler_fails_at_stops_no_other(
    api: BotApi, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        api.types(ANN.chat, "482916")
    ears = Ears(errors=[RuntimeError("482916")])
    with caplog.at_level(logging.DEBUG, logger="pli"):
        await rounds(wire.polling(), ears, 2)
    assert ears.numbers == [702]
    ours = [r for r in caplog.records if r.name.startswith("pli") and r.levelno >= logging.ERROR]
    assert [r.__dict__["error"] for r in ours] == ["RuntimeError"]
    assert all("482916" not in r.getMessage() and r.exc_info is None for r in ours)


async def test_rule_2_what_cannot_be_read_is_passed_over(api: BotApi, wire: Wire) -> None:
    junk: list[Json] = [
        {"message": "x"},
        {"message": {"chat": {"id": "1", "type": "private"}}},
        {"message": {"chat": []}},
        {"my_chat_member": {"chat": {"id": 5, "type": "private"}, "new_chat_member": 7}},
    ]
    for raw in junk:
        api.push(raw)
    api.types(ANN.chat, "/help")
    ears = Ears()
    await rounds(wire.polling(), ears, 2)
    assert ears.numbers == [705]


@pytest.mark.parametrize("result", [{"x": 1}, "x", None, [1, None, {"update_id": "9"}], [[]]])
async def test_rule_2_an_answer_that_is_no_list_of_updates(api: BotApi, wire: Wire, result: object) -> None:
    api.trouble("getUpdates", Trouble(answer={"ok": True, "result": result}))
    api.types(ANN.chat, "/help")
    ears = Ears()
    await rounds(wire.polling(), ears, 2)
    assert ears.numbers == [701]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(UPDATES, max_size=4))
async def test_rule_2_no_update_stops_the_next_one(updates: list[Json]) -> None:
    """Through the library's own HTTP client: never raises, and whoever comes afterwards is heard."""
    async with BotApi(chats={ANN.chat}) as api, wired(api) as wire:
        api.trouble("getUpdates", Trouble(answer={"ok": True, "result": updates}))
        ears, polling = Ears(), wire.polling()
        await polling.once(ears)
        api._number = 2**41  # above those of the fuzz: Telegram gives each number once
        api.types(ANN.chat, "/help")
        await rounds(polling, ears, 2)
        assert isinstance(ears.things[-1], Asked)
        assert wire.line.health is Health.CONNECTED


async def test_rule_4_a_second_poller_is_told_of_and_tried_against_slowly(
    api: BotApi, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired(api) as other:
        polling, rival = Polling(wire.line, pause=wire.pauses, poll_seconds=30), other.polling()
        waiting = asyncio.create_task(polling.once(Ears()))

        async def asked() -> bool:
            return bool(api.of("getUpdates"))

        await until(asked, "the first poll")
        with caplog.at_level(logging.INFO, logger="pli.telegram"):
            await rival.once(Ears())
            await waiting
    assert wire.told == [Health.CONNECTED, Health.CONFLICT]
    assert wire.pauses.taken == [60.0]
    assert any("another program takes" in r.getMessage() for r in caplog.records)
    api.types(ANN.chat, "/help")
    await polling.once(Ears())
    assert wire.line.health is Health.CONNECTED


async def test_rule_4_somebodys_webhook_is_a_conflict_too(api: BotApi, wire: Wire) -> None:
    polling = wire.polling()
    await rounds(polling, Ears(), 1)
    api.webhook = {"url": "https://elsewhere.example"}
    await rounds(polling, Ears(), 1)
    assert wire.told[-1] is Health.CONFLICT
    await rounds(polling, Ears(), 1)
    assert (wire.line.health, api.webhook) == (Health.CONNECTED, {})


async def test_rule_4_a_revoked_token_is_asked_about_every_five_minutes(api: BotApi, wire: Wire) -> None:
    api.revoked = True
    polling = wire.polling()
    await rounds(polling, Ears(), 3)
    assert wire.pauses.taken == [300.0] * 3
    assert len(api.requests) == 3
    assert wire.told == [Health.REVOKED]
    api.revoked = False
    await rounds(polling, Ears(), 1)
    assert wire.told == [Health.REVOKED, Health.CONNECTED]


async def test_an_outage_is_waited_out_with_growing_pauses(api: BotApi, wire: Wire) -> None:
    polling = wire.polling()
    await rounds(polling, Ears(), 1)
    api.trouble("getUpdates", *[refusal(502, "Bad Gateway")] * 8)
    await rounds(polling, Ears(), 8)
    assert wire.told == [Health.CONNECTED, Health.AWAY]
    lower = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(low <= took <= low * 1.25 for low, took in zip(lower, wire.pauses.taken, strict=True))
    await rounds(polling, Ears(), 1)
    assert wire.line.health is Health.CONNECTED


async def test_a_pause_that_telegram_names_is_kept_and_says_nothing_of_the_line(
    api: BotApi, wire: Wire
) -> None:
    polling = wire.polling()
    await rounds(polling, Ears(), 1)
    api.trouble("getUpdates", refusal(429, f"{FLOOD} 45", retry_after=45))
    await rounds(polling, Ears(), 1)
    assert wire.pauses.taken == [45.0]
    assert wire.line.health is Health.CONNECTED
