"""Everything that people and their phones send beside words: a kind answer or silence, never a crash."""

from __future__ import annotations

from typing import Any

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import PIN, People, body

MESSAGE = "m.room.message"
FILE = {"url": "mxc://pli.localhost/abc", "key": {}, "iv": "x", "hashes": {}, "v": "v2"}
NOT_TEXT: list[tuple[str, dict[str, Any]]] = [
    (MESSAGE, {"msgtype": "m.image", "body": "482915.jpg", "file": FILE}),
    (MESSAGE, {"msgtype": "m.audio", "body": "Voice message", "file": FILE, "org.matrix.msc3245.voice": {}}),
    (MESSAGE, {"msgtype": "m.location", "body": "here", "geo_uri": "geo:48.8,2.3"}),
    (MESSAGE, {"msgtype": "m.text", "body": ""}),
    (MESSAGE, {"msgtype": "m.text"}),
    (MESSAGE, {"msgtype": 7, "body": ["show"]}),
    ("m.sticker", {"body": "thumbs", "url": "mxc://pli.localhost/abc"}),
]
SILENT: list[tuple[str, dict[str, Any]]] = [
    (MESSAGE, {"msgtype": "m.notice", "body": "show"}),
    ("m.call.invite", {"call_id": "1", "version": "1"}),
    ("org.example.unknown", {"body": "show"}),
    ("m.room.member", {"membership": "join", "displayname": "show"}),
]


async def test_pictures_reactions_edits_replies_and_threads(people: People, practice: Practice) -> None:
    talk = await people.enrolled("O-1")
    await practice.pli("agenda", "add", "O-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    for kind, content in NOT_TEXT:
        await talk.patient.send_raw(talk.room, kind, content)
        assert body(await talk.hear()) == talk.text(Template.NOT_TEXT), content
    for kind, content in SILENT:
        await talk.patient.send_raw(talk.room, kind, content)
    first = await talk.say("show")
    asked = await talk.hear()
    thumb = {"rel_type": "m.annotation", "event_id": asked.event, "key": "👍"}
    await talk.patient.send_raw(talk.room, "m.reaction", {"m.relates_to": thumb})
    edit = {
        "msgtype": "m.text",
        "body": f"* {PIN}",
        "m.new_content": {"msgtype": "m.text", "body": PIN},
        "m.relates_to": {"rel_type": "m.replace", "event_id": first},
    }
    edited = await talk.patient.send_raw(talk.room, MESSAGE, edit)
    await talk.wait_redacted(edited)
    reply = {
        "msgtype": "m.text",
        "body": f"> <{practice.bot_user}> {asked.body}\n\n{PIN}",
        "m.relates_to": {"m.in_reply_to": {"event_id": asked.event}},
    }
    replied = await talk.patient.send_raw(talk.room, MESSAGE, reply)
    assert "Dr Quill" in body(await talk.hear()), "a reply is words like any other"
    await talk.wait_redacted(replied)
    thread = {
        "msgtype": "m.text",
        "body": "confirm",
        "m.relates_to": {"rel_type": "m.thread", "event_id": asked.event, "is_falling_back": True},
    }
    await talk.patient.send_raw(talk.room, MESSAGE, thread)
    assert "Dr Quill" in body(await talk.hear())
    (answer,) = (await practice.pli("answers", "--json")).json()
    assert (answer["patient"], answer["answer"]) == ("O-1", "confirmed")
    await practice.pli("answers", "done", answer["id"])
    assert await talk.quiet() == []


async def test_a_long_text_and_strange_characters(people: People) -> None:
    talk = await people.enrolled("O-2")
    for text in ("x" * 40_000, "\u202e\u0000\ufeff", "🙈" * 50, "<b>show</b>\n" * 30, "' OR 1=1; --"):
        assert await talk.tell(text) == talk.text(Template.OTHER)


async def test_twenty_rapid_messages(people: People) -> None:
    talk = await people.enrolled("O-3")
    words = ["help", "language", "my knee hurts", "stop"] * 5
    for text in words:  # in order, as phones send them, and without waiting for an answer
        await talk.say(text)
    answers = sorted([body(await talk.hear()) for _ in words])
    expected = [Template.HELP, Template.LANGUAGE_ASK, Template.OTHER, Template.STOPPED]
    assert answers == sorted([talk.text(t) for t in expected] * 5), "one answer each, none lost"
    assert await talk.quiet() == [], "and no more"


async def test_twenty_rapid_pins_cost_no_more_tries_than_were_wrong(people: People) -> None:
    """Failure of a hurried thumb: the right PIN sent many times over opens, and burns nothing."""
    talk = await people.enrolled("O-5")
    await talk.ask("show")
    for _ in range(20):
        await talk.say(PIN)
    answers = [body(await talk.hear()) for _ in range(20)]
    assert all("Nothing new" in answer for answer in answers)
    await talk.wait_secrets_redacted()


async def test_a_stranger_gets_one_sentence_for_everything(people: People, practice: Practice) -> None:
    await people.add("O-4")
    talk, _ = await people.arrive("O-4")
    for text in ("show", "leave", "yes", "stop", PIN, "english"):
        assert await talk.tell(text) == practice.sentence(OpenSentence.HELLO)
    await talk.patient.send_raw(talk.room, *NOT_TEXT[0])
    assert body(await talk.hear()) == practice.sentence(OpenSentence.HELLO)
