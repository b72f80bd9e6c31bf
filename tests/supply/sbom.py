"""`python -m tests.supply.sbom FILE`: CycloneDX, of the run lock: versions, sums, licences, who needs whom.

cyclonedx-bom reads the lock, which has the sums, and the environment, which has the licences; one is put into the
other. The same locks and environment give the same bytes. Fails where the list is not exactly what the lock holds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.supply.lock import RUN_LOCK, Locked, locked, plain_name

_ROOT: Final = Path(__file__).parents[2]
_VERSION: Final = "1.6"
Bom = dict[str, Any]


def merged(plain: Bom, installed: Bom) -> Bom:
    """``plain``, of the lock, with the licences and the dependencies of ``installed``; by name."""
    there = {(plain_name(c["name"]), c.get("version")): c for c in installed["components"]}
    refs: dict[str, str] = {}
    components = []
    for component in plain["components"]:
        purl = component["purl"]
        made = {k: v for k, v in component.items() if k != "description"} | {"bom-ref": purl}
        known = there.get((plain_name(component["name"]), component["version"]))
        if known is not None:
            refs[known["bom-ref"]] = purl
            made |= {name: known[name] for name in ("licenses", "description") if name in known}
        components.append(made)
    needs = {
        refs[d["ref"]]: sorted(refs[r] for r in d.get("dependsOn", ()) if r in refs)
        for d in installed["dependencies"]
        if d["ref"] in refs
    }
    every = sorted(c["bom-ref"] for c in components)
    root = plain["metadata"]["component"]["bom-ref"]
    graph = [{"ref": ref, "dependsOn": needs.get(ref, [])} for ref in every]
    return {
        **plain,
        "components": sorted(components, key=lambda c: str(c["bom-ref"])),
        "dependencies": [{"ref": root, "dependsOn": every}, *graph],
    }


def contents(bom: Bom) -> Locked:
    """What a list names, in the form of a lock."""
    return {
        (plain_name(c["name"]), c["version"]): frozenset(
            h["content"]
            for r in c.get("externalReferences", ())
            for h in r.get("hashes", ())
            if h["alg"] == "SHA-256"
        )
        for c in bom["components"]
    }


def without_licence(bom: Bom) -> list[str]:
    return [c["name"] for c in bom["components"] if not c.get("licenses")]


def main(target: Path) -> int:
    plain = _cyclonedx("requirements", "--pyproject", str(_ROOT / "pyproject.toml"), str(RUN_LOCK))
    bom = merged(plain, _cyclonedx("environment", sys.executable))
    if contents(bom) != locked(RUN_LOCK.read_text()):
        print("the list is not what the run lock holds")
        return 1
    text = json.dumps(bom, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if fault := _fault(text):
        print(f"not valid CycloneDX {_VERSION}: {fault}")
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    unknown = without_licence(bom)
    print(f"{target}: CycloneDX {_VERSION}, valid, {len(bom['components'])} components")
    print(f"without a licence, as not installed here or not declared: {', '.join(unknown) or 'none'}")
    return 0


def _cyclonedx(*given: str) -> Bom:
    command = [sys.executable, "-m", "cyclonedx_py", *given, "--output-reproducible", "--sv", _VERSION]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=_ROOT)
    found: Bom = json.loads(done.stdout)
    return found


def _fault(text: str) -> object:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.from_version(_VERSION)).validate_str(text)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
