"""How each rule over Synapse's configuration judges: functions of a configuration alone. Pure.

Synapse's own defaults count where a key is missing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from bot.homeserver.facts import Configured
from bot.homeserver.rule import Verdict

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 365 * 86400}
HOUR, DAY = 3600.0, 86400.0
MOST_RETENTION_DAYS, LEAST_RETENTION_DAYS = 180, 7


def seconds(value: object) -> float | None:
    """Synapse's durations: milliseconds as a number, or ``5m``; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value / 1000
    found = re.fullmatch(r"(\d+)([smhdwy]?)", value) if isinstance(value, str) else None
    if found is None:
        return None
    return int(found[1]) * _UNITS[found[2]] if found[2] else int(found[1]) / 1000


def _said(value: object) -> str:
    if value is None:
        return "not set"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else "set otherwise"


def flag(path: str, *, wanted: bool, default: bool) -> Callable[[Configured], Verdict]:
    """``path`` has the ``wanted`` value; ``default`` is Synapse's own."""

    def judge(config: Configured) -> Verdict:
        value = config.get(path)
        effective = default if value is None else value
        return Verdict(ok=effective is wanted, found=_said(value))

    return judge


def empty_list(path: str) -> Callable[[Configured], Verdict]:
    def judge(config: Configured) -> Verdict:
        value = config.get(path)
        return Verdict(
            ok=value == [], found="nobody" if value == [] else "not set" if value is None else "somebody"
        )

    return judge


def _listeners(config: Configured) -> list[Mapping[str, object]]:
    found = config.get("listeners")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def only_clients(config: Configured) -> Verdict:
    served = set()
    for listener in _listeners(config):
        if listener.get("type", "http") != "http":
            served.add(str(listener.get("type")))
        resources = listener.get("resources")
        for resource in resources if isinstance(resources, list) else ():
            names = resource.get("names") if isinstance(resource, Mapping) else None
            served |= {str(n) for n in (names if isinstance(names, list) else [names])}
    more = sorted(served - {"client", "health"})
    return Verdict(ok=bool(served) and not more, found=f"also {', '.join(more)}" if more else "apps alone")


def near(config: Configured) -> Verdict:
    open_to: list[str] = []
    for listener in _listeners(config):
        if "path" in listener:  # a Unix socket
            continue
        bound = listener.get("bind_addresses", listener.get("bind_address")) or ["every address"]
        addresses = [str(each) for each in (bound if isinstance(bound, list) else [bound])]
        open_to += [address for address in addresses if not _private(address)]
    return Verdict(ok=not open_to, found=f"open on {', '.join(open_to)}" if open_to else "this machine alone")


def _private(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.is_private and not found.is_unspecified


def proxied(config: Configured) -> Verdict:
    listeners = _listeners(config)
    ok = bool(listeners) and all(each.get("x_forwarded") is True for each in listeners)
    return Verdict(ok=ok, found="taken from the proxy" if ok else "not taken from the proxy")


def tokens(config: Configured) -> Verdict:
    if config.get("enable_registration") is not True:
        return Verdict(ok=True, found="closed")
    ok = config.get("registration_requires_token") is True
    return Verdict(ok=ok, found="with a token" if ok else "open")


def names_kept(config: Configured) -> Verdict:
    closed = config.get("enable_registration") is not True
    ok = closed or config.get("inhibit_user_in_use_error") is True
    return Verdict(ok=ok, found="kept" if ok else "told to whoever asks")


def encrypted(config: Configured) -> Verdict:
    value = config.get("encryption_enabled_by_default_for_room_type")
    return Verdict(ok=value == "all", found=value if isinstance(value, str) else "not set")


def denied(path: str) -> Callable[[Configured], Verdict]:
    def judge(config: Configured) -> Verdict:
        value = config.get(path)
        ok = isinstance(value, list) and any(
            isinstance(r, Mapping) and r.get("action") == "deny" and set(r) == {"action"} for r in value[:1]
        )
        return Verdict(ok=ok, found="denied" if ok else "not denied")

    return judge


def at_most(path: str, limit: float, *, least: float = 0.0) -> Callable[[Configured], Verdict]:
    def judge(config: Configured) -> Verdict:
        found = seconds(value := config.get(path))
        told = "not set" if value is None else "not a duration" if found is None else _span(found)
        return Verdict(ok=found is not None and least <= found <= limit, found=told)

    return judge


def _span(length: float) -> str:
    if length >= 2 * DAY:
        return f"{length / DAY:.0f} days"
    return f"{length / HOUR:.0f} hours" if length >= 2 * HOUR else f"{length / 60:.0f} minutes"


def retained(config: Configured) -> Verdict:
    if config.get("retention.enabled") is not True:
        return Verdict(ok=False, found="everything is kept")
    return at_most(
        "retention.default_policy.max_lifetime", MOST_RETENTION_DAYS * DAY, least=LEAST_RETENTION_DAYS * DAY
    )(config)


def token_life(config: Configured) -> Verdict:
    limited = [
        k for k in ("session_lifetime", "nonrefreshable_access_token_lifetime") if config.get(k) is not None
    ]
    return Verdict(ok=not limited, found=f"{limited[0]} is set" if limited else "not limited")


def stale_devices(config: Configured) -> Verdict:
    value = config.get("delete_stale_devices_after")
    found = seconds(value)
    if value is None:
        return Verdict(ok=True, found="never")
    return Verdict(
        ok=found is not None and found >= 730 * DAY, found=_span(found) if found else "not a duration"
    )


def logins_limited(config: Configured) -> Verdict:
    rates = [config.get(f"rc_login.{kind}.per_second") for kind in ("account", "failed_attempts")]
    loose = [rate for rate in rates if isinstance(rate, int | float) and rate > 1]
    return Verdict(ok=not loose, found="not limited" if loose else "limited")


def long_passwords(config: Configured) -> Verdict:
    length = config.get("password_config.policy.minimum_length")
    on = config.get("password_config.policy.enabled") is True
    ok = on and isinstance(length, int) and length >= 10
    return Verdict(ok=ok, found=f"{length} characters" if on and length else "any password")


def public_https(config: Configured) -> Verdict:
    url = config.get("public_baseurl")
    ok = isinstance(url, str) and url.startswith("https://")
    return Verdict(ok=ok, found="https" if ok else "not set" if url is None else "not https")


def quiet_log(config: Configured) -> Verdict:
    """No line a request, and no text with values filled in: a debugging level, or a formatter that fills in."""
    if config.log is None:
        return Verdict(ok=None, found="cannot be read from here")
    loggers = config.log.get("loggers")
    levels = (
        {
            name: str(each.get("level", ""))
            for name, each in (loggers or {}).items()
            if isinstance(each, Mapping)
        }
        if isinstance(loggers, Mapping | None)
        else {}
    )
    root = config.log.get("root")
    levels["root"] = str(root.get("level", "WARNING")) if isinstance(root, Mapping) else "WARNING"
    talks = [name for name, level in levels.items() if level.upper() in {"INFO", "DEBUG", "NOTSET"}]
    formatters = config.log.get("formatters")
    filled = (
        [
            name
            for name, each in (formatters or {}).items()
            if not (isinstance(each, Mapping) and "%(msg)s" in str(each.get("format", "")))
            or any(word in str(each.get("format", "")) for word in ("%(message)s", "%(request)s", "%(args)s"))
        ]
        if isinstance(formatters, Mapping | None)
        else ["all"]
    )
    if talks:
        return Verdict(ok=False, found=f"{talks[0]} writes what goes well, too")
    if filled or not formatters:
        return Verdict(ok=False, found="texts with accounts and addresses filled in")
    return Verdict(ok=True, found="constant texts of warnings")


def private_files(config: Configured) -> Verdict:
    open_ = [name for name, mode in config.modes.items() if mode & 0o077]
    return Verdict(ok=not open_, found=f"{open_[0]} is open to others" if open_ else "private")
