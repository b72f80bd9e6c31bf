"""Fixtures of the test rig. The servers start once a session, at their first use."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.longest import place
from tests.rig.homeserver import RigHomeserver, running_homeserver
from tests.rig.js_patient import JsPatient
from tests.rig.postgres import RigPostgres, running_postgres
from tests.rig.push_gateway import PushGateway
from tests.rig.py_patient import PyPatient

# No deadlines: how long an example takes is the machine's business. `make nightly` looks at many more examples.
settings.register_profile("default", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=5000)
settings.load_profile("default")

MEMORY = Path("/dev/shm")  # noqa: S108  # pytest makes its own folder in it, as in /tmp


def _is_roomy(folder: Path) -> bool:
    """Whether the tests' files may lie there: a run leaves one gigabyte at most."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return memory > 12 << 30 and shutil.disk_usage(folder).free > 8 << 30
    except (OSError, ValueError):
        return False


# Thousands of small databases are flushed to the disk at every step. In memory that is a sixth of the time less.
if "TMPDIR" not in os.environ and _is_roomy(MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See :mod:`tests.longest`; ``make test`` keeps this order among the files.

    A name with an address in it is another one in each process, and none of them would begin.
    """
    nameless = {item.location[0] for item in items if " at 0x" in item.name}
    if nameless:
        raise pytest.UsageError(f"parameters without names of their own: {', '.join(sorted(nameless))}")
    items.sort(key=lambda item: place(item.location[0]))


def pytest_collection_finish() -> None:
    """What was found stays until the end: looking through all of it again and again costs a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 25, 25)


@pytest.fixture(scope="session")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigHomeserver]:
    """A closed Synapse with lifted rate limits, one for the whole session."""
    with running_homeserver(tmp_path_factory.mktemp("homeserver")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[RigPostgres]:
    """A PostgreSQL cluster, one for the whole session."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def postgres_url(postgres_server: RigPostgres) -> Iterator[str]:
    """SQLAlchemy URL of a database made for this test alone."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture
async def push_gateway() -> AsyncIterator[PushGateway]:
    """A push gateway on loopback."""
    async with PushGateway() as gateway:
        yield gateway


NewPyPatient = Callable[[], Awaitable[PyPatient]]
NewJsPatient = Callable[[], Awaitable[JsPatient]]


@pytest.fixture
async def new_py_patient(homeserver: RigHomeserver) -> AsyncIterator[NewPyPatient]:
    """Makes an account with a cross-signed Python client; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def make() -> PyPatient:
            user, password = await homeserver.new_user()
            return await stack.enter_async_context(await PyPatient.start(homeserver.url, user, password))

        yield make


@pytest.fixture
async def new_js_patient(homeserver: RigHomeserver) -> AsyncIterator[NewJsPatient]:
    """Makes an account with a cross-signed, strict matrix-js-sdk client; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def make() -> JsPatient:
            user, password = await homeserver.new_user()
            return await stack.enter_async_context(await JsPatient.start(homeserver.url, user, password))

        yield make
