"""Logs: the rules of :mod:`bot.logs` by number. Failure 17: names, phones and message bodies in logs."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.logs import ALLOWED, AllowListed, silence


@pytest.fixture
def told() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(AllowListed())
    logger = logging.getLogger("pli.test-of-logs")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    yield logger, stream
    logger.handlers = []


def line(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return found


def test_a_line_is_json_with_time_level_logger_and_event(told: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = told
    logger.warning("send postponed", extra={"kind": "nudge", "attempts": 3})
    found = line(stream)
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "level": "WARNING",
        "logger": "pli.test-of-logs",
        "event": "send postponed",
        "kind": "nudge",
        "attempts": 3,
    }


def test_rule_1_values_of_a_message_are_filled_in_only_if_they_are_plain(
    told: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = told
    logger.info("an event was given up (%s)", "StorageError")
    assert line(stream)["event"] == "an event was given up (StorageError)"
    for value in (
        "@anna:example.org",
        "06 12 34 56 78",
        "Léa Dupont",
        "493817 is my PIN",
        ["x"],
        {"a": 1},
        None,
    ):
        logger.info("an event was given up (%s)", value)
        assert line(stream)["event"] == "an event was given up (%s)", value
    logger.info("%s and %s", "plain", "not plain")
    assert line(stream)["event"] == "%s and %s"


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("one %s", ("two", "three")),
        ("of %(named)s", ({"named": "canary value"},)),
        ("%d", ("word",)),
        ("100 %", (1,)),
    ],
)
def test_a_message_that_does_not_fit_its_values_is_no_crash(message: str, values: tuple[Any, ...]) -> None:
    record = logging.LogRecord("pli.x", logging.INFO, "f", 1, message, values, None)
    assert json.loads(AllowListed().format(record))["event"] == message


@given(
    name=st.one_of(st.sampled_from(sorted(ALLOWED)), st.text(min_size=1)),
    value=st.one_of(st.text(), st.binary(), st.lists(st.text())),
)
def test_rule_2_only_allowed_fields_with_plain_values_are_printed(name: str, value: Any) -> None:
    record = logging.LogRecord("pli.x", logging.INFO, "f", 1, "constant", (), None)
    if name in record.__dict__:
        return
    record.__dict__[name] = value
    found = json.loads(AllowListed().format(record))
    extra = found.keys() - {"at", "level", "logger", "event"}
    assert extra <= ({name} if name in ALLOWED else set())
    for each in extra:
        assert found[each] == value
        assert value.replace("_", "").isalpha()
        assert value.isascii()


def test_rule_3_of_an_exception_only_the_type_is_printed(told: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = told
    try:
        raise ValueError("canary: 493817")  # noqa: TRY301 - to be logged
    except ValueError:
        logger.exception("it went wrong")
    assert line(stream)["exception"] == "ValueError"
    assert "canary" not in stream.getvalue()
    assert "Traceback" not in stream.getvalue()


PROGRAM = """
import logging, sys, warnings
from bot.logs import set_up_logs, silence
silence()
if "run" in sys.argv:
    set_up_logs()
for name in ("nio.crypto", "peewee", "sqlalchemy.engine", "aiohttp.access", "asyncio", "icalendar", "whatever", ""):
    logging.getLogger(name).critical("canary of %s", name)
warnings.warn("canary of a warning")
logging.getLogger("pli.x").warning("one %s too many", "canary, it is", "two")
logging.getLogger("pli.x").error("plain")
"""


@pytest.mark.parametrize("mode", ["run", "any other command"])
def test_rule_4_libraries_and_warnings_are_silent(mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True, timeout=60
    )
    assert "canary" not in done.stdout + done.stderr
    assert ("plain" in done.stderr) is (mode == "run")


def test_silencing_twice_is_harmless() -> None:
    silence()
    silence()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("heard by who asks", stacklevel=1)
    assert len(caught) == 1
