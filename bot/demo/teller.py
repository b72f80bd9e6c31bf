"""What every scene of the story uses: people type and read, outsiders look, steps are checked where they happen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from rich.text import Text

from bot.demo.canaries import of_code
from bot.demo.evidence import HomeserverDatabase, query
from bot.demo.leaks import Canary
from bot.demo.phone import Phone
from bot.demo.places import Folder
from bot.demo.programs import Programs
from bot.demo.stage import OUTSIDE, PATIENT, PRACTICE, Stage, excerpt, lines, typed
from bot.demo.telegram import Telegram
from bot.demo.words import Kind, Scene, Words

_CUT: Final = "\n[…]"


class StepMissing(Exception):
    """A step did not happen; the text says which, in the narrator's language."""


@dataclass(slots=True)
class Ledger:
    """What the bot sent, by kind, and every PIN with its answer: event ids for the homeserver's database.

    ``secrets`` are what was handed out or typed and must be found nowhere.
    """

    sent: dict[Kind, list[str]] = field(default_factory=lambda: defaultdict(list))
    pins: list[tuple[Kind, str, str]] = field(default_factory=list)
    secrets: list[Canary] = field(default_factory=list)


class Teller:
    """Shared by the scenes."""

    def __init__(
        self, stage: Stage, words: Words, folder: Folder, programs: Programs, telegram: Telegram
    ) -> None:
        self.stage, self.words, self.folder, self.programs = stage, words, folder, programs
        self.telegram = telegram
        self.homeserver = HomeserverDatabase(folder.homeserver_database)
        self.ledger = Ledger()
        self.bot_user = ""
        self.title = ""
        self.phones = AsyncExitStack()

    def scene(self, words: Scene, *, patient: str | None = None, telegram: bool = False) -> None:
        self.title, *sentences = words
        self.stage.scene(self.title, *sentences, patient=patient, telegram=telegram)

    def happened(self, what: object) -> None:
        """Raises :class:`StepMissing` with the scene's title."""
        if not what:
            raise StepMissing(self.title)

    # -- people -------------------------------------------------------------------------------------------------

    async def invite(self, *refs: str) -> dict[str, Any]:
        """``pli invite --account``; what is in the letter."""
        letter: dict[str, Any] = await self.programs.pli_json("invite", *refs, "--account")
        self.ledger.secrets += [*of_code(letter["code"]), Canary(kind="password", text=letter["password"])]
        self.bot_user = letter["link"].rsplit("/", 1)[1]
        return letter

    async def log_in(self, letter: Mapping[str, Any]) -> Phone:
        phone = await Phone.log_in(
            self.programs.url, user=letter["user"], password=letter["password"], bot=self.bot_user
        )
        self.phones.push_async_callback(phone.close)
        return phone

    async def say(self, phone: Phone, text: str) -> str:
        event = await phone.say(text)
        self.stage.row(patient=typed(text), outside=self.seen(event))
        return event

    async def listen(self, phone: Phone, kind: Kind, *, seconds: float | None = None) -> tuple[str, str]:
        """The bot's next message, without showing it; event and text. A notice rings, everything else does not."""
        event, text, rings = await phone.hear(seconds=seconds)
        self.happened(rings is (kind is Kind.NUDGE))
        self.ledger.sent[kind].append(event)
        return event, text

    async def order(self, phone: Phone, line: str, *wanted: str) -> None:
        """A line in the staff room, and the answer that holds each of ``wanted``. What comes unasked is passed over."""
        event = await phone.say(line)
        self.stage.row(
            practice=Text.assemble((f"{self.words.staff_phone}\n", "dim"), typed(line, PRACTICE)),
            outside=self.seen(event),
        )
        text = ""
        while not all(part in text for part in wanted):
            event, text, _ = await phone.hear()
            self.ledger.sent[Kind.STAFF].append(event)
        self.stage.row(practice=Text(text, style=PRACTICE), outside=self.seen(event))

    async def hear(
        self,
        phone: Phone,
        kind: Kind,
        *,
        pin: str = "",
        gone: tuple[str, ...] = (),
        practice: str = "",
        brief: bool = False,
    ) -> str:
        """The bot's next message. ``pin`` is the event that it answers: it must disappear, as must all of ``gone``.

        ``practice`` is what stands in its column; of a ``brief`` message the first paragraph is shown.
        """
        event, text = await self.listen(phone, kind)
        self.show_message(event, text.split("\n\n")[0] + _CUT if brief else text, practice=practice)
        if pin:
            self.ledger.pins.append((kind, pin, event))
            for secret in (*gone, pin):
                await phone.gone(secret)
            self.stage.row(patient=Text(self.words.all_gone if gone else self.words.gone, style="dim"))
        return text

    def show_message(self, event: str, text: str, *, rings: bool = False, practice: str = "") -> None:
        bell = [Text(f"♪ {self.words.rings}", style=f"bold {PATIENT}")] if rings else []
        self.stage.row(
            patient=lines(*bell, Text(text, style=PATIENT)),
            practice=Text(practice, style="dim"),
            outside=self.seen(event),
        )

    # -- outsiders ----------------------------------------------------------------------------------------------

    def seen(self, event: str) -> Text:
        """An event as the homeserver keeps it."""
        ciphertext = self.homeserver.event(event).ciphertext or ""
        self.happened(ciphertext)
        size = self.words.encrypted.format(size=len(ciphertext))
        return lines(size, excerpt(ciphertext, self.stage.column), style=OUTSIDE)

    def stolen(self, sql: str, *values: object) -> tuple[Any, ...]:
        """The first row that a thief of Pli's database reads."""
        rows = query(self.folder.database, sql, *values)
        self.happened(rows)
        return rows[0]

    def at_rest(self, label: str, raw: object, *more: str) -> Text:
        """Bytes of the database under what they are."""
        return lines(label, excerpt(str(raw), 2 * self.stage.column), *more, style=OUTSIDE)

    # -- the practice -------------------------------------------------------------------------------------------

    async def import_agenda(self, settings: Mapping[str, str] | None = None) -> tuple[dict[str, Any], str]:
        """``pli agenda import``; the counts, and those above zero in words."""
        counts: dict[str, Any] = await self.programs.pli_json(
            "agenda", "import", str(self.folder.agenda), settings=settings
        )
        self.happened(not counts["refused"])
        told = ", ".join(f"{word} {counts[name]}" for name, word in self.words.counts.items() if counts[name])
        return counts, told
