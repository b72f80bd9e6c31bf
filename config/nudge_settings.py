"""``[nudges]`` of ``pli.toml``: when nudges leave, for the practice and for kinds of appointments."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bot.domain.choices import Confirmed, KindRule, Late, Level, Shift
from bot.domain.slots import NudgeRules, parse_hour
from bot.errors import WrongUse

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Leads = tuple[Annotated[int, Field(ge=0, le=60)], ...]
# Holidays are looked up for so many years around the present one: no appointment is booked further ahead.
_YEARS = range(-1, 4)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Changes(_Section):
    """News of cancellations and moves; whoever stops reminders still gets them."""

    urgent_hours: int = Field(default=48, ge=0, le=240)
    second_after_hours: int = Field(default=24, ge=0, le=240)


class Kind(_Section):
    """One kind of appointment; what is left out is as for the practice."""

    name: str = Field(min_length=1, max_length=40)
    type: str = Field(default="", max_length=200)
    practitioner: str = Field(default="", max_length=200)
    place: str = Field(default="", max_length=200)
    days_before: Leads | None = None
    slots: tuple[str, ...] | None = None
    slot_days: tuple[Day, ...] | None = None
    day_off: Shift | None = None
    quiet_from: str | None = None
    quiet_to: str | None = None
    daily_cap: int | None = Field(default=None, ge=1, le=50)
    late: Late | None = None
    after_confirmation: Confirmed | None = None

    @model_validator(mode="after")
    def _works(self) -> Self:
        try:
            self.rule()
        except WrongUse as error:
            raise ValueError(f"{error}; {error.mend}") from None
        return self

    def rule(self) -> KindRule:
        """Raises :class:`WrongUse`."""
        return KindRule(
            name=self.name,
            type=self.type,
            practitioner=self.practitioner,
            place=self.place,
            days_before=self.days_before,
            slots=None if self.slots is None else tuple(parse_hour(s) for s in self.slots),
            slot_days=None if self.slot_days is None else _days(self.slot_days),
            shift=self.day_off,
            quiet_from=None if self.quiet_from is None else parse_hour(self.quiet_from),
            quiet_to=None if self.quiet_to is None else parse_hour(self.quiet_to),
            daily_cap=self.daily_cap,
            late=self.late,
            confirmed=self.after_confirmation,
        )


class Nudges(_Section):
    """See the example for what each means."""

    level: Level = Level.DISCREET
    days_before: Leads = (1,)
    spread_days: int = Field(default=3, ge=1, le=14)
    decoy_share: float = Field(default=0.2, ge=0, le=1)
    slots: tuple[str, ...] = ("18:00",)
    slot_days: tuple[Day, ...] = DAYS  # type: ignore[assignment]  # the literals above
    holidays: str = Field(default="", max_length=12)
    day_off: Shift = Shift.EARLIER
    quiet_from: str = "20:00"
    quiet_to: str = "08:00"
    daily_cap: int = Field(default=3, ge=1, le=50)
    late: Late = Late.NEXT
    after_confirmation: Confirmed = Confirmed.LAST
    changes: Changes = Changes()
    kinds: tuple[Kind, ...] = ()

    @field_validator("holidays")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            public_holidays(name, 2026)
        except (NotImplementedError, ValueError):
            raise ValueError(
                "no holidays are known there; write a country and, if need be, a part of it: FR or FR-GP"
            ) from None
        return name

    def rules(self, zone: ZoneInfo, year: int) -> NudgeRules:
        """``year`` is the present one. Raises :class:`WrongUse`."""
        off = (day for ahead in _YEARS for day in public_holidays(self.holidays, year + ahead))
        second = self.changes.second_after_hours
        return NudgeRules(
            zone=zone,
            days_before=self.days_before,
            slots=tuple(parse_hour(s) for s in self.slots),
            slot_days=_days(self.slot_days),
            days_off=frozenset(off),
            shift=self.day_off,
            quiet_from=parse_hour(self.quiet_from),
            quiet_to=parse_hour(self.quiet_to),
            daily_cap=self.daily_cap,
            late=self.late,
            confirmed=self.after_confirmation,
            level=self.level,
            spread_days=self.spread_days,
            decoy_share=self.decoy_share,
            urgent=timedelta(hours=self.changes.urgent_hours),
            second_after=timedelta(hours=second) if second else None,
            kinds=tuple(kind.rule() for kind in self.kinds),
        )


def _days(names: tuple[Day, ...]) -> frozenset[int]:
    return frozenset(DAYS.index(name) for name in names)


@lru_cache(maxsize=64)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """Of a country, or of a part of one (``FR-GP``), by ISO 3166; none where ``place`` is empty.

    Raises ``NotImplementedError`` where none are known.
    """
    if not place:
        return frozenset()
    from holidays import country_holidays  # noqa: PLC0415 - large, and most practices go without

    country, _, part = place.partition("-")
    return frozenset(country_holidays(country, subdiv=part or None, years=year))
