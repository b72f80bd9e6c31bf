"""The narrator's words in one language. Plain: the reader has never heard of Matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.demo.stage import Headings
from bot.domain.values import Language

Scene = tuple[str, ...]
"""A title, then sentences."""


class Kind(StrEnum):
    """Kinds of message from the bot, for the table of sizes."""

    HELLO = "hello"
    ENROLMENT = "enrolment"
    NUDGE = "nudge"
    ASK_PIN = "ask PIN"
    WRONG_PIN = "wrong PIN"
    DETAILS = "details"
    DETAILS_OF_TWO = "details of two"
    NEWS = "news"
    ANSWER = "answer"
    TELEGRAM = "telegram"
    FAREWELL = "farewell"
    STAFF = "staff room"


class Place(StrEnum):
    """Where leaks are searched, for the table of leaks."""

    HOMESERVER = "homeserver"
    HOMESERVER_LOGS = "homeserver logs"
    DATABASE = "database"
    VAULT = "vault"
    BOT = "bot"
    BOT_LOG = "bot log"
    TELEGRAM = "telegram"
    IMPORT = "import"
    REST = "rest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """What patients type."""

    yes: str
    show: str
    confirm: str
    wish: str
    move: str
    telegram: str
    thanks: str
    leave: str
    patients: str
    answers: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """``{…}`` are filled by :mod:`bot.demo.story` and :mod:`bot.demo.verdict`."""

    language: Language
    typed: Typed
    headings: Headings
    other_phone: str
    title: str
    opening: tuple[str, ...]

    set_up: Scene
    people: Scene
    agenda: Scene
    sign_up: Scene
    telegram: Scene
    booking: Scene
    meanwhile: Scene
    staff: Scene
    nudge: Scene
    wrong_place: Scene
    wrong_pin: Scene
    right_pin: Scene
    confirm: Scene
    cancel: Scene
    leave: Scene
    search: Scene

    made: str
    homeserver_up: str
    bot_up: str
    in_telegram: str
    button: str
    she_typed: str
    repeated: str
    gone_there: str
    chat_at_rest: str
    no_chat: str
    accounts: str
    letter: str
    staff_added: str
    staff_phone: str
    reference_at_rest: str
    agenda_lines: str
    counts: Mapping[str, str]
    envelope_at_rest: str
    slot_at_rest: str
    room_seen: str
    sees_nothing: str
    encrypted: str
    gone: str
    all_gone: str
    key_at_rest: str
    booked: str
    slot_set: str
    waiting: str
    rings: str
    answer_at_rest: str
    left_at_practice: str
    thief_before: str
    thief_after: str

    leaks_title: str
    place: str
    places: Mapping[Place, str]
    files: str
    searched_for: str
    planted: str
    found: str
    agenda_itself: str
    sizes_title: str
    kind: str
    kinds: Mapping[Kind, str]
    messages: str
    size: str
    after: str
    still_known: str
    telegram_title: str
    in_language: str
    languages: Mapping[Language, str]
    different: str
    notices: str
    sentences: str
    calls: str
    telegram_knows: str
    one_body: str
    bodies_differ: str
    no_notice: str
    constants_alone: str
    strange: str
    at_home: str
    not_at_home: str
    verdict_title: str
    no_leak: str
    leak: str
    unreadable: str
    secrets: Mapping[str, str]
    nothing_searched: str
    control_passed: str
    control_failed: str
    one_size: str
    sizes_differ: str
    in_clear: str
    all_happened: str
    stopped: str
    not_stopped: str
    missing_step: str
    kept: str
    not_kept: str
    interrupted: str
