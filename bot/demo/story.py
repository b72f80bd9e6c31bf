"""The journey: an agenda goes in, a patient reads it behind a PIN, the practice hears the answer, the patient leaves.

Every step is done by the real programs and is checked where it happens: one that does not happen ends the story.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any, Final

from bot.app import Installation
from bot.demo.calendar import ZONE, Agenda
from bot.demo.canaries import of_agenda
from bot.demo.leaks import Canary, Report, Scanner
from bot.demo.phone import Phone
from bot.demo.places import Folder
from bot.demo.programs import Programs
from bot.demo.stage import OUTSIDE, Stage, command, lines
from bot.demo.telegram import Telegram
from bot.demo.telegram_scenes import TelegramScenes
from bot.demo.teller import StepMissing
from bot.demo.words import Kind, Words
from bot.domain.templates import Mark
from bot.domain.values import RecipientId, Secret
from bot.errors import KeyDestroyed, PliError
from config.catalogue import load as load_texts
from config.settings import FILE_NAME, load

PIN: Final = "94027351"
MISTYPED: Final = "94027315"
OTHER_PIN: Final = "27496058"
_DOCTOR: Final = "Dr Hélène Noël"
_LABORATORY: Final = "Laboratoire des Tanneurs"


class Story(TelegramScenes):
    """One telling. ``play`` raises :class:`StepMissing` or :class:`bot.errors.PliError`.

    Afterwards ``scanner`` looks for everything that must not be found, and ``while_running`` is what it found while
    the programs ran.
    """

    scanner: Scanner
    while_running: Report

    def __init__(
        self, stage: Stage, words: Words, folder: Folder, programs: Programs, telegram: Telegram
    ) -> None:
        super().__init__(stage, words, folder, programs, telegram)
        self.agenda = Agenda(folder.agenda, datetime.now(ZONE).date())

    async def play(self) -> None:
        async with self.phones:
            try:
                await self._play()
            except (StepMissing, PliError):
                raise
            except Exception as error:  # whatever it is, the reader shall be told which step it broke
                raise StepMissing(f"{self.title} ({type(error).__name__}: {error})") from error

    async def _play(self) -> None:
        await self._set_up()
        her_letter, mothers_letter = await self._people()
        await self._import()
        odette = await self._sign_up(her_letter)
        await self.link_telegram(odette, PIN)
        tomorrow, slot = await self._book()
        await self._meanwhile(mothers_letter)
        camille = await self._staff()
        await self.stage.wait_until(slot, self.words.waiting.format(at=f"{slot:%H:%M}"))
        await self._nudge(odette, slot)
        await self.wrong_place(odette, PIN)
        await self._pins(odette)
        await self._confirm(odette, camille)
        await self._cancel(odette, tomorrow)
        await self._leave(odette, RecipientId(her_letter["recipient"]))

    # -- before anybody is told ---------------------------------------------------------------------------------

    async def _set_up(self) -> None:
        w = self.words
        self.scene(w.set_up, telegram=True)
        await self.programs.pli(
            *("init", str(self.folder.practice), "--name", "Cabinet du Parc", "--phone", "01 23 45 67 89"),
            *("--language", w.language.value, "--timezone", ZONE.key),
            *("--port", str(self.programs.port), "--health-port", str(self.programs.health_port)),
        )
        self.stage.row(practice=lines(command("pli init cabinet"), w.made))
        await self.programs.start_homeserver()
        self.stage.row(
            practice=lines(command("pli homeserver run"), w.homeserver_up),
            outside=lines(w.accounts, *self._accounts(), style=OUTSIDE),
        )
        self.programs.settings = self.telegram.settings(self.folder.practice / "bot")
        await self.programs.start_bot()
        seen = await self.telegram_is_on()
        self.stage.row(practice=lines(command("pli run"), w.bot_up), telegram=seen)

    async def _people(self) -> tuple[dict[str, Any], dict[str, Any]]:
        w = self.words
        self.scene(w.people)
        references = ("P-1001", "P-1003", "P-1004")
        await asyncio.gather(*(self.programs.pli("patient", "add", ref) for ref in references))
        (hidden,) = self.stolen("SELECT hex(reference_enc) FROM patient LIMIT 1")
        self.stage.row(
            practice=lines(*(command(f"pli patient add {ref}") for ref in references)),
            outside=self.at_rest(w.reference_at_rest, hidden),
        )
        shares = (("P-1001",), ("P-1003", "--also", "P-1004"))
        hers, mothers = await asyncio.gather(*(self.invite(*refs) for refs in shares))
        for refs, letter in zip(shares, (hers, mothers), strict=True):
            self.stage.row(
                practice=lines(command(f"pli invite {' '.join(refs)} --account"), w.letter.format(**letter))
            )
        self.stage.row(outside=lines(w.accounts, *self._accounts(), "", w.room_seen, style=OUTSIDE))
        return hers, mothers

    def _accounts(self) -> list[str]:
        """As far as the colon: the rest is the server's own name."""
        return [name.split(":")[0] for name in self.homeserver.accounts()]

    async def _import(self) -> None:
        w = self.words
        self.scene(w.agenda)
        counts, told = await self.import_agenda()
        self.happened(counts["new"])
        size, sealed = self.stolen("SELECT length(blob), hex(substr(blob, -300)) FROM envelope LIMIT 1")
        (slot,) = self.stolen("SELECT min(tell_until) FROM appointment")
        shown = self.agenda.lines("DTSTART", "ORGANIZER", "LOCATION", "X-PLI-NOTE")
        self.stage.row(practice=lines(command("pli agenda import agenda.ics"), told))
        self.stage.row(
            practice=lines(w.agenda_lines, shown),
            outside=self.at_rest(w.envelope_at_rest.format(size=size), sealed, w.slot_at_rest, slot),
        )

    # -- signing up ---------------------------------------------------------------------------------------------

    async def _sign_up(self, letter: Mapping[str, Any]) -> Phone:
        w = self.words
        self.scene(w.sign_up)
        phone = await self.log_in(letter)
        await self.hear(phone, Kind.HELLO, practice=w.sees_nothing)
        code = await self.say(phone, letter["code"])
        await self.hear(phone, Kind.ENROLMENT, brief=True)  # the consent text is long
        await self.say(phone, w.typed.yes)
        await self.hear(phone, Kind.ENROLMENT)
        first = await self.say(phone, PIN)
        await self.hear(phone, Kind.ENROLMENT)
        second = await self.say(phone, PIN)
        await self.hear(phone, Kind.ENROLMENT, pin=second, gone=(code, first))
        (wrap,) = self.stolen("SELECT hex(wrap) FROM recipient WHERE id = ?", letter["recipient"])
        self.stage.row(outside=self.at_rest(w.key_at_rest, wrap))
        return phone

    async def _book(self) -> tuple[date, datetime]:
        """The day of the appointment, and the moment at which the notice of it leaves."""
        w = self.words
        self.scene(w.booking)
        now = datetime.now(ZONE)
        tomorrow = now.date() + timedelta(days=1)
        self.agenda.book(tomorrow)
        # The next full minute that is sure to come after the import, which took so long the first time.
        slot = (now + timedelta(seconds=2 + 2 * self.programs.latest)).replace(second=0, microsecond=0)
        slot += timedelta(minutes=1)
        counts, told = await self.import_agenda({"PLI_NUDGES__SLOTS": f'["{slot:%H:%M}"]'})
        self.happened(counts["new"] == 1)
        shown = self.agenda.lines("DTSTART", "LOCATION", "X-PLI-NOTE", entry=-1)
        self.stage.row(practice=lines(w.booked, shown))
        self.stage.row(
            practice=lines(
                command("pli agenda import agenda.ics"), told, w.slot_set.format(at=f"{slot:%H:%M}")
            )
        )
        return tomorrow, slot

    async def _meanwhile(self, letter: Mapping[str, Any]) -> None:
        w = self.words
        self.scene(w.meanwhile, patient=w.other_phone)
        phone = await self.log_in(letter)
        await self.listen(phone, Kind.HELLO)
        for text in (letter["code"], w.typed.yes, OTHER_PIN, OTHER_PIN):
            await phone.say(text)
            await self.listen(phone, Kind.ENROLMENT)
        await self.say(phone, w.typed.show)
        await self.hear(phone, Kind.ASK_PIN)
        event = await self.say(phone, OTHER_PIN)
        told = await self.hear(phone, Kind.DETAILS_OF_TWO, pin=event)
        self.happened("Zoé" in told and "Noé" in told)
        await self.say(phone, w.typed.move)
        await self.hear(phone, Kind.ANSWER)
        self.ledger.secrets.append(Canary(kind="wish", text=w.typed.wish))

    async def _staff(self) -> Phone:
        """The secretary's phone, in the staff room."""
        w = self.words
        self.scene(w.staff)
        account = await self.programs.pli_json("homeserver", "accounts", "staff", "camille")
        self.ledger.secrets.append(Canary(kind="password", text=account["password"]))
        await self.programs.pli("staff", "add", account["user"], "--role", "secretary")
        phone = await self.log_in(account)
        self.stage.row(
            practice=lines(command("pli staff add @camille:… --role secretary"), w.staff_added),
        )
        await self.order(phone, w.typed.patients, "P-1001", "P-1003", "P-1004")
        return phone

    # -- Odette is told -----------------------------------------------------------------------------------------

    async def _nudge(self, odette: Phone, slot: datetime) -> None:
        self.title = self.words.nudge[0]
        left = (slot - datetime.now(ZONE)).total_seconds()
        event, text = await self.listen(odette, Kind.NUDGE, seconds=max(0.0, left) + 30)
        self.scene(self.words.nudge, telegram=True)
        self.show_message(event, text, rings=True)
        await self.notice_there()

    async def _pins(self, odette: Phone) -> None:
        self.scene(self.words.wrong_pin)
        event = await self.say(odette, MISTYPED)
        told = await self.hear(odette, Kind.WRONG_PIN, pin=event)
        self.happened(_DOCTOR not in told)
        self.scene(self.words.right_pin)
        event = await self.say(odette, PIN)
        told = await self.hear(odette, Kind.DETAILS, pin=event)
        self.happened(_DOCTOR in told and _LABORATORY in told)

    async def _confirm(self, odette: Phone, camille: Phone) -> None:
        w = self.words
        self.scene(w.confirm)
        await self.say(odette, w.typed.confirm)
        await self.hear(odette, Kind.ANSWER)
        answers = await self.programs.pli_json("answers")
        self.happened({(a["patient"], a["answer"]) for a in answers} >= {("P-1001", "confirmed")})
        self.happened(any(a["text"] == w.typed.wish for a in answers))
        (sealed,) = self.stolen("SELECT hex(blob) FROM answer LIMIT 1")
        self.stage.row(outside=self.at_rest(w.answer_at_rest, sealed))
        await self.order(camille, w.typed.answers, "P-1001", w.typed.wish)

    async def _cancel(self, odette: Phone, day: date) -> None:
        w = self.words
        self.scene(w.cancel, telegram=True)
        self.agenda.cancel(day)
        counts, told = await self.import_agenda()
        self.happened(counts["cancelled"])
        shown = self.agenda.lines("DTSTART", "STATUS", entry=-1)
        self.stage.row(practice=lines(shown, command("pli agenda import agenda.ics"), told))
        event, text = await self.listen(odette, Kind.NUDGE)
        self.show_message(event, text, rings=True)
        await self.notice_there()
        await self.say(odette, w.typed.show)
        await self.hear(odette, Kind.ASK_PIN)
        event = await self.say(odette, PIN)
        told = await self.hear(odette, Kind.NEWS, pin=event)
        self.happened(load_texts(w.language).fill(Mark.CANCELLED) in told)

    # -- leaving ------------------------------------------------------------------------------------------------

    async def _leave(self, odette: Phone, recipient: RecipientId) -> None:
        w = self.words
        self.scene(w.leave, telegram=True)
        with (
            closing(sqlite3.connect(self.folder.database)) as live,
            closing(sqlite3.connect(self.folder.stolen)) as copy,
        ):
            live.backup(copy)
        search = asyncio.create_task(asyncio.to_thread(self._search_while_running))
        self.happened(await asyncio.to_thread(self._copy_opens, recipient))
        self.stage.row(outside=w.thief_before)
        for text in (w.typed.leave, w.typed.yes):
            await self.say(odette, text)
            await self.hear(odette, Kind.FAREWELL)
        patient, after = await asyncio.gather(
            self.programs.pli_json("patient", "show", "P-1001"),
            asyncio.to_thread(self._copy_opens, recipient),
        )
        self.happened([r["state"] for r in patient["recipients"]] == ["left"] and not after)
        self.stage.row(
            practice=lines(command("pli patient show P-1001"), w.left_at_practice), outside=w.thief_after
        )
        await self.nobody_there()
        await search

    def _copy_opens(self, recipient: RecipientId) -> bool:
        """Whether a thief of the database, the bot's keys and the PIN gets the key, with the vault still answering."""
        settings = load(self.folder.practice / FILE_NAME)
        storage = settings.storage.model_copy(update={"database": f"sqlite:///{self.folder.stolen}"})
        thief = Installation(settings.model_copy(update={"storage": storage}))
        try:
            with thief.uow() as uow:
                row = uow.recipients.get(recipient)
            self.happened(row)
            if row is not None:
                thief.keyring.unlock(row, Secret(PIN))
        except KeyDestroyed:
            return False
        finally:
            thief.engine.dispose()
        return True

    def _search_while_running(self) -> None:
        typed = [Canary(kind="PIN", text=pin) for pin in (PIN, MISTYPED, OTHER_PIN)]
        agenda = of_agenda(self.folder.agenda, zone=ZONE, now=datetime.now(ZONE))
        self.scanner = Scanner([*agenda, *self.ledger.secrets, *typed])
        self.telegram.keep(self.folder.telegram)
        self.while_running = self.scanner.scan(self.folder.places())
