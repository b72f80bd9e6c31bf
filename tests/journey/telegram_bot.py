"""``python -m tests.journey.telegram_bot …``: ``pli`` whose room knows Telegram. Nothing of it speaks to Telegram.

The addresses are made as a channel makes them; the tests bring what somebody does there.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

from bot import runtime
from bot.cli.main import main
from bot.services.converse import Converse
from bot.services.link_telegram import LinkTelegram
from config.settings import Settings
from tests.services.telegram import FakeTelegram


class WithTelegram(Converse):
    """The conversation, with the word."""

    def __init__(self, uow: Any, **parts: Any) -> None:
        rules = Settings().nudge_rules()
        parts["telegram"] = LinkTelegram(uow, address=FakeTelegram().link, rules=rules)
        super().__init__(uow, **parts)


if __name__ == "__main__":
    with mock.patch.object(runtime, "Converse", WithTelegram):
        sys.exit(main())
