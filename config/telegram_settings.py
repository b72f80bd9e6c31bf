"""``[telegram]``: how the bot reaches Telegram, if at all."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Telegram(BaseModel):
    """Off without a ``token_file``. Telegram publishes thirty messages a second as its limit: what
    ``nudges_per_second`` leaves of them is for answers to commands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_file: str = ""
    mode: Literal["polling", "webhook"] = "polling"
    webhook_url: str = ""
    webhook_port: int = Field(default=8471, ge=1, le=65535)
    webhook_secret_file: str = ""
    nudges_per_second: float = Field(default=20.0, gt=0, le=25)
    api_url: str = "https://api.telegram.org"

    @field_validator("api_url")
    @classmethod
    def _no_token_in_clear(cls, url: str) -> str:
        parts = _split(url)
        if parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname or "")):
            return url
        raise ValueError("the token is in every address: https, or http on this machine alone")

    @field_validator("webhook_url")
    @classmethod
    def _closed(cls, url: str) -> str:
        if url and _split(url).scheme != "https":
            raise ValueError("Telegram brings messages by https alone; write https://…")
        return url

    @model_validator(mode="after")
    def _complete(self) -> Telegram:
        if self.mode == "webhook" and not (self.webhook_url and self.webhook_secret_file):
            raise ValueError("a webhook needs webhook_url and webhook_secret_file")
        return self


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("not an address")
    return parts


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
