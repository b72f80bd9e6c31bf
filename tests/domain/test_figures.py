"""Counts of the outbox."""

from __future__ import annotations

from bot.domain.figures import Figures


def test_a_sum_of_the_outbox_is_of_one_kind_and_one_state_and_nothing_where_there_is_none() -> None:
    figures = Figures(
        outbox={("nudge", "sent"): 3, ("nudge", "queued"): 5},
        waiting=5,
        oldest_waiting=None,
        slots=(),
        recipients={},
        problems={},
        open_answers=0,
        releases=0,
        last_import=None,
        last_import_count=0,
        last_backup=None,
        database_bytes=0,
    )
    assert figures.sum_outbox("nudge", "sent") == 3
    assert figures.sum_outbox("nudge", "queued") == 5
    assert figures.sum_outbox("reply", "sent") == 0
