"""``pli audit``, ``pli purge`` and ``pli keys``: what they print, what they refuse, and who may ask for what."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.files import DeviceLock
from bot.cli import audit as audit_commands
from bot.cli.reply import Reply, Rows
from bot.cli.seat import Seat, taken
from bot.cli.staffroom import named
from bot.domain.records import AuditEntry, AuditKind
from bot.domain.staff import Member, MemberId, Role
from bot.domain.values import Language, UserId
from bot.errors import Refused
from config.staff_words import StaffWords
from tests.cli.shell import pli

LANGUAGE = "en"


@pytest.fixture
def lived(home: Installation) -> Installation:
    for ref in ("P-1", "P-2"):
        assert pli("patient", "add", ref).code == 0
        assert pli("invite", ref).code == 0
    return home


@pytest.mark.usefixtures("lived")
def test_verify_says_how_many_rows_and_from_when_to_when() -> None:
    done = pli("audit", "verify")
    assert done.code == 0
    assert "4" in done.out
    assert pli("audit", "verify", "--json").json() == {"rows": 4, "length": 4, "purged": 0}


def test_verify_names_the_row_and_the_times_around_it(lived: Installation) -> None:
    with lived.engine.begin() as db:
        db.exec_driver_sql("UPDATE audit SET recipient = 'r-other' WHERE seq = 2")
    done = pli("audit", "verify")
    assert done.code == 1
    assert "audit row 2: changed" in done.err
    times = [entry.at.isoformat() for entry in _entries(lived)]
    assert f"after {times[0]}, before {times[2]}" in done.err
    assert "mend:" in done.err


def _entries(home: Installation) -> list[AuditEntry]:
    with home.uow() as uow:
        return list(uow.audit.listing())


@pytest.mark.usefixtures("lived")
def test_show_filters() -> None:
    assert [r["kind"] for r in pli("audit", "show", "--json").json()] == ["patient_added", "invited"] * 2
    assert [r["kind"] for r in pli("audit", "show", "P-2", "--json").json()] == ["invited"]
    assert (
        pli("audit", "show", "--patient", "P-2", "--json").json()
        == pli("audit", "show", "P-2", "--json").json()
    )
    (one,) = pli("audit", "show", "P-1", "--json").json()
    assert [r["number"] for r in pli("audit", "show", "--recipient", one["recipient"], "--json").json()] == [
        2
    ]
    assert len(pli("audit", "show", "--kind", "invited", "--json").json()) == 2
    assert [r["number"] for r in pli("audit", "show", "--limit", "1", "--json").json()] == [4]
    assert pli("audit", "show", "--until", "2020-01-01", "--json").json() == []
    assert len(pli("audit", "show", "--since", "2020-01-01", "--json").json()) == 4
    assert pli("audit", "show").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--kind", "nonsense"), 2, "--kind"),
        (("--since", "lately"), 2, "day: none"),
        (("P-9",), 1, "no patient"),
    ],
)
@pytest.mark.usefixtures("lived")
def test_show_refuses_with_the_mend(arguments: tuple[str, ...], code: int, word: str) -> None:
    done = pli("audit", "show", *arguments)
    assert done.code == code
    assert word in done.err
    assert "mend:" in done.err


@pytest.mark.usefixtures("lived")
def test_a_head_is_compared_later(tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    assert pli("audit", "export-head", str(file)).code == 0
    assert pli("audit", "export-head", str(file)).code == 1, "never written over"
    assert pli("patient", "add", "P-3").code == 0
    assert pli("audit", "compare", str(file), "--json").json() == {
        "part_of_the_log": True,
        "length": 4,
        "rows_since": 1,
    }
    assert "since then 1 row" in pli("audit", "compare", str(file)).out


@pytest.mark.usefixtures("lived")
def test_a_head_of_another_log_or_of_a_cut_one_is_told(tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    pli("audit", "export-head", str(file))
    head = json.loads(file.read_text())
    file.write_text(json.dumps({**head, "mac": "00" * 32}))
    other = pli("audit", "compare", str(file))
    assert (other.code, "another one today" in other.err) == (1, True)
    file.write_text(json.dumps({**head, "length": 9}))
    cut = pli("audit", "compare", str(file))
    assert (cut.code, "ends at row 4" in cut.err) == (1, True)
    for bad in ("{}", "no", json.dumps({**head, "length": 0}), json.dumps({**head, "format": "x"})):
        file.write_text(bad)
        assert pli("audit", "compare", str(file)).code == 2
    assert pli("audit", "compare", str(tmp_path / "none")).code == 2
    assert pli("audit", "export-head", str(tmp_path / "no" / "head.json")).code == 1


def test_a_head_from_before_a_purge_says_why_it_cannot_be_compared(
    lived: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "head.json"
    pli("audit", "export-head", str(file))
    pli("patient", "add", "P-3")
    pli("patient", "add", "P-4")
    last = _entries(lived)[-1].at
    with lived.uow() as uow:
        assert uow.audit.cut(last) == 5
        uow.commit()
    done = pli("audit", "compare", str(file))
    assert (done.code, "was purged by this practice's own setting" in done.err) == (1, True)


@pytest.mark.usefixtures("home")
def test_an_empty_log_has_no_head(tmp_path: Path) -> None:
    assert pli("audit", "verify", "--json").json()["rows"] == 0
    done = pli("audit", "export-head", str(tmp_path / "head.json"))
    assert (done.code, "empty" in done.err) == (1, True)


# -- the staff room ---------------------------------------------------------------------------------------------------


def member(role: Role) -> Member:
    return Member(
        id=MemberId("m-1"),
        user=UserId("@ab:example.org"),
        role=role,
        language=Language.FR,
        added_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def in_room(home: Installation, role: Role, *arguments: str) -> Reply:
    with taken(Seat(home=home, member=member(role))):
        reply = audit_commands.show(*arguments)
    assert isinstance(reply, Reply)
    return reply


def _numbers(reply: Reply) -> list[str]:
    return [row[0] for part in reply.parts if isinstance(part, Rows) for row in part.rows]


def test_in_the_room_an_administrator_reads_all_and_a_secretary_one_patient(lived: Installation) -> None:
    assert _numbers(in_room(lived, Role.ADMINISTRATOR)) == ["1", "2", "3", "4"]
    assert _numbers(in_room(lived, Role.ADMINISTRATOR, "P-2")) == ["4"]
    assert _numbers(in_room(lived, Role.SECRETARY, "P-1")) == ["2"]
    with pytest.raises(Refused, match="only an administrator"):
        in_room(lived, Role.SECRETARY)
    assert in_room(lived, Role.SECRETARY, "P-1").private
    assert (command := named("audit verify")) is not None
    assert command.roles == {Role.ADMINISTRATOR}


@pytest.mark.parametrize("language", Language)
def test_every_kind_has_words_for_the_staff(language: Language) -> None:
    say = StaffWords(language)
    for kind in AuditKind:
        assert say.has(f"audit.kind.{kind}"), kind


# -- purge and keys ---------------------------------------------------------------------------------------------------


def test_purge_counts_and_a_dry_run_deletes_nothing(lived: Installation) -> None:
    with lived.engine.begin() as db:
        db.exec_driver_sql("UPDATE invitation SET expires = '2020-01-01T00:00:00.000000Z'")
    assert pli("purge", "--dry-run", "--json").json()["invitations"] == 2
    planned = pli("purge", "--dry-run")
    assert "would go" in planned.out
    done = pli("purge", "--json").json()
    assert (done["invitations"], done["log_emptied"], done["dry_run"]) == (2, True, False)
    assert "nothing is too old" in pli("purge").out


def test_purge_says_that_a_broken_log_was_left_alone(lived: Installation) -> None:
    settings = lived.settings.folder / "pli.toml"
    settings.write_text(settings.read_text().replace("audit_days = 0", "audit_days = 30"))
    with lived.engine.begin() as db:
        db.exec_driver_sql("UPDATE audit SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 1")
    done = pli("purge")
    assert done.code == 3
    assert "pli audit verify" in done.err


def test_keys_are_listed_with_their_age_and_the_data_key_is_changed(lived: Installation) -> None:
    listed = pli("keys", "list", "--json").json()
    assert {k["key"] for k in listed["keys"]} >= {"data.key", "signer.key", "digest.key", "answer.key"}
    assert all(k["age_days"] == 0 for k in listed["keys"])
    assert pli("keys", "list").code == 0
    before = (lived.bot_dir / "data.key").read_bytes()
    done = pli("keys", "rotate", "data", "--json").json()
    assert done["sealed_again"] > 0
    assert (lived.bot_dir / "data.key").read_bytes() != before
    assert pli("keys", "list", "--json").json()["older_audit_keys"] == 1
    assert pli("audit", "verify").code == 0
    assert pli("patient", "show", "P-1").code == 0
    assert [r["kind"] for r in pli("audit", "show", "--json").json()][-1] == "keys_rotated"


def test_keys_are_not_changed_while_the_bot_runs(lived: Installation) -> None:
    lock = DeviceLock(lived.bot_dir / CRYPTO_STORE).take()
    done = pli("keys", "rotate", "data")
    lock.release()
    assert done.code == 1
    assert "stop it first" in done.err


def test_the_import_sides_keys_are_changed(lived: Installation) -> None:
    before = {n: (lived.import_dir / n).read_bytes() for n in ("signer.key", "digest.key", "answer.key")}
    done = pli("keys", "rotate", "import", "--json").json()
    assert (done["recipients"], done["doubtful"]) == (2, 0)
    assert not [n for n, key in before.items() if (lived.import_dir / n).read_bytes() == key]
    assert pli("audit", "verify").code == 0
    assert pli("invite", "P-1", "--another").code == 0
    assert "are new" in pli("keys", "rotate", "import").out
