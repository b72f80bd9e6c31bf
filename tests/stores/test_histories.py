"""Random histories over database and vault, in two processes that may be killed before or after any durable step.

Enrol, change the PIN, guess right, wrong and in parallel, crash, restart, leave, be invited again, relink, change the
clock, put back an old database or an old vault. The model (:mod:`tests.stores.model`) says what must come of each
guess; what the vault really compared is written down by the processes. P4, P8; rules 1 to 11 of :mod:`storage.vault`.

Both old copies put back together are outside of what is promised, and are not tried.
"""

from __future__ import annotations

import tempfile
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.stores.folder import ANNA, BORIS, Folder, wrong_pin
from tests.stores.model import DESTROYED, RIGHT, WRONG, Guarded, kind_of
from tests.stores.worker import DEAD, Worker

people = st.sampled_from((ANNA, ANNA, BORIS))
workers = st.integers(0, 1)
# How many points are passed before the process dies; most of the time it lives.
deaths = st.one_of(st.none(), st.none(), st.integers(0, 36))


@cache
def template() -> Folder:
    return Folder.new(Path(tempfile.mkdtemp(prefix="pli-histories-")), ANNA, BORIS)


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


class Histories(RuleBasedStateMachine):
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

    # -- becoming somebody --------------------------------------------------------------------------------------

    def _new_pin(self) -> str:
        return f"{739_200_000 + next(self._numbers)}"

    @initialize()
    def anna_is_there(self) -> None:
        self.somebody_enrols(0, ANNA, None)

    @precondition(lambda self: self.newest is None)
    @rule(which=workers, name=people, die_at=deaths)
    def somebody_enrols(self, which: int, name: str, die_at: int | None) -> None:
        """For the first time, or again with a second code, which destroys the first key."""
        before, pin = self._row(name), self._new_pin()
        code = self._do(which, "invite", name)
        came = self._do(which, "enrol", name, code, pin, die_at=die_at)
        if came == "CODE_WAIT":  # a process that was killed had counted the code, and not taken it back
            self.folder.now += timedelta(days=1)
            came = self._do(which, "enrol", name, code, pin, die_at=die_at)
        assert came in (DEAD, "PIN_SET")
        self._chose(name, pin, done=came == "PIN_SET")
        if before is not None and before.recipient != self._now(name):
            self._is_gone(before.recipient)
        elif before is not None and before.recipient in self.guarded:
            self._settle_killed_leaving(before.recipient)

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

    # -- guesses ------------------------------------------------------------------------------------------------

    def _guess(self, which: int, name: str, pin: str | None, die_at: int | None = None) -> None:
        """``pin`` None is the right one."""
        self._worker(which)  # first, as a start may lock
        row = self._row(name)
        if row is None or row.state not in ("enrolled", "locked"):
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

    def _clock_was_seen(self, recipient: str, guarded: Guarded) -> None:
        """A process that died after it looked at a clock that was set back: the wait has begun again, or not."""
        [(at,)] = self.folder.vault_rows("SELECT counted_at FROM recipient WHERE id = ?", recipient)
        if guarded.since is not None and at == self.folder.now.timestamp():
            guarded.since = min(guarded.since, self.folder.now)

    def _compared(self, recipient: str) -> int:
        file = self.folder.path / "compared"
        return file.read_text().count(f"{recipient} ") if file.exists() else 0

    def _guessed_at_an_old_vault(
        self, recipient: str, came: str, before: tuple[int, int], compared: int
    ) -> None:
        """Rule 11: stale, and nothing was counted, compared or changed."""
        assert came in (DEAD, "PIN_STALE"), came
        assert self._raw(recipient) == before
        assert self._compared(recipient) == compared
        event("an old vault refused")

    @rule(which=workers, name=people, die_at=deaths)
    def guess_right(self, which: int, name: str, die_at: int | None) -> None:
        self._guess(which, name, None, die_at)

    @rule(which=workers, name=people, die_at=deaths)
    def guess_wrong(self, which: int, name: str, die_at: int | None) -> None:
        self._guess(which, name, self._wrong(), die_at)

    @rule(which=workers, name=people, times=st.integers(2, 5), die_at=deaths)
    def guess_wrong_patiently(self, which: int, name: str, times: int, die_at: int | None) -> None:
        for _ in range(times):
            self.folder.now += timedelta(days=1)
            self._guess(which, name, self._wrong(), die_at)

    @rule(name=people, rights=st.tuples(st.booleans(), st.booleans()))
    def guess_in_parallel(self, name: str, rights: tuple[bool, bool]) -> None:
        """Two processes at once: what comes of it must be what comes of one after the other, in either order."""
        both = [self._worker(0), self._worker(1)]
        row = self._row(name)
        if row is None or row.state != "enrolled" or not self._is_sound(row.recipient):
            return
        chosen = self.pins[row.recipient, row.generation]
        for worker, right in zip(both, rights, strict=True):
            worker.tell(self.folder.now, "guess", name, chosen if right else self._wrong())
        came = [kind_of(worker.told()) for worker in both]
        wrong = self._raw(row.recipient)[1]
        possible = []
        for order in ((0, 1), (1, 0)):
            guarded, must = self.guarded[row.recipient].copy(), ["", ""]
            for which in order:
                must[which] = guarded.guess(row.generation, self.folder.now, right=rights[which])
            possible.append((must, guarded))
        fitting = [g for must, g in possible if must == came and (g.dead or g.wrong == wrong)]
        assert fitting, (came, wrong, possible)
        event("in parallel")
        self.guarded[row.recipient] = fitting[0]
        if fitting[0].dead:
            self.gone.add(row.recipient)
        self._went_on(row.recipient)

    # -- a recipient's life -------------------------------------------------------------------------------------

    def _enrolled(self, which: int, name: str) -> Row | None:
        """Started, enrolled, alive: where a change or a relink must succeed."""
        self._worker(which)
        row = self._row(name)
        if row is None or row.state != "enrolled" or row.generation not in self.guarded[row.recipient].pins:
            return None
        return row

    @precondition(lambda self: self.newest is None)
    @rule(which=workers, name=people, die_at=deaths)
    def change(self, which: int, name: str, die_at: int | None) -> None:
        row = self._enrolled(which, name)
        if row is None or self.guarded[row.recipient].copy().waits(self.folder.now):
            return
        old, new = self.pins[row.recipient, row.generation], self._new_pin()
        came = self._do(which, "change", name, old, new, die_at=die_at)
        assert came in (DEAD, "PIN_SET"), came
        self._chose(name, new, done=came == "PIN_SET")

    @precondition(lambda self: self.newest is None)
    @rule(which=workers, name=people, die_at=deaths)
    def leave(self, which: int, name: str, die_at: int | None) -> None:
        row = self._enrolled(which, name)
        if row is None:
            return
        came = self._do(which, "leave", name, die_at=die_at)
        if came == DEAD:
            self._settle_killed_leaving(row.recipient)
        else:
            assert came == "LEFT"
            self._is_gone(row.recipient)

    @precondition(lambda self: self.newest is None)
    @rule(which=workers, name=people, die_at=deaths)
    def relink(self, which: int, name: str, die_at: int | None) -> None:
        """A new phone: key pair and PIN stay."""
        if self._enrolled(which, name) is None:
            return
        code = self._do(which, "relink", name)
        came = self._do(which, "redeem", name, code, f"PHONE-{next(self._numbers)}", die_at=die_at)
        assert came in (DEAD, "CODE_RELINKED", "CODE_WAIT")

    # -- the clock ----------------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from((1, 5, 60, 720, 1440)))
    def time_passes(self, minutes: int) -> None:
        self.folder.now += timedelta(minutes=minutes)

    @rule(minutes=st.sampled_from((1, 60, 500_000)))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.folder.now -= timedelta(minutes=minutes)

    # -- stops, and old copies ----------------------------------------------------------------------------------

    @rule()
    def everything_is_killed_and_started(self) -> None:
        self._stop()
        self._worker(0)

    def _copy(self) -> Copy:
        number = next(self._files)
        copy = Copy(
            self._root / f"{number}.pli.db", self._root / f"{number}.vault.db", deepcopy(self.guarded)
        )
        self.folder.save_database(copy.database)
        self.folder.save_vault(copy.vault)
        return copy

    @precondition(lambda self: self.newest is None and len(self.copies) < 6)
    @rule()
    def both_are_copied(self) -> None:
        self.copies.append(self._copy())

    @precondition(lambda self: self.newest is None and self.copies)
    @rule(pick=st.integers(0, 5), and_back=st.booleans())
    def an_old_database_is_put_back(self, pick: int, and_back: bool) -> None:
        """``and_back``: by mistake, for one start. What stands in the newer one must be there as before."""
        self._stop()
        current = self._copy()
        copies = [self.copies[pick % len(self.copies)], *([current] if and_back else [])]
        for copy in copies:
            self._stop()
            self.folder.put_database(copy.database)
            self.first_start = True
            self._worker(0)
        event("an old database")
        self._everybody_types()

    @precondition(lambda self: self.newest is None and self.copies)
    @rule(pick=st.integers(0, 5))
    def an_old_vault_is_put_back(self, pick: int) -> None:
        self._worker(0)  # what a killed process left is concluded, under the vault that is the newest
        self._stop()
        self.newest = self._copy()
        copy = self.copies[pick % len(self.copies)]
        self.folder.put_vault(copy.vault)
        self.guarded = deepcopy(copy.guarded)
        self._worker(0)
        event("an old vault")
        self._everybody_types()

    @precondition(lambda self: self.newest is not None)
    @rule()
    def the_newest_vault_is_put_back(self) -> None:
        assert self.newest is not None
        self._stop()
        self.folder.put_vault(self.newest.vault)
        self.guarded, self.newest = self.newest.guarded, None
        self._worker(0)
        self._everybody_types()

    def _everybody_types(self) -> None:
        for name in (ANNA, BORIS):
            self._guess(0, name, None)
            self._guess(1, name, self._wrong())

    # -- what must be true after each step ----------------------------------------------------------------------

    @invariant()
    def never_an_eleventh(self) -> None:
        self.folder.never_an_eleventh()

    @invariant()
    def whoever_is_gone_has_no_key(self) -> None:
        """In the vault that is the newest; an old one loses it at the start."""
        for recipient in self.gone if any(self.running) else ():
            row = self.folder.database_rows("SELECT state FROM recipient WHERE id = ?", recipient)
            if row and row[0][0] in ("left", "locked"):
                assert not self.folder.vault_rows("SELECT 1 FROM key WHERE recipient = ?", recipient)


class LongHistories(Histories):
    """The same, for a night."""


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLongHistories = pytest.mark.nightly(LongHistories.TestCase)
TestLongHistories.settings = settings(
    max_examples=400, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
