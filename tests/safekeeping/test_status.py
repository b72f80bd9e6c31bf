"""bot/status.py, bot/metrics.py, storage/figures.py and their pages: counts, and nobody in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from bot.app import Installation
from bot.cli.status import WIDTH, as_data, draw
from bot.domain.figures import Figures
from bot.domain.records import AuditKind, OutboxKind, OutboxState, ProblemKind, RecipientState
from bot.domain.telegram import NudgeOn
from bot.domain.values import Language
from bot.errors import WrongUse
from bot.metrics import Live, exposition
from bot.services.pause_nudges import PauseNudges
from bot.status import NOT_RUNNING, Status, look
from config.settings import Health, load
from config.staff_words import StaffWords
from tests.journey.practice import free_port
from tests.safekeeping.scene import Scene
from tests.services.kit import NOW, PARIS

LIVE = Live(
    ready=True,
    connected=True,
    own_account_clean=True,
    storage_answers=True,
    storage_refusals=3,
    failing_tasks=0,
    clock_good=True,
    sync_age=1.5,
)


def figures(home: Installation) -> Figures:
    with home.uow() as uow:
        return uow.figures.read(home.clock.now())


def samples(page: bytes) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            yield sample.name, dict(sample.labels), sample.value


def test_what_is_counted_is_what_is_there(anywhere: Scene) -> None:
    anywhere.enrolled("anna", "boris")
    home, now = anywhere.bot.home, NOW
    with home.uow() as uow:
        recipients = sorted(r.id for r in uow.recipients.all())
        uow.outbox.add_nudges(
            {
                (recipients[0], now + timedelta(hours=3)): now + timedelta(days=1),
                (recipients[1], now + timedelta(hours=3)): now + timedelta(days=1),
                (recipients[1], now + timedelta(hours=9)): now + timedelta(days=1),
                (recipients[0], now - timedelta(hours=1)): now + timedelta(days=1),
            }
        )
        sent = uow.outbox.add(kind=OutboxKind.NUDGE, due=now, recipient=recipients[0])
        uow.outbox.settle(sent, OutboxState.SENT, now=now)
        uow.problems.add(ProblemKind.TOO_LATE, now, recipients[0])
        for _ in range(2):
            uow.audit.add(AuditKind.RELEASED, now, recipients[0])
        uow.commit()
    found = figures(home)
    assert found.waiting == 1
    assert found.oldest_waiting == now - timedelta(hours=1)
    assert found.slots[:2] == ((now + timedelta(hours=3), 2), (now + timedelta(hours=9), 1))
    assert found.sum_outbox("nudge", "sent") == 1
    assert found.recipients == {"enrolled": 2}
    assert found.problems == {"too_late": 1}
    assert found.releases == 2
    assert (found.last_import, found.last_import_count) == (now, 1)
    assert found.last_backup is None
    assert found.database_bytes > 50_000


def test_the_metrics_parse_and_say_what_is_there(scene: Scene) -> None:
    scene.enrolled("anna")
    page = exposition(LIVE, figures(scene.bot.home), paused=True, free_bytes=17)
    found = list(samples(page))
    values = {name: value for name, labels, value in found if not labels}
    assert values["pli_paused"] == 1
    assert values["pli_storage_refusals_total"] == 3
    assert values["pli_sync_age_seconds"] == 1.5
    assert values["pli_disk_free_bytes"] == 17
    assert values["pli_last_import_timestamp_seconds"] == NOW.timestamp()
    assert ("pli_recipients", {"state": "enrolled"}, 1) in found
    rows = {(x["kind"], x["state"]): v for name, x, v in found if name == "pli_outbox_rows"}
    assert rows.keys() == {(k.value, s.value) for k in OutboxKind for s in OutboxState}
    assert page == exposition(LIVE, figures(scene.bot.home), paused=True, free_bytes=17), "nothing is kept"


def test_what_is_not_known_is_left_out() -> None:
    names = {name for name, _, _ in samples(exposition(LIVE, None, paused=False, free_bytes=None))}
    assert "pli_ready" in names
    assert not names & {"pli_outbox_rows", "pli_paused", "pli_disk_free_bytes", "pli_recipients"}


def test_rule_1_no_label_is_anything_but_a_word_of_this_program(scene: Scene) -> None:
    """A practice of canaries, and rows that somebody wrote to the database."""
    scene.enrolled("canaryanna")
    with scene.bot.home.engine.begin() as db:
        db.exec_driver_sql("UPDATE recipient SET state = 'canarystate'")
        db.exec_driver_sql(
            "INSERT INTO problem (at, kind, recipient) VALUES ('2026-09-01T08:00:00.000000Z', 'canarykind', 'x')"
        )
        ids = [
            str(value)
            for sql in ("SELECT id FROM recipient", "SELECT id FROM patient", "SELECT id FROM room")
            for (value,) in db.exec_driver_sql(sql)
        ]
    page = exposition(LIVE, figures(scene.bot.home), paused=False, free_bytes=1).decode()
    assert len(ids) == 3
    for word in ("canary", "example.org", *ids):
        assert word not in page
    known = {
        m.value for kinds in (OutboxKind, OutboxState, ProblemKind, RecipientState, NudgeOn) for m in kinds
    }
    for _, labels, _ in samples(page.encode()):
        assert labels.keys() <= {"kind", "state", "channel"}
        assert set(labels.values()) <= known


def test_health_and_metrics_answer_this_machine_alone(tmp_path: Path) -> None:
    file = tmp_path / "pli.toml"
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        file.write_text(f'[health]\nhost = "{host}"\n', encoding="utf-8")
        assert load(file).health.host == host
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""):  # noqa: S104 - to be refused
        file.write_text(f'[health]\nhost = "{host}"\n', encoding="utf-8")
        with pytest.raises(WrongUse, match="this machine"):
            load(file)


# -- the screen ---------------------------------------------------------------------------------------------------


def status(**changed: object) -> Status:
    values: dict[str, object] = {
        "at": NOW,
        "bot": "ready",
        "checks": {"homeserver": "connected", "own_account_clean": True, "storage": True, "failing_tasks": 0},
        "figures": Figures(
            outbox={("nudge", "sent"): 412},
            waiting=0,
            oldest_waiting=None,
            slots=((NOW + timedelta(hours=8), 31),),
            recipients={"enrolled": 214},
            problems={},
            open_answers=0,
            releases=1893,
            last_import=NOW - timedelta(hours=9),
            last_import_count=37,
            last_backup=NOW - timedelta(hours=20),
            database_bytes=48_300_000,
        ),
        "paused_since": "",
        "free_bytes": 61_000_000_000,
        "keys": {"data key": 311, "bot's identity": 311, "importer's key": 311},
    }
    return Status(**{**values, **changed})  # type: ignore[arg-type]  # each of its own type


def screen(seen: Status, *, colours: bool = True) -> str:
    console = Console(width=80, force_terminal=True, no_color=not colours, record=True, file=io.StringIO())
    console.print(draw(seen, PARIS, StaffWords(Language.EN, terminal=True)))
    return console.export_text(styles=colours)


def test_the_screen_fits_a_terminal_and_says_the_same_without_colours() -> None:
    text = screen(status(), colours=False)
    assert "\x1b" not in text
    assert "\x1b" in screen(status())
    assert max(map(len, text.splitlines())) == WIDTH
    assert len(text.splitlines()) <= 24
    for words in (
        "ready",
        "connected",
        "31 on 2026-09-01 18:00 (in 8 h)",
        "412 sent",
        "none open",
        "61.0 GB free",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bot": NOT_RUNNING, "checks": {}}, "not running: start it"),
        ({"bot": "not ready", "checks": {"homeserver": "backing_off"}}, "backing off"),
        ({"checks": {"homeserver": "connected", "storage": True}}, "a device that the bot did not sign"),
        ({"checks": {"homeserver": "connected", "own_account_clean": True}}, "the database keeps it waiting"),
        ({"paused_since": NOW.isoformat()}, "no nudge leaves until"),
        ({"free_bytes": 5_000_000}, "5.0 MB free: make room"),
        ({"free_bytes": None}, "unknown"),
        ({"keys": {"data key": None}}, "data key is not there"),
    ],
)
def test_what_is_wrong_is_said_in_words(changed: dict[str, object], words: str) -> None:
    assert words in " ".join(screen(status(**changed), colours=False).replace("│", " ").split())


def test_an_old_backup_and_none_are_told_apart_from_a_good_one() -> None:
    def told(**figures: object) -> str:
        base = status().figures
        values = {name: getattr(base, name) for name in base.__slots__}
        return screen(status(figures=Figures(**{**values, **figures})), colours=False)

    assert "make one" not in told()
    assert "(12 d ago): make one" in told(last_backup=NOW - timedelta(days=12))
    assert "never: pli backup DIR" in told(last_backup=None)
    assert "2 × a nudge came too late" in told(problems={"too_late": 2})
    assert "3 due and not left, the oldest since" in told(waiting=3, oldest_waiting=NOW)


def test_looking_at_a_practice_whose_bot_does_not_run(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    scene.backup(tmp_path / "to")
    assert PauseNudges(scene.bot.home.uow, scene.bot.home.settings.nudge_rules()).pause(NOW)
    assert not PauseNudges(scene.bot.home.uow, scene.bot.home.settings.nudge_rules()).pause(NOW)
    settings = scene.bot.home.settings.model_copy(update={"health": Health(port=free_port())})
    seen = look(Installation(settings, clock=scene.bot.clock))
    assert seen.bot == NOT_RUNNING
    assert seen.paused_since == NOW.isoformat(timespec="seconds")
    assert seen.figures.last_backup == NOW
    data = json.loads(json.dumps(as_data(seen), default=str))
    assert data["recipients"] == {"enrolled": 1}
    assert data["key_days"]["data key"] == 0
    assert PauseNudges(scene.bot.home.uow, scene.bot.home.settings.nudge_rules()).resume(NOW)
    assert look(scene.bot.home).paused_since == ""
