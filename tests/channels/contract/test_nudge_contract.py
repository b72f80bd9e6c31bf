"""What every channel that nudges keeps: see :class:`bot.ports.NudgeChannel` and
:class:`bot.ports_telegram.TelegramChannel`.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.messages import Nudge
from bot.domain.telegram import ChatAddress
from bot.domain.trust import Address
from bot.domain.values import Language, TransactionId
from bot.errors import ChannelError
from tests.channels.contract.kits import Goes, Kit, matrix, telegram
from tests.rig.homeserver import RigHomeserver


@pytest.fixture(params=["matrix", "telegram"])
async def kit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kit]:
    if request.param == "telegram":
        async with telegram() as made:
            yield made
        return
    homeserver: RigHomeserver = request.getfixturevalue("homeserver")
    async with matrix(homeserver, tmp_path / "bot") as made:
        yield made


async def refused(kit: Kit, name: str) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        await kit.nudge(name, Nudge(language=Language.FR))
    return caught.value


async def test_a_nudge_is_one_constant_a_language_for_everybody(kit: Kit) -> None:
    """P2, and that the type has no room for text."""
    assert [f.name for f in dataclasses.fields(Nudge)] == ["language"]
    hints = typing.get_type_hints(kit.channel.nudge)  # type: ignore[attr-defined]  # both have it
    names = [name for name in inspect.signature(kit.channel.nudge).parameters if name != "self"]  # type: ignore[attr-defined]  # as above
    assert [hints[name] in (Address, ChatAddress, Nudge, TransactionId) for name in names] == [True] * 3
    for language in Language:
        for name in kit.people:
            await kit.nudge(name, Nudge(language=language))
    ann, ben = [await kit.read(name) for name in kit.people]
    assert ann == ben
    assert len(ann) == len(Language)
    assert await kit.seen("ann") == [kit.constants[language] for language in Language]


async def test_a_named_pause_is_handed_on(kit: Kit) -> None:
    kit.order("ann", Goes.SLOWER)
    error = await refused(kit, "ann")
    assert (error.permanent, error.retry_after, error.unsure) == (False, 2.0, False)


@pytest.mark.parametrize("goes", [Goes.DOWN, Goes.CUT])
async def test_a_server_that_fails_is_a_passing_failure(kit: Kit, goes: Goes) -> None:
    kit.order("ann", goes)
    error = await refused(kit, "ann")
    assert (error.permanent, error.retry_after) == (False, None)
    await kit.nudge("ann", Nudge(language=Language.FR))
    assert await kit.seen("ann") == [kit.constants[Language.FR]]


async def test_a_refusal_for_good_says_so_and_touches_nobody_else(kit: Kit) -> None:
    kit.order("ann", Goes.CLOSED)
    error = await refused(kit, "ann")
    assert (error.permanent, error.unsure) == (True, False)
    await kit.nudge("ben", Nudge(language=Language.EN))
    assert await kit.seen("ben") == [kit.constants[Language.EN]]


@pytest.mark.parametrize("goes", list(Goes))
async def test_no_error_names_anybody(kit: Kit, goes: Goes) -> None:
    kit.order("ann", goes)
    error = await refused(kit, "ann")
    told = f"{error!s} {error!r} {error.args} {error.mend}"
    assert [word for word in kit.secrets() if word in told] == []
