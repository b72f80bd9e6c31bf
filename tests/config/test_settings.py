"""Settings: the shipped example, what is refused and how, environment and paths."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bot.domain.choices import Quiet, Shift
from bot.domain.values import Language
from bot.errors import WrongUse
from config.agenda_settings import AgendaSettings
from config.nudge_settings import Kind, public_holidays
from config.settings import FILE_NAME, Settings, load, locate
from config.template import example_text, fill_template

SECTIONS = {
    name: field.default
    for name, field in Settings.model_fields.items()
    if isinstance(field.default, BaseModel)
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests."""
    import os  # noqa: PLC0415 - only here

    for name in [n for n in os.environ if n.startswith("PLI_")]:
        monkeypatch.delenv(name)


def read(folder: Path, text: str) -> Settings:
    file = folder / FILE_NAME
    file.write_text(text, encoding="utf-8")
    return load(file)


# -- the example ----------------------------------------------------------------------------------------------------


def test_every_setting_of_the_example_is_its_default_and_every_default_is_in_the_example() -> None:
    shipped = tomllib.loads(example_text())
    shown_as_comments = {"csv", "kinds", "channels"}
    defaults = {
        section: model.model_dump(mode="json", exclude=shown_as_comments)
        for section, model in SECTIONS.items()
    }
    assert shipped == defaults


def test_every_setting_of_the_example_has_a_comment() -> None:
    """A comment above it, or above the run of settings that it explains together."""
    explained = False
    for line in example_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif not line.strip() or line.startswith("["):
            explained = False
        else:
            assert explained, line


def test_the_example_loads_and_is_what_no_file_at_all_would_be(tmp_path: Path) -> None:
    assert read(tmp_path, example_text()).model_dump(exclude={"folder"}) == Settings().model_dump(
        exclude={"folder"}
    )


def test_the_profile_in_the_examples_comments_loads(tmp_path: Path) -> None:
    lines = example_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("# [agenda.csv."))
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("#"))
    found = read(tmp_path, "\n".join(line.removeprefix("# ") for line in lines[start:end]))
    profile = found.agenda.profile("NAME")
    assert profile is not None
    assert profile.encoding == "cp1252"
    assert profile.columns["patient"] == ("N° dossier",)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert settings.practice.language is Language.FR
    assert settings.unlock_window == timedelta(minutes=10)
    assert settings.release.unlock_minutes == settings.release.redact_after_minutes == 10
    assert settings.answer_delay == timedelta(seconds=2)
    assert settings.folder == tmp_path.resolve()


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[practice]\nfone = 'x'", "practice.fone"),
        ("[practise]\nname = 'x'", "practise"),
        ("folder = '/tmp'", "folder"),
        ("phone = '1'", "phone"),
        ("[practice]\nname = ''", "practice.name"),
        ("[practice]\ntimezone = 'Europe/Atlantis'", "practice.timezone"),
        ("[practice]\ntimezone = '../../etc/passwd'", "practice.timezone"),
        ("[practice]\ntimezone = ''", "practice.timezone"),
        ("[practice]\nlanguage = 'tlh'", "practice.language"),
        ("[nudges]\ndays_before = [-1]", "nudges.days_before.0"),
        ("[nudges]\ndays_before = [61]", "nudges.days_before.0"),
        ("[nudges]\ndays_before = 1", "nudges.days_before"),
        ("[nudges]\nslots = []", "settings"),
        ("[nudges]\nslots = ['21:00']", "settings"),
        ("[nudges]\nslots = ['6 pm']", "settings"),
        ("[nudges]\nquiet_from = 'late'", "settings"),
        ("[nudges]\ndaily_cap = 0", "nudges.daily_cap"),
        ("[release]\nunlock_minutes = 0", "release.unlock_minutes"),
        ("[release]\nredact_after_minutes = 'ten'", "release.redact_after_minutes"),
        ("[pin]\nmin_digits = 5", "pin.min_digits"),
        ("[pin]\nmin_digits = 13", "pin.min_digits"),
        ("[agenda]\npatient_property = ''", "agenda.patient_property"),
        ("[agenda]\npatient_pattern = '('", "agenda.patient_pattern"),
        ("[agenda]\nhorizon_days = 0", "agenda.horizon_days"),
        ("[agenda.csv.X]\nseparator = 'ab'", "agenda.csv.X.separator"),
        ("[agenda.csv.X]\ndates = ['%d/%m/%Y', '%m/%d/%Y']", "agenda.csv.X"),
        ("[health]\nport = 70000", "health.port"),
        ("[storage]\ndatabase = 3", "storage.database"),
    ],
)
def test_what_cannot_work_is_refused_with_its_place_and_a_mend(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(WrongUse) as wrong:
        read(tmp_path, text)
    assert f"{FILE_NAME}: {place}:" in str(wrong.value)
    assert wrong.value.mend


@pytest.mark.parametrize("content", [b"[practice\n", b"name = \n", b"\xff\xfe\x00", b"a = 1\na = 2", b"\x00"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(WrongUse, match="not readable TOML") as wrong:
        load(tmp_path / FILE_NAME)
    assert wrong.value.mend


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(WrongUse, match="no configuration") as wrong:
            load(missing)
        assert "--config" in wrong.value.mend


@pytest.mark.parametrize(
    "text",
    [
        "[practice]\nname = 3\nphone = 'canary'",
        "[pin]\nmin_digits = 'canary'",
        "[practice]\ntimezone = 'canary'",
        "[practice]\nlanguage = 'canary'",
        "[nudges]\nslots = ['canary']",
        "[storage]\ndatabase = ['canary']",
    ],
)
def test_no_value_is_in_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUse) as wrong:
        read(tmp_path, text)
    assert "canary" not in f"{wrong.value} {wrong.value.mend}"


# -- environment and paths ------------------------------------------------------------------------------------------


def test_variables_win_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLI_PRACTICE__PHONE", "112")
    monkeypatch.setenv("PLI_NUDGES__SLOTS", '["09:00", "18:00"]')
    monkeypatch.setenv("PLI_PIN__MIN_DIGITS", "8")
    monkeypatch.setenv("PLI_PRACTICE__NAME", "")
    settings = read(tmp_path, "[practice]\nphone = '15'\nname = 'Cabinet du Parc'\n[pin]\nmin_digits = 6")
    assert (settings.practice.phone, settings.practice.name) == ("112", "Cabinet du Parc")
    assert settings.nudges.slots == ("09:00", "18:00")
    assert settings.pin.min_digits == 8


def test_variables_are_judged_like_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLI_PRACTICE__FONE", "112")
    with pytest.raises(WrongUse, match=r"practice\.fone"):
        read(tmp_path, "")


def test_where_the_file_lies_is_not_set_by_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_FOLDER", "/elsewhere")
    monkeypatch.setenv("PLI_CONFIG", "/elsewhere/pli.toml")
    assert read(tmp_path, "").folder == tmp_path.resolve()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = read(tmp_path, "[storage]\nvault = '../vault.db'\nbot_keys = '/keys'")
    assert settings.path(settings.storage.vault) == tmp_path.resolve().parent / "vault.db"
    assert settings.path(settings.storage.bot_keys) == Path("/keys")
    assert settings.database_url() == f"sqlite:///{tmp_path.resolve()}/data/pli.db"


@pytest.mark.parametrize("url", ["sqlite:////var/lib/pli.db", "postgresql+psycopg://bot@host/pli"])
def test_absolute_addresses_stay(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, f"[storage]\ndatabase = '{url}'").database_url() == url


def test_the_file_is_located(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLI_CONFIG", raising=False)
    assert locate(None) == Path(FILE_NAME)
    assert locate(tmp_path) == tmp_path / FILE_NAME
    assert locate(tmp_path / "other.toml") == tmp_path / "other.toml"
    monkeypatch.setenv("PLI_CONFIG", str(tmp_path))
    assert locate(None) == tmp_path / FILE_NAME
    assert locate(Path("x.toml")) == Path("x.toml")


def test_the_rules_of_nudges_are_those_of_the_file(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        "[practice]\ntimezone = 'Asia/Tokyo'\n[nudges]\ndays_before = [3, 1]\nslots = ['09:00', '12:30']",
    ).nudge_rules()
    assert rules.zone.key == "Asia/Tokyo"
    assert rules.days_before == (3, 1)
    assert [s.strftime("%H:%M") for s in rules.slots] == ["09:00", "12:30"]


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Settings().practice, "phone", "1")  # noqa: B010 - what a type checker refuses too


# -- the template ---------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)


@given(name=TEXTS, phone=TEXTS, port=st.integers(1, 65535))
def test_what_is_filled_in_is_read_back(name: str, phone: str, port: int) -> None:
    text = fill_template(
        {("practice", "name"): name, ("practice", "phone"): phone, ("homeserver", "port"): port}
    )
    found = tomllib.loads(text)
    assert (found["practice"]["name"], found["practice"]["phone"]) == (name, phone)
    assert found["homeserver"]["port"] == port
    assert found["health"]["port"] == 8470


def test_filling_in_keeps_every_comment_and_every_other_line() -> None:
    before, after = example_text().splitlines(), fill_template({("practice", "name"): "X"}).splitlines()
    assert len(before) == len(after)
    assert [b for b, a in zip(before, after, strict=True) if b != a] == ['name = "Cabinet"']


def test_a_setting_that_the_example_lacks_cannot_be_filled_in() -> None:
    with pytest.raises(WrongUse):
        fill_template({("practice", "nothing"): 1})


def test_the_agenda_section_never_tells_internal_notes_by_default() -> None:
    told = json.dumps(AgendaSettings().model_dump(exclude={"csv"}))
    assert "DESCRIPTION" not in told
    assert "SUMMARY" not in told


# -- times ----------------------------------------------------------------------------------------------------------

KIND = '[[nudges.kinds]]\nname = "long"\ntype = "bilan"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[nudges]\nholidays = "XX"\n', "nudges.holidays"),
        ('[nudges]\nholidays = "FR-99"\n', "nudges.holidays"),
        ('[nudges]\nslot_days = ["lundi"]\n', "nudges.slot_days"),
        ('[nudges]\nlevel = "secret"\n', "nudges.level"),
        ("[nudges]\ndecoy_share = 2\n", "nudges.decoy_share"),
        ('[[nudges.kinds]]\nname = "long"\n', "nudges.kinds"),
        (KIND + 'practitioner = "("\n', "nudges.kinds"),
        (KIND + 'slots = ["25:00"]\n', "nudges.kinds"),
        (KIND + 'slots = ["23:00"]\n', "quiet"),
        (KIND + 'slots = ["12:00"]\nquiet_from = "11:00"\n', "quiet"),
        (KIND + 'quiet_to = "late"\n', "nudges.kinds"),
        (KIND + "daily_cap = 0\n", "nudges.kinds"),
        (KIND + 'day_off = "never"\n', "nudges.kinds"),
        (KIND + KIND, "name"),
    ],
)
def test_times_that_cannot_be_are_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(WrongUse) as caught:
        read(tmp_path, text)
    assert named in f"{caught.value} {caught.value.mend}"


def test_the_commented_kind_of_the_example_is_one(tmp_path: Path) -> None:
    lines = example_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("# [[nudges.kinds]]"))
    last = next(n for n in range(first, len(lines)) if not lines[n].startswith("# "))
    text = "\n".join(line.removeprefix("# ") for line in lines[first:last])
    (kind,) = read(tmp_path, text).nudge_rules().kinds
    assert (kind.name, kind.days_before, kind.slot_days) == ("long", (7, 1), frozenset({0, 3}))
    assert (kind.quiet_from, kind.quiet_to, kind.daily_cap) == (time(19), time(9), 1)
    assert kind.shift is Shift.LATER
    assert set(Kind.model_fields) == {line.partition(" = ")[0] for line in text.splitlines()[1:]}


def test_a_kinds_own_quiet_hours(tmp_path: Path) -> None:
    """One of the two alone goes with the practice's other; and slots of its own may lie in the practice's."""
    rules = read(tmp_path, KIND + 'quiet_from = "22:00"\nslots = ["21:00"]\n').nudge_rules()
    assert rules.quiet_of(rules.kinds[0]) == Quiet(time(22), time(8))
    other = read(tmp_path, KIND + 'quiet_to = "10:00"\n').nudge_rules()
    assert other.quiet_of(other.kinds[0]) == Quiet(time(20), time(10))


def test_holidays_are_those_of_the_country_or_its_part(tmp_path: Path) -> None:
    assert date(2026, 7, 14) in public_holidays("FR", 2026)
    assert date(2026, 12, 20) not in public_holidays("FR", 2026)
    assert date(2026, 12, 20) in public_holidays("FR-RE", 2026)  # the end of slavery on La Réunion
    off = read(tmp_path, '[nudges]\nholidays = "FR"\n').nudge_rules().days_off
    assert {day.year for day in off} >= {datetime.now(UTC).year, datetime.now(UTC).year + 1}
    assert read(tmp_path, "").nudge_rules().days_off == frozenset()


# -- Telegram -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        'api_url = "http://api.telegram.org"',
        'api_url = "http://127.0.0.1.example"',
        'api_url = "https://user@api.telegram.org"',
        'api_url = "api.telegram.org"',
        'webhook_url = "http://cabinet.example/hook"',
        'mode = "webhook"',
        'mode = "webhook"\nwebhook_url = "https://cabinet.example/hook"',
        'mode = "both"',
        "nudges_per_second = 26.0",
        "nudges_per_second = 0",
        "webhook_port = 0",
    ],
)
def test_a_setting_of_telegram_that_cannot_work_is_refused(tmp_path: Path, lines: str) -> None:
    with pytest.raises(WrongUse, match="telegram"):
        read(tmp_path, f"[telegram]\n{lines}\n")


def test_telegram_is_off_by_default_and_leaves_room_for_answers(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert settings.telegram.token_file == ""
    rate = settings.pace().own["telegram"].per_second
    assert rate <= 25
    here = 'api_url = "http://127.0.0.1:8081"\nnudges_per_second = 3.0\n'
    assert read(tmp_path, f"[telegram]\n{here}").pace().own["telegram"].per_second == 3.0
