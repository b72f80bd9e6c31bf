"""bot/backup.py, bot/restore.py, storage/vault_copy.py, bot/services/settle_restored.py, on whole practices."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.records import OutboxKind, OutboxState, ProblemKind, RecipientState
from bot.domain.values import RecipientId
from bot.errors import InvalidSeal, PliError, Refused, StorageError
from bot.services.pause_nudges import is_paused, paused_since
from storage.agebox import PrivateKey, PublicKey, new_pair, unseal
from storage.pack import VERSION
from tests.rig.postgres import RigPostgres
from tests.safekeeping.scene import (
    PASSPHRASE,
    SECRET_FILES,
    Restarted,
    Scene,
    contents,
    everything_below,
    without,
)
from tests.services.kit import NOW, PIN, WRONG_PIN

UNTOUCHED = (
    "patient",
    "patient_recipient",
    "room",
    "appointment",
    "envelope",
    "reminder",
    "answer",
    "seen",
    "guess",
)
DAY = timedelta(days=1)


def inside(file: Path) -> bytes:
    """Everything that a backup holds, in clear."""
    found = bytearray()
    with file.open("rb") as source:
        unseal(source, PASSPHRASE, found.extend)
    return bytes(found)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/data/pli.db"


def states(bot: Restarted) -> dict[str, str]:
    with bot.home.uow() as uow:
        return {r.id: r.state.value for r in uow.recipients.all()}


# -- the file -----------------------------------------------------------------------------------------------------


def test_one_private_file_with_no_name_in_it_and_nothing_beside_it(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    made = scene.backup(tmp_path / "to")
    again = scene.backup(tmp_path / "to")
    assert [p.name for p in sorted((tmp_path / "to").iterdir())] == [
        "pli-20260901T080000Z-2.backup",
        "pli-20260901T080000Z.backup",
    ]
    assert made.file != again.file, "nothing is written over"
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert [p.name for p in scene.bot.home.bot_dir.iterdir() if p.name.startswith(".")] == []
    assert made.sealed > 0
    assert made.rows["recipient"] == 1


@pytest.mark.parametrize("with_vault", [False, True])
def test_rule_2_the_devices_keys_are_never_in_it_and_the_vault_only_when_asked_for(
    with_vault: bool, scene: Scene, tmp_path: Path
) -> None:
    scene.enrolled("anna")
    clear = inside(scene.backup(tmp_path / "to", with_vault=with_vault).file)
    for name in SECRET_FILES:
        assert name.encode() not in clear
    pickle = (scene.bot.home.bot_dir / "pickle.key").read_bytes()
    for data in (pickle, b"the device's keys"):
        assert data not in clear
    assert b"cross_signing.json" in clear
    assert (b'"kind":"vault"' in clear) is with_vault
    assert b'"verifier"' in clear, "a code's, in a table of its own: the search finds what is there"


def test_rule_4_the_file_is_closed_to_whoever_has_the_disk(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    file = scene.backup(tmp_path / "to").file.read_bytes()
    data = (scene.bot.home.bot_dir / "data.key").read_bytes()
    for word in (b"recipient", b"pli.toml", b"the desk", data):
        assert word not in file


# -- there and back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_every_row_comes_back_into_either_database(
    target: str, anywhere: Scene, tmp_path: Path, postgres_server: RigPostgres
) -> None:
    anywhere.enrolled("anna", "boris")
    anywhere.bot.invite("anna")
    made = anywhere.backup(tmp_path / "to", with_vault=True)
    before = contents(str(anywhere.bot.home.settings.database_url()))
    with postgres_server.fresh_database() as other:
        to = other if target == "postgresql" else ""
        done = anywhere.restore(made.file, tmp_path / "new", database=to)
        after = contents(to or url_of(tmp_path / "new"))
        assert done.rows.keys() == made.rows.keys()
        for name in UNTOUCHED:
            assert after[name] == before[name], name
        assert without(after["recipient"], "vault_serial") == without(before["recipient"], "vault_serial")
        assert max(after["audit"], key=lambda r: r["seq"])["kind"] == "restored"
        bot = Restarted(tmp_path / "new", NOW + DAY)
        bot.start()
        assert bot.guess("anna", PIN) == "PIN_RIGHT"
        bot.invite("anna")  # rows get numbers behind those that came back
        bot.close()


def test_a_folder_that_came_back_holds_what_was_there_and_a_new_key_for_its_device(
    scene: Scene, tmp_path: Path
) -> None:
    scene.enrolled("anna")
    scene.restore(scene.backup(tmp_path / "to").file, tmp_path / "new")
    before, after = everything_below(scene.folder), everything_below(tmp_path / "new")
    same = [name for name in before if name.startswith(("bot/", "import/")) and name in after]
    assert [n for n in same if before[n] != after[n]] == ["bot/pickle.key"]
    assert sorted(set(before) - set(after)) == ["bot/crypto/olm.db", "bot/session.json", "pli.db", "vault.db"]
    assert b"# kept by hand" in after["pli.toml"]
    assert b'phone = "01 23 45 67 89"  # the desk' in after["pli.toml"]
    for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name


def test_p8_without_the_vault_nothing_opens_and_everybody_is_to_be_invited_again(
    scene: Scene, tmp_path: Path
) -> None:
    scene.enrolled("anna", "boris")
    scene.bot.settle_in("carl")
    scene.bot.invite("carl")
    made = scene.backup(tmp_path / "to")
    assert scene.bot.leave("boris") == "LEFT"
    done = scene.restore(made.file, tmp_path / "new")
    assert done.settled.to_invite == 3
    bot = Restarted(tmp_path / "new", NOW + scene.later)
    bot.start()
    assert set(states(bot).values()) == {RecipientState.LOCKED.value}
    for name in ("anna", "boris"):
        assert bot.guess(name, PIN) == "PIN_DESTROYED"
    with bot.home.uow() as uow:
        assert [p.kind for p in uow.problems.all()] == [ProblemKind.NO_KEY] * 3
        assert not [i for r in uow.recipients.all() for i in uow.invitations.open_for(r.id)]
    for recipient in states(bot):
        assert bot.home.vault.known(RecipientId(recipient))
        assert not bot.home.vault.is_old(RecipientId(recipient))
    assert bot.enrol("anna", bot.invite("anna"), PIN) == "PIN_SET", "invited again, and all is well"
    assert bot.guess("anna", PIN) == "PIN_RIGHT"
    bot.close()


def test_p8_with_the_vault_a_key_that_was_destroyed_is_back_until_it_is_destroyed_again(
    scene: Scene, tmp_path: Path
) -> None:
    """What SECURITY.md says of ``--with-vault``: leaving is undone by it."""
    scene.enrolled("anna")
    made = scene.backup(tmp_path / "to", with_vault=True)
    assert scene.bot.leave("anna") == "LEFT"
    done = scene.restore(made.file, tmp_path / "new")
    assert done.settled.to_invite == 0
    bot = Restarted(tmp_path / "new", NOW + DAY)
    bot.start()
    assert bot.guess("anna", PIN) == "PIN_RIGHT"
    assert bot.leave("anna") == "LEFT"
    bot.start()
    recipient = RecipientId(next(iter(states(bot))))
    assert bot.home.vault.tries_left(recipient) == 0
    bot.close()


# -- the vault that comes back ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wrong", "left"), [(0, 5), (3, 5), (5, 5), (7, 3), (9, 1)])
def test_vault_copy_rule_3_five_tries_are_used_at_least(
    wrong: int, left: int, scene: Scene, tmp_path: Path
) -> None:
    scene.enrolled("anna")
    for _ in range(wrong):
        assert scene.bot.guess("anna", WRONG_PIN).startswith("PIN_WRONG")
        scene.bot.clock.forward(days=1)
    file = scene.backup(tmp_path / "to", with_vault=True).file
    scene.later = timedelta(days=wrong, hours=1)
    scene.restore(file, tmp_path / "new")
    bot = Restarted(tmp_path / "new", NOW + scene.later)
    bot.start()
    assert bot.home.vault.tries_left(RecipientId(next(iter(states(bot))))) == left
    assert bot.guess("anna", PIN) == "PIN_WAIT", "the wait begins with the restore"
    bot.clock.forward(days=1)
    assert bot.guess("anna", PIN) == "PIN_RIGHT"
    bot.close()


def test_vault_copy_rule_4_neither_the_old_vault_nor_the_one_in_the_backup_opens_beside_it(
    scene: Scene, tmp_path: Path
) -> None:
    scene.enrolled("anna")
    file = scene.backup(tmp_path / "to", with_vault=True).file
    scene.restore(file, tmp_path / "new")
    scene.bot.clock.forward(days=1)
    assert scene.bot.guess("anna", WRONG_PIN).startswith("PIN_WRONG")  # the one that was copied goes on
    scene.bot.close()
    (tmp_path / "new" / "vault" / "vault.db").write_bytes((scene.folder / "vault.db").read_bytes())
    bot = Restarted(tmp_path / "new", NOW + 2 * DAY)
    bot.start()
    assert bot.guess("anna", PIN) == "PIN_STALE"
    bot.close()


# -- nothing of the past leaves -----------------------------------------------------------------------------------


def test_what_was_due_before_is_settled_counted_and_reported(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    with scene.bot.home.uow() as uow:
        (recipient,) = (r.id for r in uow.recipients.all())
    now = scene.bot.clock.now()
    with scene.bot.home.uow() as uow:
        uow.outbox.add_nudges(
            {
                (recipient, now + timedelta(minutes=10)): now + DAY,  # useful still at the restore: reported
                (recipient, now + timedelta(minutes=20)): now
                + timedelta(minutes=30),  # over by then: dropped
                (recipient, now + timedelta(hours=5)): now + DAY,  # to come
                (recipient, now - DAY): now + DAY,
            }
        )
        (sending,) = uow.outbox.claim(now=now, device="D", kinds=(OutboxKind.NUDGE,), limit=1)
        for kind, state in (
            (OutboxKind.REPLY, OutboxState.QUEUED),
            (OutboxKind.REPLY, OutboxState.HELD),
            (OutboxKind.RELEASE, OutboxState.QUEUED),
            (OutboxKind.REDACT, OutboxState.QUEUED),
        ):
            uow.outbox.add(kind=kind, state=state, due=now, room="anna", recipient=recipient)
        uow.commit()
    file = scene.backup(tmp_path / "to", with_vault=True).file
    settled = scene.restore(file, tmp_path / "new").settled
    far = 1  # the nudge of the appointment in eight years
    assert settled.counts() == {"unknown": 2, "claimed": 1, "dropped": 4, "kept": 1 + far, "to_invite": 0}
    bot = Restarted(tmp_path / "new", NOW + scene.later)
    with bot.home.uow() as uow:
        assert is_paused(uow)
        assert paused_since(uow) == (NOW + scene.later).isoformat(timespec="seconds")
        problems = uow.problems.all()
        assert [(p.kind, p.recipient) for p in problems] == [(ProblemKind.UNKNOWN_SEND, recipient)] * 2
        assert uow.outbox.claimed() == []
        assert [r.kind for r in uow.outbox.waiting(OutboxKind.REDACT)] == [OutboxKind.REDACT]
        row = uow.outbox.get(sending.id)
        assert row is not None
        assert row.state is OutboxState.UNKNOWN
        assert all(r.due > NOW + scene.later for r in uow.outbox.waiting(OutboxKind.NUDGE))
    bot.close()


# -- nothing half ------------------------------------------------------------------------------------------------


def test_what_does_not_verify_writes_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna", "boris")
    data = bytearray(scene.backup(tmp_path / "to").file.read_bytes())
    place = tmp_path / "there"
    place.mkdir()
    before = sorted(place.iterdir())
    for number in range(0, len(data), max(1, len(data) // 12)):
        bad = place / "bad"
        bad.write_bytes(data[:number] + bytes([data[number] ^ 4]) + data[number + 1 :])
        with pytest.raises(PliError):
            scene.restore(bad, place / "new")
        bad.write_bytes(data[:number])
        with pytest.raises(PliError):
            scene.restore(bad, place / "new")
        bad.unlink()
        assert sorted(place.iterdir()) == before


def test_a_folder_or_a_database_with_something_in_it_is_refused(
    scene: Scene, tmp_path: Path, postgres_url: str
) -> None:
    scene.enrolled("anna")
    file = scene.backup(tmp_path / "to").file
    for there in (scene.folder, file):
        with pytest.raises(Refused, match="not empty"):
            scene.restore(file, there)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused, match="not empty"):
        scene.restore(file, tmp_path / "link")
    scene.restore(file, tmp_path / "one", database=postgres_url)
    with pytest.raises(Refused, match="database is not empty"):
        scene.restore(file, tmp_path / "two", database=postgres_url)
    assert not (tmp_path / "two").exists()
    (tmp_path / "empty").mkdir()
    scene.restore(file, tmp_path / "empty")
    assert (tmp_path / "empty" / "pli.toml").exists()


def test_a_backup_of_a_newer_schema_or_form_is_refused(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    with scene.bot.home.engine.begin() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="newer version"):  # by the rehearsal
        scene.backup(tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []
    assert VERSION == 1


def test_a_database_that_was_tampered_with_gets_no_backup(scene: Scene, tmp_path: Path) -> None:
    """Rule 5: what could not be restored is not taken for a backup."""
    scene.enrolled("anna")
    with scene.bot.home.engine.begin() as db:
        db.exec_driver_sql("UPDATE audit SET kind = 'left' WHERE seq = 2")
    with pytest.raises(InvalidSeal, match="audit row 2"):
        scene.backup(tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_cell_of_another_row_gets_no_backup(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna", "boris")
    with scene.bot.home.engine.begin() as db:
        db.exec_driver_sql(
            "UPDATE patient SET given_name_enc = (SELECT given_name_enc FROM patient WHERE id = 'p-anna')"
        )
    with pytest.raises(InvalidSeal):
        scene.backup(tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_sealed_to_a_public_key_it_opens_by_the_private_one_alone(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    private, public = new_pair()
    file = scene.backup(tmp_path / "to", PublicKey(text=public)).file
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n")
    with pytest.raises(InvalidSeal):
        scene.restore(file, tmp_path / "new", PrivateKey(secret=new_pair()[0]))
    assert not (tmp_path / "new").exists()
    scene.restore(file, tmp_path / "new", PrivateKey(secret=private))
    assert (tmp_path / "new" / "pli.toml").exists()


def test_a_folder_that_cannot_be_written_is_an_error_with_a_mend(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as refused:
        scene.backup(tmp_path / "file" / "to")
    assert refused.value.mend
    assert {p.name for p in tmp_path.iterdir()} == {"practice", "file"}
