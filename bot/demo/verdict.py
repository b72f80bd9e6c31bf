"""What the story comes to: the search for leaks, the sizes on the wire, and whether all of it is as promised."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from bot.demo.control import Control, run_control
from bot.demo.evidence import HomeserverDatabase
from bot.demo.forms import Form
from bot.demo.leaks import Report, Scanner
from bot.demo.places import Folder
from bot.demo.stage import Stage
from bot.demo.telegram_saw import Saw
from bot.demo.teller import Ledger
from bot.demo.words import Kind, Place, Words

_ENCRYPTED: Final = "m.room.encrypted"
_MEGABYTE: Final = 1_000_000
_NAMED: Final = 10

HOMES: Final[Mapping[str, frozenset[Place]]] = {
    "chat": frozenset({Place.TELEGRAM}),
    "token": frozenset({Place.TELEGRAM, Place.BOT}),
}
"""Kinds of text that have their places, in which they must be found, and nowhere else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """Both searches together, the control, and the agenda file searched like the rest. ``at_home`` is what was found
    where it belongs, which is no leak.
    """

    leaks: Report
    at_home: frozenset[tuple[str, str]]
    control: Control
    agenda: Report


async def search(scanner: Scanner, while_running: Report, folder: Folder, scratch: Path) -> Searched:
    """Search what lies there now, and prove in ``scratch`` that the search finds what there is."""

    def work() -> Searched:
        leaks = Report()
        leaks.add(while_running)
        leaks.add(scanner.scan(folder.places()))
        at_home = frozenset((f.kind, f.place) for f in leaks.findings if f.place in HOMES.get(f.kind, ()))
        leaks.findings = [f for f in leaks.findings if (f.kind, f.place) not in at_home]
        control = run_control(scanner, scratch / "control")
        agenda = scanner.scan({"agenda": [folder.agenda]})
        return Searched(leaks=leaks, at_home=at_home, control=control, agenda=agenda)

    return await asyncio.to_thread(work)


class Verdict:
    """Tables on the stage, and a list of what is and what is not as promised."""

    def __init__(self, stage: Stage, words: Words) -> None:
        self._stage, self._words = stage, words
        self._lines: list[tuple[bool, str]] = []

    @property
    def good(self) -> bool:
        return bool(self._lines) and all(good for good, _ in self._lines)

    def note(self, text: str, *, good: bool) -> None:
        self._lines.append((good, text))

    def show(self) -> None:
        table = Table.grid(padding=(0, 1))
        for good, text in self._lines:
            style = "green" if good else "bold red"
            table.add_row(Text("  ✓" if good else "  ✗", style=style), Text(text, style=style))
        self._stage.show(Text(), Text(self._words.verdict_title, style="bold"), table)

    # -- leaks --------------------------------------------------------------------------------------------------

    def leaks(self, scanner: Scanner, searched: Searched) -> None:
        w, leaks, control = self._words, searched.leaks, searched.control
        table = self._table(w.leaks_title)
        table.add_column(w.place)
        for heading in (w.files, *(form.value for form in Form)):
            table.add_column(heading, justify="right", no_wrap=True)
        for place in Place:
            hits = [leaks.hits(place, form) for form in Form]
            table.add_row(w.places[place], str(leaks.files[place]), *(_count(hit) for hit in hits))
        table.add_section()
        own = [str(searched.agenda.hits("agenda", form)) for form in Form]
        table.add_row(w.agenda_itself, "1", *own, style="dim")
        table.add_section()
        table.add_row(w.planted, "", *(str(control.planted[form]) for form in Form), style="dim")
        table.add_row(w.found, "", *(str(control.found[form]) for form in Form), style="dim")
        self._stage.show(Text(), table)
        kinds = Counter(canary.kind for canary in scanner.canaries)
        self._stage.remark(
            w.searched_for.format(
                texts=len(scanner.canaries),
                needles=scanner.needles,
                megabytes=f"{sum(leaks.read.values()) / _MEGABYTE:.0f}",
                kinds=", ".join(f"{w.secrets[kind]} {count}" for kind, count in kinds.items()),
            )
        )
        self._judge_leaks(searched)
        homes = {(kind, str(place)) for kind in kinds for place in HOMES.get(kind, ())}
        if homes:
            good = searched.at_home == homes
            self.note(w.at_home if good else w.not_at_home, good=good)

    def _judge_leaks(self, searched: Searched) -> None:
        w, leaks = self._words, searched.leaks
        for found in leaks.findings[:_NAMED]:
            self.note(
                w.leak.format(
                    times=found.times,
                    kind=w.secrets[found.kind],
                    form=found.form,
                    file=found.file,
                    place=w.places[Place(found.place)],
                ),
                good=False,
            )
        for file in leaks.unreadable:
            self.note(w.unreadable.format(file=file), good=False)
        if leaks.clean:
            self.note(w.no_leak, good=True)
        elif not leaks.findings and not leaks.unreadable:
            self.note(w.nothing_searched, good=False)
        good = searched.control.passed and searched.agenda.hits("agenda", Form.UTF8) > 0
        planted = sum(searched.control.planted.values())
        self.note(w.control_passed.format(planted=planted) if good else w.control_failed, good=good)

    # -- Telegram -----------------------------------------------------------------------------------------------

    def telegram(self, saw: Saw) -> None:
        w = self._words
        table = self._table(w.telegram_title)
        table.add_column(w.kind)
        table.add_column(w.in_language)
        for heading in (w.messages, w.different):
            table.add_column(heading, justify="right")
        for name, told in ((w.notices, saw.notices), (w.sentences, saw.sentences)):
            for language, bodies in told.items():
                table.add_row(name, w.languages[language], str(bodies.total()), str(len(bodies)))
        for method, count in saw.calls.most_common():
            table.add_row(w.calls.format(method=method), "", str(count), "")
        self._stage.show(Text(), table)
        self._stage.remark(w.telegram_knows)
        self._judge_telegram(saw)

    def _judge_telegram(self, saw: Saw) -> None:
        w = self._words
        if not saw.notices:
            self.note(w.no_notice, good=False)
        for language, bodies in saw.notices.items():
            words = w.one_body if len(bodies) == 1 else w.bodies_differ
            told = words.format(count=bodies.total(), bodies=len(bodies), language=w.languages[language])
            self.note(told, good=len(bodies) == 1)
        for method, count in saw.strange.items():
            self.note(w.strange.format(method=method, count=count), good=False)
        if not saw.strange:
            others = sum(bodies.total() for bodies in saw.sentences.values()) + saw.calls.total()
            self.note(w.constants_alone.format(count=others), good=True)

    # -- sizes --------------------------------------------------------------------------------------------------

    def sizes(self, ledger: Ledger, homeserver: HomeserverDatabase, bot_user: str) -> None:
        w = self._words
        table = self._table(w.sizes_title)
        table.add_column(w.kind)
        for heading in (w.messages, w.size, w.after):
            table.add_column(heading, justify="right")
        for kind in Kind:
            events = [homeserver.event(event) for event in ledger.sent[kind]]
            sizes = sorted({len(event.ciphertext or "") for event in events})
            delays = [
                f"{homeserver.event(answer).at - homeserver.event(pin).at:.1f} s"
                for of, pin, answer in ledger.pins
                if of is kind
            ]
            table.add_row(w.kinds[kind], str(len(events)), ", ".join(map(str, sizes)), ", ".join(delays))
        self._stage.show(Text(), table)
        self._stage.remark(w.still_known.format(events=homeserver.types()[_ENCRYPTED]))
        self._judge_sizes(ledger, homeserver, bot_user)

    def _judge_sizes(self, ledger: Ledger, homeserver: HomeserverDatabase, bot_user: str) -> None:
        """Of everything that the bot sent, whether the story listened to it or not."""
        w = self._words
        messages = [e for e in homeserver.sent_by(bot_user) if e.type in (_ENCRYPTED, "m.room.message")]
        if any(event.ciphertext is None for event in messages):
            self.note(w.in_clear, good=False)
        sizes = {len(event.ciphertext or "") for event in messages}
        heard = sum(map(len, ledger.sent.values()))
        if len(sizes) == 1 and len(messages) >= heard > 0:
            self.note(w.one_size.format(size=sizes.pop(), count=len(messages)), good=True)
        else:
            self.note(w.sizes_differ.format(sizes=", ".join(map(str, sorted(sizes)))), good=False)

    def _table(self, title: str) -> Table:
        return Table(
            title=title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )


def _count(hits: int) -> Text:
    return Text(str(hits), style="bold red" if hits else "green")
