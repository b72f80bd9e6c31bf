"""A practice's folder, made once and copied for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app import Installation
from config.settings import FILE_NAME
from storage.wrap import Profile
from tests.cli.shell import make_practice
from tests.rig.cheap_hashing import defaults


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "practice"
    make_practice(folder).engine.dispose()
    return folder


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A module that reads English says so: ``LANGUAGE = "en"``."""
    for name in [n for n in os.environ if n.startswith("PLI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PLI_CONFIG", "/nowhere")  # so that it is put back after the test
    if (language := getattr(request.module, "LANGUAGE", None)) is not None:
        monkeypatch.setenv("PLI_PRACTICE__LANGUAGE", language)


@pytest.fixture(autouse=True)
def _cheap_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defaults(), "profile", Profile.testing())


@pytest.fixture
def home(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """The practice that the commands of this test work on."""
    folder = tmp_path / "practice"
    shutil.copytree(made_once, folder)
    monkeypatch.setenv("PLI_CONFIG", str(folder))
    made = Installation.at(folder / FILE_NAME)
    yield made
    made.engine.dispose()
