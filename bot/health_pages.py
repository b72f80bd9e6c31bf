"""What ``pli run`` shows on loopback: that it lives, whether it is ready, and numbers.

1. ``/readyz`` is red and names a task that failed until it has worked (:mod:`bot.supervise`). It is red as well while
   the database keeps anybody waiting, from a refusal until something could be written, while the wall clock is in
   doubt, while Telegram refuses the token, and when it was away for long.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from bot.app import Installation
from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.client import Health
from bot.domain.clock_watch import Clockwork
from bot.domain.figures import Figures
from bot.errors import StorageError, WrongUse
from bot.metrics import CONTENT_TYPE, Live, exposition, free_bytes
from bot.services.pause_nudges import is_paused
from bot.services.staff_duty import StaffDuty
from bot.services.watch_clock import WatchClock
from bot.supervise import Loop, Supervisor
from bot.telegram_duty import TelegramDuty


class HealthPages:
    """One a process. What is not begun yet is None; ``dry``: nothing leaves by itself."""

    def __init__(
        self, installation: Installation, *, clock: WatchClock, loops: Supervisor, dry: bool
    ) -> None:
        self._installation, self._clock, self._loops, self._dry = installation, clock, loops, dry
        self.channel: MatrixChannel | None = None
        self.telegram: TelegramDuty | None = None
        self.staff: StaffDuty | None = None
        self.instance = ""

    @property
    def connected(self) -> bool:
        """Whether the homeserver is."""
        return self.channel is not None and self.channel.health is Health.CONNECTED

    async def serve(self) -> web.AppRunner:
        """Raises :class:`WrongUse` where the port is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        settings = self._installation.settings.health
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError:
            await runner.cleanup()
            raise WrongUse("the health port is taken", mend="set [health] port in pli.toml") from None
        return runner

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"alive": True, "instance": self.instance})

    async def _readyz(self, _: web.Request) -> web.Response:
        ready, checks = self._checks()
        return web.json_response(
            {"ready": ready, "instance": self.instance, **checks}, status=200 if ready else 503
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        home = self._installation
        ready, checks = self._checks()
        live = Live(
            ready=ready,
            connected=self.connected,
            own_account_clean=bool(checks["own_account_clean"]),
            storage_answers=home.watch.answers,
            storage_refusals=home.watch.refusals,
            failing_tasks=len(self._failing()),
            clock_good=self._clock.thinks is Clockwork.GOOD,
            sync_age=self.channel.sync_age if self.channel else None,
        )
        figures, paused = None, False
        with contextlib.suppress(StorageError):
            figures, paused = await asyncio.to_thread(self._figures)
        page = exposition(live, figures, paused=paused, free_bytes=free_bytes(home.settings.folder))
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})

    def _figures(self) -> tuple[Figures, bool]:
        with self._installation.uow() as uow:
            return uow.figures.read(self._installation.clock.now()), is_paused(uow)

    def _failing(self) -> list[str]:
        """The loops that fail, by the words of :class:`Loop` alone."""
        deaf = self.channel is not None and not self.channel.listens
        return [name.value for name in (*self._loops.failing, *([Loop.SYNC] if deaf else []))]

    def _checks(self) -> tuple[bool, dict[str, object]]:
        failing = self._failing()
        checks: dict[str, object] = {
            "homeserver": self.channel.health.value if self.channel else "starting",
            "own_account_clean": self.channel is not None and self.channel.own_account_clean,
            "storage": self._installation.watch.answers,
            "desk": self.staff.desk if self.staff else "unused",
            "clock": self._clock.thinks.value,
            "telegram": self.telegram.health.value if self.telegram else "off",
            "dry": self._dry,
            "failing_tasks": len(failing),
            "failing": failing,
        }
        ready = (
            self.connected
            and bool(checks["own_account_clean"])
            and bool(checks["storage"])
            and checks["desk"] != "away"
            and self._clock.thinks is Clockwork.GOOD
            and not (self.telegram is not None and self.telegram.broken)
            and not failing
        )
        return ready, checks
