"""A practice with two processes, and what is known of it: the ground on which random histories are told.

The model (:mod:`tests.stores.model`) says what must come of each guess. What cannot be known after a kill, whether a
step was still taken, is looked up behind the back of both stores.
"""

from __future__ import annotations

import tempfile
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from hypothesis import event

from tests.stores.folder import ANNA, BORIS, Folder, wrong_pin
from tests.stores.model import DESTROYED, RIGHT, WRONG, Guarded, kind_of
from tests.stores.worker import COMPARED, DEAD, Worker


@cache
def template() -> Folder:
    return Folder.new(Path(_kept().name), ANNA, BORIS)


@cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    """Removed when this process ends."""
    return tempfile.TemporaryDirectory(prefix="pli-histories-")


@dataclass(frozen=True)
class Copy:
    """Both files as they were, and what the model knew of the vault."""

    database: Path
    vault: Path
    guarded: dict[str, Guarded]


@dataclass(frozen=True)
class Row:
    """What the database says of a person."""

    recipient: str
    state: str
    generation: int


class History:
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory()
        self._root = Path(self._temporary.name)
        self.folder = template().copied(self._root / "practice")
        self.running: list[Worker | None] = [None, None]
        self.guarded: dict[str, Guarded] = {}  # by recipient, in the vault that is in place
        self.latest: dict[str, int] = {}  # by recipient, the serial of the vault that went furthest
        self.pins: dict[tuple[str, int], str] = {}  # what was chosen for each generation
        self.gone: set[str] = set()  # left, removed or locked: must never open again
        self.copies: list[Copy] = []
        self.newest: Copy | None = None  # while an old vault is in place
        self.first_start = False  # of a database that was just put back
        self._numbers, self._files = count(), count()

    def teardown(self) -> None:
        self._stop()
        self._temporary.cleanup()

    # -- processes ----------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self.folder.stop()
        self.running = [None, None]

    def _worker(self, which: int) -> Worker:
        """The one in that place, started if it is dead, as the bot is: it brings the stores together."""
        worker = self.running[which]
        if worker is None:
            worker = self.running[which] = self.folder.start()
            self._reconciled()
        return worker

    def _reconciled(self) -> None:
        """What a start must have done: rule 8 of the vault."""
        keep, self.first_start = self.first_start, False
        for name in (ANNA, BORIS):
            row = self._row(name)
            if row is None or row.state != "enrolled" or not self._is_sound(row.recipient):
                continue
            guarded = self.guarded[row.recipient]
            if row.generation in guarded.pins and (not keep or row.generation == max(guarded.pins)):
                guarded.keep_only(row.generation, guarded.pins[row.generation])
            assert not guarded.dead, "a start locks whose key is gone"

    def _do(self, which: int, command: str, *arguments: str, die_at: int | None = None) -> str:
        worker = self._worker(which)
        came: str = worker.do(self.folder.now, command, *arguments, die_at=die_at)
        if came == DEAD:
            event(f"killed in {command}")
            worker.kill()
            self.folder.workers.remove(worker)
            self.running[which] = None
        return came

    # -- a look behind ------------------------------------------------------------------------------------------

    def _row(self, name: str) -> Row | None:
        sql = (
            "SELECT recipient.id, state, generation FROM room JOIN recipient ON recipient.id = room.recipient"
            " WHERE room.id = ?"
        )
        found = self.folder.database_rows(sql, name)
        return Row(*found[0]) if found else None

    def _raw(self, recipient: str) -> tuple[int, int]:
        """Serial and counter."""
        sql = "SELECT serial, wrong FROM recipient WHERE id = ?"
        found = self.folder.vault_rows(sql, recipient)
        return found[0] if found else (-1, -1)

    def _is_sound(self, recipient: str) -> bool:
        """Whether the vault in place is the one that went furthest with this recipient."""
        return self._raw(recipient)[0] == self.latest.get(recipient)

    def _went_on(self, recipient: str) -> None:
        self.latest[recipient] = self._raw(recipient)[0]

    def _wrong(self) -> str:
        return wrong_pin(next(self._numbers))

    def _new_pin(self) -> str:
        return f"{739_200_000 + next(self._numbers)}"

    def _now(self, name: str) -> str | None:
        row = self._row(name)
        return row.recipient if row else None

    def _chose(self, name: str, pin: str, *, done: bool) -> None:
        """A PIN was set, or a process died over it: the database says which."""
        row = self._row(name)
        if row is None or row.state != "enrolled":
            assert not done
            return
        chosen = self.pins.setdefault((row.recipient, row.generation), pin)
        if done:
            assert chosen == pin
        guarded = self.guarded.setdefault(row.recipient, Guarded())
        serial = self._raw(row.recipient)[0]
        if serial != self.latest.get(row.recipient):
            guarded.wrong = 0  # the old PIN, or the code, was right
        if not guarded.dead:
            if chosen == pin:
                guarded.keep_only(row.generation, pin)
            self._went_on(row.recipient)

    def _is_gone(self, recipient: str) -> None:
        self.gone.add(recipient)
        if recipient in self.guarded:
            self.guarded[recipient].die()
            self._went_on(recipient)

    def _settle_killed_leaving(self, recipient: str) -> None:
        """The process died between the decision and the last step: the vault tells whether the key is gone."""
        if not self.folder.vault_rows("SELECT 1 FROM key WHERE recipient = ?", recipient):
            self._is_gone(recipient)

    # -- guesses --------------------------------------------------------------------------------------------------

    def _guess(self, which: int, name: str, pin: str | None, die_at: int | None = None) -> None:
        """``pin`` None is the right one."""
        self._worker(which)  # first, as a start may lock
        row = self._row(name)
        if row is None or row.state not in ("enrolled", "locked") or self._would_go_on(row.recipient):
            return
        chosen = self.pins[row.recipient, row.generation]
        before, compared = self._raw(row.recipient), self._compared(row.recipient)
        came = self._do(which, "guess", name, pin or chosen, die_at=die_at)
        after = self._raw(row.recipient)
        if before[0] != self.latest.get(row.recipient):
            self._guessed_at_an_old_vault(row.recipient, came, before, compared)
            return
        guarded = self.guarded[row.recipient]
        if came == DEAD and before[0] == after[0]:
            self._clock_was_seen(row.recipient, guarded)
        else:
            must = guarded.guess(row.generation, self.folder.now, right=pin is None)
            event(must)
            assert must in (RIGHT, WRONG, DESTROYED) if came == DEAD else kind_of(came) == must, (came, must)
            assert came == DEAD or must in (RIGHT, DESTROYED) or after[1] == guarded.wrong
        if guarded.dead:
            self.gone.add(row.recipient)
        self._went_on(row.recipient)

    def _would_go_on(self, recipient: str) -> bool:
        """Whether the old vault in place is no older for this one: with a guess it would go further than the
        newest, which then, put back, would be an old one beside an old database.
        """
        return self.newest is not None and self._is_sound(recipient)

    def _clock_was_seen(self, recipient: str, guarded: Guarded) -> None:
        """A process that died after it looked at a clock that was set back: the wait has begun again, or not."""
        [(at,)] = self.folder.vault_rows("SELECT counted_at FROM recipient WHERE id = ?", recipient)
        if guarded.since is not None and at == self.folder.now.timestamp():
            guarded.since = min(guarded.since, self.folder.now)

    def _compared(self, recipient: str) -> int:
        file = self.folder.path / COMPARED
        return file.read_text().count(f"{recipient} ") if file.exists() else 0

    def _guessed_at_an_old_vault(
        self, recipient: str, came: str, before: tuple[int, int], compared: int
    ) -> None:
        """Rule 11: stale, and nothing was counted, compared or changed."""
        assert came in (DEAD, "PIN_STALE"), came
        assert self._raw(recipient) == before
        assert self._compared(recipient) == compared
        event("an old vault refused")

    def _everybody_types(self) -> None:
        for name in (ANNA, BORIS):
            self._guess(0, name, None)
            self._guess(1, name, self._wrong())

    def _enrolled(self, which: int, name: str) -> Row | None:
        """Started, enrolled, alive: where a change or a relink must succeed."""
        self._worker(which)
        row = self._row(name)
        if row is None or row.state != "enrolled" or row.generation not in self.guarded[row.recipient].pins:
            return None
        return row

    # -- copies ---------------------------------------------------------------------------------------------------

    def _copy(self) -> Copy:
        number = next(self._files)
        copy = Copy(
            self._root / f"{number}.pli.db", self._root / f"{number}.vault.db", deepcopy(self.guarded)
        )
        self.folder.save_database(copy.database)
        self.folder.save_vault(copy.vault)
        return copy
