"""A big agenda: memory that does not grow with the file, short transactions."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

from bot.domain.appointment import Appointment, Detail
from bot.ports_storage import UnitOfWork
from bot.services.import_agenda import BATCH, ImportAgenda
from bot.services.import_batch import Entry, ImportOptions
from tests.services.crowd import crowd
from tests.services.kit import NOW, Practice, entry

BIG = 20_000


def details_alive() -> int:
    return sum(isinstance(o, Detail) for o in gc.get_objects())


def test_of_twenty_thousand_entries_a_batch_is_in_memory(practice: Practice) -> None:
    """Entries are made as they are read and forgotten once they are sealed; most of them are nobody's."""
    crowd(practice, 20)
    most: list[int] = []

    def read() -> Iterator[Entry]:
        for n in range(BIG):
            if n % 1000 == 999:
                most.append(details_alive())
            start = NOW + timedelta(days=3 + n % 60, minutes=n % 480)
            yield entry(f"u-{n}", start, patient=f"C-{n % 100}")

    before = details_alive()
    counts = practice.take_all(read)
    assert (counts.new, counts.unmatched) == (BIG // 5, BIG - BIG // 5)
    assert before <= max(most) <= before + 2 * BATCH + 10


def test_no_transaction_spans_more_than_a_batch(practice: Practice) -> None:
    """Others come in between: the bot answers while an agenda is imported."""
    practice.invite("P-1")
    opened: list[int] = []
    read_so_far = count()
    seen = [0]

    def read() -> Iterator[Appointment]:
        for n in range(3 * BATCH):
            seen[0] = next(read_so_far)
            yield entry(f"u-{n}", NOW + timedelta(days=3, minutes=n))

    def uow() -> UnitOfWork:
        opened.append(seen[0])
        return practice.home.uow()

    ImportAgenda(uow, practice.sealer, rules=practice.rules, now=practice.now, options=ImportOptions())(read)
    assert opened[:3] == [BATCH - 1, 2 * BATCH - 1, 3 * BATCH - 1]
