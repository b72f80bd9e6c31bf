"""The process dies at any point between two stores while a message is handled; then it starts again.

Points are every commit of the database and every call of the key ring, each just before and just after. After the
start the message is delivered again, as the homeserver does. P4 and P9; rule 2 of :mod:`bot.services.converse`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.domain.messages import Incoming
from bot.domain.records import OutboxKind, OutboxState, RecipientState
from bot.services.invite_recipient import Invited
from bot.services.reconcile_stores import ReconcileStores
from tests.services.kit import OTHER_PIN, PIN, WRONG_PIN, Person, Practice, entry


class Killed(BaseException):
    """SIGKILL, as far as one message can tell."""


@dataclass
class Points:
    """Counts the points that are passed, and dies at one of them."""

    at: int
    passed: int = 0

    def step(self) -> None:
        if self.passed == self.at:
            self.passed += 1
            raise Killed
        self.passed += 1


class MortalUow:
    """A unit of work whose commit has a point before and after it."""

    def __init__(self, inner: Any, points: Points) -> None:
        self._inner, self._points = inner, points

    def __enter__(self) -> MortalUow:
        self._inner.__enter__()
        return self

    def __exit__(self, *arguments: Any) -> None:
        self._inner.__exit__(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self) -> None:
        self._points.step()
        self._inner.commit()
        self._points.step()


class MortalKeys:
    """A key ring with a point before and after each call that touches the vault."""

    def __init__(self, inner: Any, points: Points) -> None:
        self._inner, self._points = inner, points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in ("unlock", "rewrap", "settle", "destroy"):
            return found

        def call(*arguments: Any) -> Any:
            self._points.step()
            try:
                return found(*arguments)
            finally:
                self._points.step()

        return call


def start_again(practice: Practice, keys: Any) -> None:
    """As ``pli run`` does: the database decides between two generations, and the outbox is put right."""
    practice.wrap_uow, practice.keys = lambda uow: uow, keys
    practice.start_bot()
    ReconcileStores(practice.uow, keys, practice.enrol)(practice.now)
    practice.deliver.recover()


async def crashes(
    folder: Path,
    before: Callable[[Practice], Awaitable[tuple[Person, str]]],
    after: Callable[[Practice, Person, str], Awaitable[None]],
) -> int:
    """Die at every point in turn; how many there are."""
    for at in range(100):
        (folder / str(at)).mkdir()
        practice = Practice(folder / str(at))
        try:
            person, text = await before(practice)
            points, keys = Points(at), practice.keys
            practice.wrap_uow = lambda uow, points=points: MortalUow(uow, points)  # type: ignore[misc]  # bound now
            memories = practice.converse._memories
            practice.keys = MortalKeys(keys, points)  # type: ignore[assignment]  # stands for it
            practice.start_bot()
            practice.converse._memories |= memories
            practice.channel.sent.clear()
            incoming: Incoming = person.message(text)
            try:
                await practice.converse.handle(incoming)
            except Killed:
                start_again(practice, keys)
                await practice.converse.handle(incoming)
            else:
                return at
            practice.clock.moment += practice.delay
            await practice.send_replies()
            assert [s for s in practice.channel.sent if s.kind in ("private", "open")], (
                f"silence after point {at}"
            )
            assert not [r for r in practice.outbox() if r.state in (OutboxState.HELD, OutboxState.CLAIMED)]
            await after(practice, person, text)
        finally:
            practice.close()
    raise AssertionError("the points never end")


async def enrolled(practice: Practice) -> Person:
    anna = await practice.enrolled()
    practice.take(entry())
    return anna


async def still_opens(person: Person, pin: str = PIN) -> None:
    assert "10:00" in await person.read(pin)
    assert person.practice.keys.tries_left(person.recipient.id) == 10


async def test_while_a_code_is_redeemed(tmp_path: Path) -> None:
    codes: list[Invited] = []

    async def before(practice: Practice) -> tuple[Person, str]:
        codes.append(practice.invite())
        return practice.person(), codes[-1].code.reveal()

    async def after(practice: Practice, person: Person, text: str) -> None:
        assert await person.say(text) in (["reply.consent"], ["reply.code_known,reply.consent_ask"])
        practice.take(entry())
        await person.say("yes")
        await person.say(PIN)
        await person.say(PIN)
        await still_opens(person)

    assert await crashes(tmp_path, before, after) >= 6


async def test_while_the_first_pin_is_set(tmp_path: Path) -> None:
    codes: list[Invited] = []

    async def before(practice: Practice) -> tuple[Person, str]:
        codes.append(practice.invite())
        person = practice.person()
        for text in (codes[-1].code.reveal(), "yes", PIN):
            await person.say(text)
        return person, PIN

    async def after(practice: Practice, person: Person, _text: str) -> None:
        practice.take(entry())
        if person.recipient.state is RecipientState.INVITED:
            assert await person.say(codes[-1].code.reveal()) == ["reply.choose_pin"]
            await person.say(PIN)
            assert await person.say(PIN) == ["reply.ready"]
        await still_opens(person)

    assert await crashes(tmp_path, before, after) >= 8


async def test_while_a_right_pin_is_checked(tmp_path: Path) -> None:
    async def before(practice: Practice) -> tuple[Person, str]:
        return await enrolled(practice), PIN

    async def after(practice: Practice, person: Person, _text: str) -> None:
        practice.clock.forward(minutes=11)
        await still_opens(person)

    assert await crashes(tmp_path, before, after) >= 6


async def test_p4_while_a_wrong_pin_is_checked(tmp_path: Path) -> None:
    """It costs one try or none, never two."""

    async def before(practice: Practice) -> tuple[Person, str]:
        return await enrolled(practice), WRONG_PIN

    async def after(practice: Practice, person: Person, _text: str) -> None:
        assert practice.keys.tries_left(person.recipient.id) in (9, 10)
        await still_opens(person)

    assert await crashes(tmp_path, before, after) >= 6


async def test_p4_while_a_pin_is_changed(tmp_path: Path) -> None:
    """One of the two opens, always; the counter is whole."""
    opened: set[str] = set()

    async def before(practice: Practice) -> tuple[Person, str]:
        person = await enrolled(practice)
        for text in ("change pin", PIN, OTHER_PIN):
            await person.say(text)
        return person, OTHER_PIN

    async def after(practice: Practice, person: Person, _text: str) -> None:
        # Delivered again to a process that forgot the question, the new PIN is a wrong one: it was typed, and counts.
        assert practice.keys.tries_left(person.recipient.id) in (9, 10)
        first = PIN if person.recipient.generation == 1 else OTHER_PIN
        opened.add(first)
        await still_opens(person, first)
        practice.clock.forward(minutes=11)
        other = OTHER_PIN if first == PIN else PIN
        assert await person.say(other) == ["reply.pin_wrong"]

    assert await crashes(tmp_path, before, after) >= 8
    assert opened == {PIN, OTHER_PIN}


async def test_while_a_cancellation_is_recorded(tmp_path: Path) -> None:
    """Recorded once or not at all; asked again, it is there once."""

    async def before(practice: Practice) -> tuple[Person, str]:
        person = await enrolled(practice)
        await person.say(PIN)
        await person.say("cancel")
        return person, "yes"

    async def after(practice: Practice, person: Person, _text: str) -> None:
        assert len(practice.answers()) <= 1
        await person.say(PIN)
        await person.say("cancel 1")
        await person.say("yes")
        assert len(practice.answers()) == 1

    assert await crashes(tmp_path, before, after) >= 6


async def test_p8_while_somebody_leaves(tmp_path: Path) -> None:
    """From the first step on nothing opens any more; they may leave again."""

    async def before(practice: Practice) -> tuple[Person, str]:
        person = await enrolled(practice)
        practice.save_database(practice.folder / "copy.db")
        await person.say("leave")
        return person, "yes"

    async def after(practice: Practice, person: Person, _text: str) -> None:
        left = practice.keys.tries_left(person.recipient.id) == 0
        if not left:
            assert person.recipient.state is RecipientState.ENROLLED
            await still_opens(person)
            return
        assert person.recipient.state in (RecipientState.LEFT, RecipientState.LOCKED)
        words = practice.outbox(OutboxKind.REPLY)[-1].template
        assert words == ("reply.left" if person.recipient.state is RecipientState.LEFT else "reply.ask_pin")
        practice.restore_database(practice.folder / "copy.db")
        assert await person.say(PIN) == ["reply.locked_now"]

    assert await crashes(tmp_path, before, after) >= 6


@pytest.mark.parametrize("text", ["stop", "show"])
async def test_while_something_small_is_asked(tmp_path: Path, text: str) -> None:
    async def before(practice: Practice) -> tuple[Person, str]:
        return await enrolled(practice), text

    async def after(_practice: Practice, person: Person, _text: str) -> None:
        await still_opens(person)

    assert await crashes(tmp_path, before, after) >= 4
