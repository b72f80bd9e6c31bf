"""Everything an operator sets, read from ``pli.toml``; environment variables ``PLI_SECTION__KEY`` win over the file.

Paths are relative to the folder of the file. Errors name the setting and the mend, never its value.
"""

from __future__ import annotations

import os
from datetime import datetime, time, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bot.domain.clock_watch import Tolerance
from bot.domain.pacing import Pace, bucket
from bot.domain.retention import Retention as Keep
from bot.domain.slots import NudgeRules, parse_hour
from bot.domain.values import Language
from bot.errors import PliError, WrongUse
from config.agenda_settings import AgendaSettings
from config.nudge_settings import Nudges
from config.telegram_settings import Telegram

FILE_NAME = "pli.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Practice(_Section):
    name: str = Field(default="Cabinet", min_length=1, max_length=80)
    phone: str = Field(default="", max_length=40)
    timezone: str = "Europe/Paris"
    language: Language = Language.FR

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("unknown time zone; write an IANA name like Europe/Paris") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Rate(_Section):
    nudges_per_second: float = Field(default=20.0, gt=0, le=1000)


class Channels(_Section):
    """Rates of their own, beside the common one."""

    matrix: Rate | None = None


class Delivery(_Section):
    nudges_per_second: float = Field(default=20.0, gt=0, le=1000)
    minutes_apart: int = Field(default=30, ge=0, le=720)
    clock_jump_minutes: int = Field(default=10, ge=1, le=1440)
    absence_days: int = Field(default=30, ge=1, le=365)
    dry: bool = False
    channels: Channels = Channels()


class Release(_Section):
    unlock_minutes: int = Field(default=10, ge=1, le=120)
    redact_after_minutes: int = Field(default=10, ge=1, le=1440)
    answer_delay_seconds: float = Field(default=2.0, ge=0, le=30)


class Pin(_Section):
    min_digits: int = Field(default=6, ge=6, le=12)


def _days(default: int, least: int = 0) -> Any:  # noqa: ANN401 - what pydantic's Field gives
    return Field(default=default, ge=least, le=36_500)


class Retention(_Section):
    """Days; see the example for what each means."""

    hour: str = "03:30"
    appointments_days: int = _days(7)
    envelopes_days: int = _days(7)
    answers_days: int = _days(7)
    nudges_days: int = _days(2, 2)
    messages_days: int = _days(2, 1)
    marks_days: int = _days(60, 30)
    codes_days: int = _days(1, 1)
    invitations_days: int = _days(30)
    problems_days: int = _days(0)
    left_days: int = _days(0)
    audit_days: int = _days(0)

    @field_validator("hour")
    @classmethod
    def _an_hour(cls, text: str) -> str:
        try:
            parse_hour(text)
        except PliError:
            raise ValueError("not an hour; write it like 03:30") from None
        return text

    @field_validator("audit_days")
    @classmethod
    def _long_enough(cls, number: int) -> int:
        if 0 < number < 30:
            raise ValueError("0 (kept for good), or 30 at least")
        return number


class Matrix(_Section):
    homeserver: str = "http://127.0.0.1:8008"
    room_name: str = Field(default="Messages", min_length=1, max_length=40)


class Staff(_Section):
    room_name: str = Field(default="Notes", min_length=1, max_length=40)
    redact_after_minutes: int = Field(default=60, ge=1, le=10_080)
    slots: tuple[str, ...] = ()
    morning: str = "08:00"
    max_file_bytes: int = Field(default=10_000_000, ge=1, le=50_000_000)
    desk_socket: str = ""
    desk_group: str = Field(default="", max_length=64)
    desk_users: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    approve_over: int = Field(default=5, ge=0, le=1000)

    @field_validator("morning", "slots")
    @classmethod
    def _hours(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        try:
            for hour in (value,) if isinstance(value, str) else value:
                parse_hour(hour)
        except WrongUse as error:
            raise ValueError(f"{error}; {error.mend}") from None
        return value


class Storage(_Section):
    database: str = "sqlite:///data/pli.db"
    vault: str = "vault/vault.db"
    vault_socket: str = ""
    bot_keys: str = "bot"
    import_keys: str = "import"


class Homeserver(_Section):
    folder: str = "homeserver"
    server_name: str = "pli.localhost"
    port: int = Field(default=8008, ge=1, le=65535)
    admin_token_file: str = ""
    admin_url: str = ""
    ca_file: str = ""


class Health(_Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        """What the pages say is nobody's business outside of this machine."""
        try:
            if host == "localhost" or ip_address(host).is_loopback:
                return host
        except ValueError:
            pass
        raise ValueError("not this machine's own address; write 127.0.0.1 or ::1")


class Settings(BaseSettings):
    """All settings, frozen. ``folder`` is where the file lies."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="PLI_", env_nested_delimiter="__", env_ignore_empty=True
    )

    folder: Path = Path()
    practice: Practice = Practice()
    nudges: Nudges = Nudges()
    delivery: Delivery = Delivery()
    release: Release = Release()
    pin: Pin = Pin()
    retention: Retention = Retention()
    agenda: AgendaSettings = AgendaSettings()
    matrix: Matrix = Matrix()
    staff: Staff = Staff()
    storage: Storage = Storage()
    homeserver: Homeserver = Homeserver()
    telegram: Telegram = Telegram()
    health: Health = Health()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the base class's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files: secrets are files of their own
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        def environment() -> dict[str, Any]:
            """Where the file lies is not set by a variable."""
            return {name: value for name, value in env_settings().items() if name != "folder"}

        return cast("PydanticBaseSettingsSource", environment), init_settings

    @model_validator(mode="after")
    def _slots_outside_quiet_hours(self) -> Settings:
        try:
            self.nudge_rules()
        except WrongUse as error:
            raise ValueError(f"{error}; {error.mend}") from None
        return self

    def path(self, relative: str) -> Path:
        return (self.folder / relative).resolve()

    def database_url(self) -> str:
        """SQLAlchemy URL with a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        url = self.storage.database
        return prefix + str(self.path(url.removeprefix(prefix))) if url.startswith(prefix) else url

    def nudge_rules(self) -> NudgeRules:
        return self.nudges.rules(self.practice.zone, datetime.now(self.practice.zone).year)

    def pace(self) -> Pace:
        """How fast nudges leave, on all channels together and on those that have a rate of their own."""
        own = {name: rate for name, rate in self.delivery.channels if rate is not None}
        return Pace(
            overall=bucket(self.delivery.nudges_per_second),
            own={
                **{name: bucket(rate.nudges_per_second) for name, rate in own.items()},
                "telegram": bucket(self.telegram.nudges_per_second),
            },
        )

    @property
    def nudges_apart(self) -> timedelta:
        return timedelta(minutes=self.delivery.minutes_apart)

    @property
    def clock_tolerance(self) -> Tolerance:
        return Tolerance(
            jump=timedelta(minutes=self.delivery.clock_jump_minutes),
            absence=timedelta(days=self.delivery.absence_days),
        )

    def retention_rules(self) -> Keep:
        """How long each kind of thing is kept; 0 days mean for good where nothing else makes sense."""
        days = self.retention

        def for_good(number: int) -> timedelta | None:
            return timedelta(days=number) if number else None

        return Keep(
            appointments=timedelta(days=days.appointments_days),
            envelopes=timedelta(days=days.envelopes_days),
            answers=timedelta(days=days.answers_days),
            nudges=timedelta(days=days.nudges_days),
            messages=timedelta(days=days.messages_days),
            marks=timedelta(days=days.marks_days),
            codes=timedelta(days=days.codes_days),
            invitations=for_good(days.invitations_days),
            problems=for_good(days.problems_days),
            left=timedelta(days=days.left_days),
            audit=for_good(days.audit_days),
        )

    @property
    def purge_hour(self) -> time:
        return parse_hour(self.retention.hour)

    @property
    def staff_slots(self) -> tuple[time, ...]:
        """Hours at which the staff room is told what was not urgent."""
        return tuple(parse_hour(s) for s in self.staff.slots or self.nudges.slots)

    @property
    def unlock_window(self) -> timedelta:
        return timedelta(minutes=self.release.unlock_minutes)

    @property
    def answer_delay(self) -> timedelta:
        return timedelta(seconds=self.release.answer_delay_seconds)


def load(file: Path) -> Settings:
    """Read ``file``; raises :class:`WrongUse` naming the setting and the mend."""
    if not file.is_file():
        raise WrongUse(
            "no configuration file found", mend="name it with --config or PLI_CONFIG, or run: pli init DIR"
        )
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=file)()
    except (ValueError, OSError) as error:
        raise WrongUse(f"{FILE_NAME} is not readable TOML: {error}", mend="mend that line") from None
    if "folder" in values:
        raise WrongUse(f"{FILE_NAME}: folder: there is no such setting", mend=f"take it out of {FILE_NAME}")
    try:
        return Settings(**{**values, "folder": file.resolve().parent})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "settings"
        raise WrongUse(
            f"{FILE_NAME}: {place}: {first['msg']}", mend=f"mend [{place}] in {FILE_NAME}"
        ) from None


def locate(option: Path | None) -> Path:
    """``--config``, else ``PLI_CONFIG``, else ``pli.toml`` in the current folder; a folder means the file in it."""
    chosen = option or Path(os.environ.get("PLI_CONFIG") or FILE_NAME)
    return chosen / FILE_NAME if chosen.is_dir() else chosen
