"""Random histories over database and vault, in two processes that may be killed before or after any durable step.

Enrol, change the PIN, guess right, wrong and in parallel, crash, restart, leave, be invited again, relink, change the
clock, put back an old database or an old vault. The model (:mod:`tests.stores.model`) says what must come of each
guess; what the vault really compared is written down by the processes. P4, P8; rules 1 to 11 of :mod:`storage.vault`.

Both old copies put back together are outside of what is promised, and are not tried.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.stores.folder import ANNA, BORIS
from tests.stores.history import History
from tests.stores.model import kind_of
from tests.stores.worker import DEAD

people = st.sampled_from((ANNA, ANNA, BORIS))
workers = st.integers(0, 1)
# How many points are passed before the process dies; most of the time it lives.
deaths = st.one_of(st.none(), st.none(), st.integers(0, 36))


class Histories(History, RuleBasedStateMachine):
    """See the module."""

    # -- becoming somebody --------------------------------------------------------------------------------------

    @initialize()
    def anna_is_there(self) -> None:
        self.somebody_enrols(0, ANNA, None)
        self.both_are_copied()

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

    # -- guesses ------------------------------------------------------------------------------------------------

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

    @precondition(lambda self: self.newest is None)
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
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # every step is a message to a process, and flushed to the disk
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # a failure is told as it is: shrinking takes minutes
)
TestLongHistories = pytest.mark.nightly(LongHistories.TestCase)
TestLongHistories.settings = settings(
    max_examples=400, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
