"""The order of the test files: those that take longest first, so that no process of the tests is left alone at the end.

A process gets whole files; what is not named here takes seconds.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = (
    "tests/demo/test_demo.py",
    "tests/simulation/test_cycles_first.py",
    "tests/simulation/test_cycles_last.py",
    "tests/crashes/test_outages.py",
    "tests/journey/test_whole_journey.py",
    "tests/crashes/test_nudges.py",
    "tests/storage/test_vault_processes.py",
    "tests/simulation/test_cycles_second.py",
    "tests/simulation/test_simulation.py",
    "tests/simulation/test_three_days.py",
    "tests/journey/test_restored.py",
    "tests/staffroom/test_unasked.py",
    "tests/view/test_wire.py",
    "tests/view/test_everything_written.py",
    "tests/staffroom/test_orders.py",
    "tests/channels/test_keys.py",
    "tests/storage/test_vault_served.py",
    "tests/crashes/test_pins.py",
    "tests/homeserver/test_deployed.py",
    "tests/journey/test_processes.py",
    "tests/storage/test_audit_rows.py",
    "tests/journey/test_readme.py",
    "tests/rotation/test_import_keys.py",
    "tests/forgetful/test_seized.py",
    "tests/journey/test_leaks.py",
    "tests/journey/test_rights.py",
    "tests/staffroom/test_words.py",
)
_PLACE: Final = {name: number for number, name in enumerate(LONGEST)}


def place(file: str) -> int:
    """Where a file stands, named from the project's folder; those that are not named stay as they are, behind."""
    return _PLACE.get(file, len(LONGEST))
