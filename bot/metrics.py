"""What ``/metrics`` shows: Prometheus' text form, derived when it is asked for, in a registry of its own.

1. No label but kinds and states of this program's own lists: nobody is counted by name, id or room.
2. Counts of the database are gauges of what is kept; whole totals are those of the audit log and of this process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.domain.figures import Figures
from bot.domain.records import OutboxKind, OutboxState, ProblemKind, RecipientState
from bot.domain.telegram import NudgeOn

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """What the process knows by itself. ``sync_age`` in seconds; None before the first answer."""

    ready: bool
    connected: bool
    own_account_clean: bool
    storage_answers: bool
    storage_refusals: int
    failing_tasks: int
    clock_good: bool
    sync_age: float | None


class _Reading(Collector):
    """One scrape. ``figures`` is None while the database does not answer: what is not known is left out."""

    def __init__(self, live: Live, figures: Figures | None, *, paused: bool, free_bytes: int | None) -> None:
        self._live, self._figures, self._paused, self._free = live, figures, paused, free_bytes

    def collect(self) -> Iterator[Metric]:
        live = self._live
        yield _gauge("pli_ready", "Whether /readyz says so.", live.ready)
        yield _gauge("pli_connected", "Whether the homeserver answers.", live.connected)
        yield _gauge(
            "pli_own_account_clean",
            "Whether the bot's account shows its own devices alone.",
            live.own_account_clean,
        )
        yield _gauge("pli_storage_answers", "Whether the database answers.", live.storage_answers)
        yield CounterMetricFamily(
            "pli_storage_refusals", "Times that the database refused since the start.", live.storage_refusals
        )
        yield _gauge("pli_failing_tasks", "Tasks that failed and were started again.", live.failing_tasks)
        yield _gauge("pli_clock_good", "Whether the machine's clock is not in doubt.", live.clock_good)
        if live.sync_age is not None:
            yield _gauge(
                "pli_sync_age_seconds",
                "Since the homeserver's last answer; up to 30 is usual.",
                live.sync_age,
            )
        if self._free is not None:
            yield _gauge("pli_disk_free_bytes", "On the disk of the practice's folder.", self._free)
        if self._figures is not None:
            yield from self._of_database(self._figures)

    def _of_database(self, figures: Figures) -> Iterator[Metric]:
        yield _gauge("pli_paused", "Whether nudges are paused.", self._paused)
        outbox = GaugeMetricFamily(
            "pli_outbox_rows", "Messages that are kept, by kind and state.", labels=["kind", "state"]
        )
        for kind in OutboxKind:
            for state in OutboxState:
                outbox.add_metric([kind.value, state.value], figures.outbox.get((kind.value, state.value), 0))
        yield outbox
        sent = GaugeMetricFamily(
            "pli_nudges_sent", "Nudges that left and are kept, by channel.", labels=["channel"]
        )
        for channel in (NudgeOn.MATRIX, NudgeOn.TELEGRAM):
            sent.add_metric([channel.value], figures.sent.get(channel.value, 0))
        yield sent
        yield _gauge("pli_telegram_chats", "Chats on Telegram that are bound.", figures.chats)
        yield _gauge("pli_outbox_waiting", "Messages that are due and have not left.", figures.waiting)
        yield _labelled("pli_recipients", "People by state.", "state", RecipientState, figures.recipients)
        yield _labelled("pli_problems", "Open lines for the staff.", "kind", ProblemKind, figures.problems)
        yield _gauge("pli_open_answers", "Answers of patients that wait.", figures.open_answers)
        yield CounterMetricFamily("pli_releases", "Releases in the audit log.", figures.releases)
        yield _gauge("pli_database_bytes", "Size of the database.", figures.database_bytes)
        if figures.last_import is not None:
            yield _gauge(
                "pli_last_import_timestamp_seconds",
                "When an agenda was imported.",
                figures.last_import.timestamp(),
            )
        if figures.last_backup is not None:
            yield _gauge(
                "pli_last_backup_timestamp_seconds",
                "When a backup was made.",
                figures.last_backup.timestamp(),
            )


def exposition(live: Live, figures: Figures | None, *, paused: bool, free_bytes: int | None) -> bytes:
    """The page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(live, figures, paused=paused, free_bytes=free_bytes))
    return generate_latest(registry)


def free_bytes(folder: Path) -> int | None:
    """On the disk of ``folder``; None where that cannot be found out."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, float(value))


def _labelled(
    name: str, help_text: str, label: str, known: type[StrEnum], counts: Mapping[str, int]
) -> GaugeMetricFamily:
    """Rule 1: the labels are the program's own list, whatever the database holds."""
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for member in known:
        family.add_metric([member.value], counts.get(member.value, 0))
    return family
