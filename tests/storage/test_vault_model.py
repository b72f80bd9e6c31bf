"""The vault against a model of its rules: random histories with crashes, old databases, two openers."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.errors import KeyDestroyed, MustWait, StaleGeneration, WrongSecret
from storage.vault import TRIES, WAIT_MINUTES, Staged, Vault
from tests.storage.vault_rig import CODE, KEY, WHO, InMemory, enrolled_vault, h


class VaultHistory(RuleBasedStateMachine):
    """The model: which generations live, which PIN opens each, how many wrong ones, when the wait ends."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        first, self.clock, answer = enrolled_vault(Path(self._folder.name))
        self.vaults = (first, Vault(Path(self._folder.name) / "vault.db", self.clock, InMemory()))
        self.pins = {1: 2_000}
        self.answers = {1: answer.reveal()}
        self.named = 1
        self.wrong = 0
        self.counted_at = self.clock.now()
        self.gone = False
        self.fresh = 10_000

    def teardown(self) -> None:
        self._folder.cleanup()

    def _new_number(self) -> int:
        self.fresh += 1
        return self.fresh

    def _count_wrong(self) -> None:
        self.wrong += 1
        if self.wrong == TRIES:
            self.gone = True
        else:
            self.counted_at = self.clock.now()

    @property
    def _waiting(self) -> bool:
        wait = timedelta(minutes=WAIT_MINUTES[self.wrong - 1] if self.wrong else 0)
        return self.clock.now() < self.counted_at + wait

    @rule(
        which=st.integers(0, 1),
        pick=st.integers(0, 7),
        right=st.sampled_from((False, False, False, False, True)),
        crash=st.booleans(),
    )
    def guess(self, which: int, pick: int, right: bool, crash: bool) -> None:
        vault = self.vaults[which]
        generation = 99 if pick == 7 else sorted(self.pins)[pick % len(self.pins)]
        number = self.pins.get(generation, 1) if right else self._new_number()
        right = right and generation in self.pins
        try:
            if crash:  # killed after the count, before the comparison
                vault._count(WHO, KEY, generation, h(number))
                outcome = None
            else:
                outcome = vault.unlock(WHO, KEY, generation, h(number)).reveal()
        except KeyDestroyed:
            if not self.gone:
                assert generation in self.pins
                assert not right
                assert not self._waiting
                self._count_wrong()
            assert self.gone
        except StaleGeneration:
            assert generation not in self.pins
        except MustWait:
            assert self._waiting
        except WrongSecret:
            assert not right
            self._count_wrong()
        else:
            assert not self.gone
            assert not self._waiting
            if right:
                assert outcome in (None, self.answers[generation])
                self.wrong = 0
            else:
                assert crash
                self._count_wrong()

    @rule(which=st.integers(0, 1))
    def stage(self, which: int) -> None:
        number = self._new_number()
        generation = self.named
        try:
            staged = self.vaults[which].unlock_and_stage(
                WHO, KEY, generation, h(self.pins.get(generation, 0)), h(number)
            )
        except KeyDestroyed:
            assert self.gone
        except MustWait:
            assert self._waiting
        else:
            assert isinstance(staged, Staged)
            assert staged.old.reveal() == self.answers[generation]
            assert staged.generation not in self.pins
            self.pins[staged.generation] = number
            self.answers[staged.generation] = staged.new.reveal()
            self.wrong = 0

    @precondition(lambda self: len(self.pins) > 1 and not self.gone)
    @rule(which=st.integers(0, 1), newest=st.booleans(), at_start=st.booleans())
    def database_names_one(self, which: int, newest: bool, at_start: bool) -> None:
        generation = max(self.pins) if newest else min(self.pins)
        if at_start:
            self.vaults[which].reconcile(WHO, KEY, generation)
        else:
            self.vaults[which].commit(WHO, KEY, generation)
        self.named = generation
        self.pins = {generation: self.pins[generation]}

    @rule(which=st.integers(0, 1), times=st.integers(1, 5), crash=st.booleans())
    def guess_patiently(self, which: int, times: int, crash: bool) -> None:
        for _ in range(times):
            self.clock.forward(days=1)
            self.guess(which=which, pick=0, right=False, crash=crash)

    @rule(minutes=st.sampled_from((1, 5, 60, 720)))
    def time_passes(self, minutes: int) -> None:
        self.clock.forward(minutes=minutes)

    @rule(minutes=st.sampled_from((1, 60, 500_000)))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.clock.forward(minutes=-minutes)
        self.counted_at = min(self.counted_at, self.clock.now())

    @rule(which=st.integers(0, 1))
    def old_database_is_put_back(self, which: int) -> None:
        try:
            self.vaults[which].unlock(WHO, KEY, 0, CODE)
        except (StaleGeneration, KeyDestroyed):
            return
        raise AssertionError("a generation that was destroyed answered")

    @invariant()
    def the_vault_agrees(self) -> None:
        assert self.vaults[0].tries_left(WHO) == (0 if self.gone else TRIES - self.wrong)
        assert (self.vaults[1].wait_seconds(WHO) > 0) == (not self.gone and self._waiting)


TestVaultHistory = VaultHistory.TestCase
TestVaultHistory.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # every step is flushed to the disk, on purpose
)
