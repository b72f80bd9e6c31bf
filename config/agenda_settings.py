"""The ``[agenda]`` section of ``pli.toml``: where an agenda names the patient, how its tables look."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from config.clock_formats import compile_format

CsvField = Literal[
    "id",
    "patient",
    "date",
    "time",
    "start",
    "end_time",
    "end",
    "duration",
    "practitioner",
    "place",
    "note",
    "given_name",
    "status",
    "type",
]
STANDARD_PROFILE = "standard"
_COLUMNS: dict[CsvField, tuple[str, ...]] = {
    "id": ("id",),
    "patient": ("patient",),
    "date": ("date",),
    "time": ("time", "heure"),
    "start": ("start", "début"),
    "end_time": ("end_time", "heure de fin"),
    "end": ("end", "fin"),
    "duration": ("duration", "durée"),
    "practitioner": ("practitioner", "praticien"),
    "place": ("place", "lieu"),
    "note": ("note", "consignes"),
    "given_name": ("given_name", "prénom"),
    "status": ("status", "statut"),
    "type": ("type", "motif"),
}
_PROPERTY = re.compile(r"[A-Za-z0-9-]{1,64}(;[A-Za-z0-9-]{1,64})?")


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Headings = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)]


class CsvProfile(BaseModel):
    """How one program writes its tables. The first line that holds the headings is the heading line.

    ``columns`` maps Pli's fields to headings (case and outer blanks do not count); several headings may be
    given, the first that is there counts. Needed are ``patient`` and ``start``, or ``date`` with ``time``;
    ``end`` is a date with its time, ``end_time`` a time on the day of the start, ``duration`` a number of
    minutes. A status outside ``cancelled`` means booked, unless ``booked`` lists the words for that too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    separator: str = Field(default=";", min_length=1, max_length=1)
    encoding: Literal["utf-8", "cp1252", "iso-8859-15"] = "utf-8"
    decimal: Literal[",", "."] = ","
    dates: tuple[str, ...] = ("%Y-%m-%d", "%d/%m/%Y")
    times: tuple[str, ...] = ("%H:%M", "%H:%M:%S", "%Hh%M")
    starts: tuple[str, ...] = (
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M%z",
        "%Y-%m-%dT%H:%M:%S%z",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%d/%m/%Y %H:%M",
        "%d/%m/%Y %H:%M:%S",
    )
    columns: dict[CsvField, Headings] = _COLUMNS
    cancelled: tuple[str, ...] = ("cancelled", "canceled", "annulé", "annulée", "annule")
    booked: tuple[str, ...] = ()
    empty_time: Literal["refuse", "all_day"] = "refuse"

    @field_validator("separator")
    @classmethod
    def _one_separator(cls, value: str) -> str:
        if value not in (";", ",", "\t", "|"):
            raise ValueError("a separator is one of ; , | or a tab")
        return value

    @model_validator(mode="after")
    def _formats_fit(self) -> CsvProfile:
        for name, formats, date, time in (
            ("dates", self.dates, True, False),
            ("times", self.times, False, True),
            ("starts", self.starts, True, True),
        ):
            for text in formats:
                compiled = compile_format(text)
                if (compiled.has_date, compiled.has_time) != (date, time):
                    raise ValueError(f"a format under {name} does not fit there")
            skeletons = {re.sub("%[dm]", "%?", text) for text in formats}
            if len(skeletons) < len(set(formats)):
                raise ValueError(f"{name} has day/month beside month/day: such a date has two readings")
        if "patient" not in self.columns:
            raise ValueError("columns needs patient")
        if "start" not in self.columns and not {"date", "time"} <= set(self.columns):
            raise ValueError("columns needs start, or date and time")
        return self


class AgendaSettings(BaseModel):
    """Which property holds what, written ``NAME`` or, for one of its parameters, ``NAME;PARAM``.

    ``patient_pattern`` is searched in the property's text; its group ``ref``, or its only group, is the
    reference. An empty property name means "not told to patients". Notes come from a property of their own by
    default, so that internal ones (DESCRIPTION) never reach a patient unless the operator says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient_property: str = "X-PLI-PATIENT"
    patient_pattern: str = ""
    practitioner_property: str = "ORGANIZER;CN"
    place_property: str = "LOCATION"
    note_property: str = "X-PLI-NOTE"
    given_name_property: str = "X-PLI-GIVEN-NAME"
    type_property: str = "CATEGORIES"
    horizon_days: int = Field(default=400, ge=1, le=1100)
    max_bytes: int = Field(default=50_000_000, ge=1, le=1_000_000_000)
    csv: dict[str, CsvProfile] = Field(default_factory=dict)

    @field_validator(
        "patient_property",
        "practitioner_property",
        "place_property",
        "note_property",
        "given_name_property",
        "type_property",
    )
    @classmethod
    def _property_name(cls, value: str) -> str:
        if value and not _PROPERTY.fullmatch(value):
            raise ValueError("a property is written NAME or NAME;PARAM")
        return value.upper()

    @field_validator("patient_property")
    @classmethod
    def _patient_named(cls, value: str) -> str:
        if not value:
            raise ValueError("the patient must be named by some property")
        return value

    @field_validator("patient_pattern")
    @classmethod
    def _one_group(cls, value: str) -> str:
        if value:
            try:
                compiled = re.compile(value)
            except re.error:
                raise ValueError("not a regular expression") from None
            if "ref" not in compiled.groupindex and compiled.groups != 1:
                raise ValueError("the pattern needs one group, or a group named ref")
        return value

    def profile(self, name: str) -> CsvProfile | None:
        """The named profile, or None; ``standard`` always exists."""
        if name == STANDARD_PROFILE and name not in self.csv:
            return CsvProfile()
        return self.csv.get(name)
