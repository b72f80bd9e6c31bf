"""The Protocol of wording: services name a template and give numbers; sentences live in the catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bot.domain.messages import PrivateText
from bot.domain.values import Language


class Words(Protocol):
    """``again`` is the template that asks for the last message once more after an interruption."""

    again: str

    def reply(self, template: str, language: Language, params: Mapping[str, int | str]) -> PrivateText: ...
