"""`python -m tests.supply.audit`: is anything known against what the locks hold?

pip-audit says "no known vulnerabilities" and exits with 0 where it could ask about nothing at all. So its report is
read: a package that was not judged is a failure, and said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.supply.lock import LOCKS, Locked, locked, plain_name

_SERVICES = ("pypi", "osv")


class Verdict(NamedTuple):
    """Against each package: the ids of what is known; and the packages about which nothing was answered."""

    known: dict[str, list[str]]
    unjudged: list[str]


def verdict(report: dict[str, Any], asked: Locked) -> Verdict:
    """What a report of pip-audit says of everything that was asked about."""
    told = {(plain_name(d["name"]), d.get("version")): d.get("vulns") for d in report["dependencies"]}
    known = {f"{n} {v}": [f["id"] for f in found] for (n, v), found in told.items() if found}
    return Verdict(
        known, [f"{name} {version}" for name, version in asked if told.get((name, version)) is None]
    )


def main(locks: Iterable[Path] = LOCKS) -> int:
    failed = 0
    for lock in locks:
        asked = locked(lock.read_text())
        for service in _SERVICES:
            found = _ask(lock, service)
            if found is not None and not (judged := verdict(found, asked)).unjudged:
                break
        else:
            print(
                f"{lock.name}: NOT AUDITED: no advisory service could be asked about all of its {len(asked)} packages"
            )
            failed = 1
            continue
        for package, ids in judged.known.items():
            print(f"{lock.name}: {package}: {', '.join(ids)}")
        print(
            f"{lock.name}: {len(asked)} packages audited ({service}), something is known against {len(judged.known)}"
        )
        failed |= bool(judged.known)
    return failed


def _ask(lock: Path, service: str) -> dict[str, Any] | None:
    """The report; None where there is none."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "--requirement",
            str(lock),
            "--disable-pip",
            "--no-deps",
        ]
        command += ["--vulnerability-service", service, "--format", "json", "--output", str(report)]
        subprocess.run(
            [*command, "--progress-spinner", "off", "--timeout", "10"], check=False, capture_output=True
        )
        try:
            found: dict[str, Any] = json.loads(report.read_text())
        except (OSError, ValueError):
            return None
        return found


if __name__ == "__main__":
    sys.exit(main())
