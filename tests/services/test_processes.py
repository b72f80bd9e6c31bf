"""Several processes on one database and one vault: imports, invitations, a patient who enrols, the audit log."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.records import OutboxState, RecipientState
from bot.errors import StorageError
from storage.audit_rows import verify_audit
from tests.services.kit import NOW, PIN, Practice, entry

FORK = multiprocessing.get_context("fork")
ENTRIES = 120


def _import(practice: Practice, number: int) -> dict[str, int]:
    """Half of what each imports is imported by all of the others as well."""
    mine = [entry(f"own-{number}-{n}", NOW + timedelta(days=5 + n % 20)) for n in range(ENTRIES)]
    shared = [entry(f"shared-{n}", NOW + timedelta(days=5 + n % 20)) for n in range(ENTRIES)]
    total: Counter[str] = Counter()
    for _ in range(3):
        counts = practice.take(*mine, *shared)
        total.update(new=counts.new, unchanged=counts.unchanged, refused=len(counts.refused))
    return total


def _invite(practice: Practice, number: int) -> dict[str, int]:
    for _ in range(12):
        practice.invite(f"P-{number}", "P-1")
    return {"invited": 12}


def _talk(practice: Practice, number: int) -> dict[str, int]:
    async def talk() -> int:
        person = await practice.enrolled("P-1", name=f"person-{number}")
        for _ in range(4):
            await person.say(PIN)
            await person.say("confirm 1")
            await person.say("cancel 2")
            await person.say("yes")
            practice.clock.forward(minutes=11)
        return len(practice.channel.of("private"))

    return {"said": asyncio.run(talk())}


def _work(folder: Path, database: str, number: int, task: Any, start: Any, results: Any) -> None:
    practice = Practice(folder, database=database)
    start.wait(timeout=60)
    try:
        results.put((task.__name__, task(practice, number)))
    except BaseException as error:  # noqa: BLE001 - shown by the parent
        results.put((task.__name__, {"error": f"{type(error).__name__}: {error}"}))
    practice.close()


@pytest.mark.parametrize("tasks", [(_import, _import, _invite, _talk), (_import, _import, _import, _import)])
def test_four_processes_on_one_practice(anywhere: Practice, tasks: tuple[Any, ...]) -> None:
    """None fails, nothing is lost or doubled, the audit log is whole, and what waits is what should."""
    anywhere.invite("P-1")
    anywhere.close()  # no connection is shared with a child
    start, results = FORK.Barrier(len(tasks)), FORK.SimpleQueue()
    workers = [
        FORK.Process(target=_work, args=(anywhere.folder, anywhere.database, n, task, start, results))
        for n, task in enumerate(tasks)
    ]
    for worker in workers:
        worker.start()
    told = [results.get() for _ in workers]
    for worker in workers:
        worker.join(timeout=120)
        assert worker.exitcode == 0
    assert not [t for t in told if "error" in t[1]], told
    imports = [counts for name, counts in told if name == "_import"]
    assert sum(c["new"] for c in imports) == ENTRIES * (len(imports) + 1)
    assert sum(c["refused"] for c in imports) == 0
    anywhere.clock.moment = NOW
    sources = [a.source_index for a in anywhere.appointments()]
    assert len(sources) == len(set(sources)) == ENTRIES * (len(imports) + 1)
    assert verify_audit(anywhere.home.engine, anywhere.home.audit_chain, anywhere.home.vault) > len(imports)
    anywhere.take()
    with anywhere.home.uow() as uow:
        recipients = uow.recipients.all()
    assert all(anywhere.keys.reconcile(r) == "fits" for r in recipients)
    slots = [(r.recipient, r.slot) for r in anywhere.nudge_rows()]
    assert len(slots) == len(set(slots))
    enrolled = [r for r in recipients if r.state is RecipientState.ENROLLED]
    assert len(enrolled) == tasks.count(_talk)
    assert not anywhere.nudge_rows(OutboxState.CLAIMED, OutboxState.HELD)


def test_a_reader_is_refused_while_a_writer_never_ends_and_not_kept_waiting_for_ever(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit of work inside another one is a defect that shows, not a process that hangs."""
    monkeypatch.setattr("storage.engine.BUSY_SECONDS", 0.1)
    impatient = Practice(practice.folder)
    with impatient.home.uow(), pytest.raises(StorageError):
        impatient.take(entry())
    impatient.close()
