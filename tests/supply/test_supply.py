"""The locks, the list made of them, and what counts as audited."""

from __future__ import annotations

import copy

import pytest

from tests.supply.audit import verdict
from tests.supply.lock import LOCKS, RUN_LOCK, locked
from tests.supply.sbom import Bom, contents, merged, without_licence

_SUM = {"a": "0" * 64, "b": "1" * 64}
_LOCK = f"""a-b==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:{_SUM["a"]} \\
    --hash=sha256:{_SUM["b"]}
c==2.0 \\
    --hash=sha256:{_SUM["b"]}
"""


def component(name: str, version: str, *sums: str) -> Bom:
    hashes = [{"alg": "SHA-256", "content": s} for s in sums]
    purl = f"pkg:pypi/{name}@{version}"
    return {
        "name": name,
        "version": version,
        "bom-ref": f"L-{name}",
        "purl": purl,
        "externalReferences": [{"hashes": hashes}],
    }


PLAIN: Bom = {
    "metadata": {"component": {"bom-ref": "root"}},
    "components": [component("c", "2.0", _SUM["b"]), component("a-b", "1.0", _SUM["a"], _SUM["b"])],
    "dependencies": [],
}
INSTALLED: Bom = {
    "components": [
        {"name": "A.b", "version": "1.0", "bom-ref": "x", "licenses": [{"license": {"id": "MIT"}}]},
        {"name": "c", "version": "1.9", "bom-ref": "y", "licenses": [{"license": {"id": "MIT"}}]},
        {"name": "pytest", "version": "9", "bom-ref": "z"},
    ],
    "dependencies": [{"ref": "x", "dependsOn": ["y", "z"]}, {"ref": "z"}],
}


def test_every_lock_has_sums_for_everything_and_no_address() -> None:
    for lock in LOCKS:
        text = lock.read_text()
        assert all(locked(text).values())
        assert "://" not in text
        assert "--index" not in text


def test_the_locks_agree_on_what_they_share() -> None:
    pins = [dict(locked(lock.read_text()).keys()) for lock in LOCKS]
    for one in pins:
        for other in pins:
            assert {n: v for n, v in one.items() if n in other} == {
                n: v for n, v in other.items() if n in one
            }
    assert pins[0].items() <= pins[1].items()


def test_a_lock_holds_nothing_but_pins() -> None:
    with pytest.raises(ValueError, match="pins"):
        locked("-e git+https://example.invalid/x\n" + _LOCK)


def test_the_list_is_what_the_lock_holds() -> None:
    """`make sbom` compares the same way, and writes nothing where they differ."""
    assert contents(merged(PLAIN, INSTALLED)) == locked(_LOCK)
    other_sums = copy.deepcopy(PLAIN["components"][0])
    other_sums["externalReferences"][0]["hashes"].clear()
    last = PLAIN["components"][1]
    for components in (
        [last],
        [*PLAIN["components"], component("d", "1", _SUM["a"])],
        [component("c", "2.1", _SUM["b"]), last],
        [other_sums, last],
    ):
        assert contents(merged({**PLAIN, "components": components}, INSTALLED)) != locked(_LOCK)


def test_licences_and_dependencies_come_from_what_is_installed_in_that_version() -> None:
    bom = merged(PLAIN, INSTALLED)
    assert without_licence(bom) == ["c"]
    assert {d["ref"]: d["dependsOn"] for d in bom["dependencies"]} == {
        "root": ["pkg:pypi/a-b@1.0", "pkg:pypi/c@2.0"],
        "pkg:pypi/a-b@1.0": [],
        "pkg:pypi/c@2.0": [],
    }
    assert bom == merged({**PLAIN, "components": PLAIN["components"][::-1]}, INSTALLED)


def test_what_was_not_judged_is_not_audited() -> None:
    """pip-audit itself exits with 0 here."""
    asked = locked(_LOCK)
    skipped = {"name": "c", "skip_reason": "Dependency not found and could not be audited: c (2.0)"}
    fine = {"name": "a_b", "version": "1.0", "vulns": []}
    assert verdict({"dependencies": [fine, skipped]}, asked).unjudged == ["c 2.0"]
    assert verdict({"dependencies": [fine]}, asked).unjudged == ["c 2.0"]
    assert verdict({"dependencies": [fine, {**fine, "name": "c"}]}, asked).unjudged == ["c 2.0"]
    assert verdict(
        {"dependencies": [fine, {"name": "c", "version": "2.0", "vulns": [{"id": "X-1"}]}]}, asked
    ) == (
        {"c 2.0": ["X-1"]},
        [],
    )


def test_the_run_lock_is_not_empty() -> None:
    assert len(locked(RUN_LOCK.read_text())) > 50
