"""Killed while a PIN is answered: the PIN is taken back, the list comes or the PIN is asked for again, and once."""

from __future__ import annotations

import signal
from pathlib import Path

from bot.domain.templates import Template
from bot.domain.values import RecipientId
from tests.journey.practice import Practice
from tests.journey.talk import PIN, People, Talk, body

POINTS = ("after-vault", "storing-token", "after-encrypt", "after-put")


def mortal(practice: Practice, point: str, armed: Path, nth: int = 1) -> None:
    practice.spawn(program=("tests.rig.mortal", point, str(nth), str(armed)))


async def test_killed_at_each_point_of_a_pin_dialogue(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    """P4 and P9. The strict client reads every answer."""
    await practice.start()
    talk = await people.enrolled("C-1", strict=True)
    await practice.pli("agenda", "add", "C-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    practice.kill()
    # A life shares keys with its first words: those to the PIN, and then the question that takes their place.
    mortal(practice, "before-sharing", armed := tmp_path / "armed")
    await practice.wait_ready()
    armed.touch()
    await talk.say(PIN)
    assert await practice.died() == -signal.SIGKILL
    mortal(practice, last := "after-sharing", armed)
    assert await practice.died() == -signal.SIGKILL
    for point in POINTS:
        mortal(practice, point, armed := tmp_path / point)
        await practice.wait_ready()
        await put_right(talk, last)
        shown = await talk.tell("show")
        # Killed before the token was there, and maybe before the PIN was: then this life hears it first, and opens.
        opened = last == "storing-token" and "Dr Quill" in shown
        assert opened or shown == talk.text(Template.ASK_PIN), f"after {last}"
        armed.touch()
        await talk.say(PIN)
        assert await practice.died() == -signal.SIGKILL
        last = point
    await practice.start()
    await put_right(talk, last)
    assert "Dr Quill" in await talk.unlock(), "and the question opens the list"
    await talk.wait_secrets_redacted()
    await everything_told_is_taken_back(talk)


async def put_right(talk: Talk, after: str) -> None:
    """What is heard after the start is the list or the question, once."""
    heard = body(await talk.hear())
    assert heard == talk.text(Template.ASK_PIN) or "Dr Quill" in heard, f"after {after}"
    assert await talk.quiet() == [], f"after {after}: obeyed twice"
    left = talk.practice.home.keyring.tries_left(RecipientId(talk.recipient))
    assert left == 10, f"after {after}: a right PIN burned a try"


async def test_killed_between_the_vault_and_the_answer_of_an_enrolment(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    """The new PIN was staged and is nowhere named: the code still opens, and the PIN is chosen again."""
    mortal(practice, "after-vault", armed := tmp_path / "armed")
    await practice.wait_ready()
    await people.add("C-2")
    talk, code = await people.arrive("C-2")
    for text in (code, "yes", PIN):
        await talk.ask(text)
    armed.touch()
    await talk.say(PIN)
    assert await practice.died() == -signal.SIGKILL
    await practice.start()
    assert body(await talk.hear()) == talk.text(Template.CODE_AGAIN)
    assert body(await talk.enrol(code)) == talk.text(Template.READY)
    assert await talk.quiet() == []
    await talk.wait_secrets_redacted()


async def everything_told_is_taken_back(talk: Talk) -> None:
    """Once its time has come: every message that named the doctor is redacted."""
    practice = talk.practice
    told = {m.event for m in await talk.from_bot() if m.body and "Dr Quill" in m.body}
    practice.bring_forward("redact")
    await practice.settled()
    assert told <= practice.redacted(talk.room)
    assert all("Dr Quill" not in (m.body or "") for m in await talk.from_bot() if m.event not in told)
