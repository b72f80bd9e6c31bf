"""What stands on a leaflet, and the links in its QR codes. Pure values.

1. Nothing else reaches the page: no patient's name or reference, no practice's name, no speciality.
2. The code and the password are never part of a link: what a camera reads may go through a browser.
3. Which contact is meant stands behind ``#``, which browsers keep to themselves. The link that opens the app at the
   right homeserver tells its maker's website the homeserver and the account, where the app is not installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from bot.domain.values import Language, Secret, UserId
from bot.errors import require_aware

# Element X on iOS since 25.05.2, on Android since 25.06.0.
_APP = "https://mobile.element.io/element"
_CONTACT = "https://matrix.to/#/"
_GROUP = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account that the practice made, with its first password."""

    user: UserId
    password: Secret

    @property
    def name(self) -> str:
        """What is typed where the app knows the homeserver already."""
        return self.user.removeprefix("@").split(":", 1)[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeafletFacts:
    """``master_key`` is the bot's, unpadded base64; ``code`` as it is shown; ``relink``: a new phone.

    ``account`` is None for somebody who has one of their own, or who is known already.
    """

    language: Language
    bot: UserId
    master_key: str
    code: Secret
    expires: datetime
    zone: ZoneInfo
    phone: str
    min_digits: int
    account: Account | None = None
    relink: bool = False

    def __post_init__(self) -> None:
        require_aware(self.expires, "the end of a code")

    @property
    def server(self) -> str:
        return self.bot.split(":", 1)[1]

    @property
    def fingerprint(self) -> str:
        """The master key in groups of four, as people compare it."""
        key = self.master_key
        return " ".join(key[start : start + _GROUP] for start in range(0, len(key), _GROUP))


def contact_link(bot: UserId) -> str:
    """Opens the bot as a contact in any Matrix app."""
    return _CONTACT + quote(bot, safe="@:")


def sign_in_link(user: UserId) -> str:
    """Opens the app at the account's homeserver, which is then not typed; on iPhones the account's name neither."""
    server = user.split(":", 1)[1]
    return f"{_APP}?{urlencode({'account_provider': server, 'login_hint': f'mxid:{user}'}, safe='@:')}"
