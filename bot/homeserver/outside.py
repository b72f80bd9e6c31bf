"""Looks at a running homeserver as a stranger does: requests without an account, certificates, ports.

Rules (the tests cite the numbers):

1. Paths go out byte for byte: a proxy that is fooled by ``..``, doubled slashes or quoting is seen.
2. Nothing is made or changed on the server. What needs an account is in :mod:`bot.homeserver.trial`.
3. A certificate that is not believed is found, and the requests are still made, without any secret in them.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

from bot.errors import Refused, WrongUse
from bot.homeserver.facts import Answer, Seen, Tls
from bot.tls import trusting

_SECONDS = 10.0
_MOST_BYTES = 1_000_000
_FEDERATION_PORT = 8448
_EMPTY: Mapping[str, object] = {}

_CLIENT = "/_matrix/client/v3"
# name: (method, path, body)
REQUESTS: Mapping[str, tuple[str, str, Mapping[str, object] | None]] = {
    "versions": ("GET", "/_matrix/client/versions", None),
    "federation": ("GET", "/_matrix/federation/v1/version", None),
    "keys": ("GET", "/_matrix/key/v2/server", None),
    "server well-known": ("GET", "/.well-known/matrix/server", None),
    "client well-known": ("GET", "/.well-known/matrix/client", None),
    "rooms": ("GET", f"{_CLIENT}/publicRooms", None),
    "register": ("POST", f"{_CLIENT}/register", _EMPTY),
    "guest": ("POST", f"{_CLIENT}/register?kind=guest", _EMPTY),
}
ADMIN_PATHS = (
    "/_synapse/admin/v1/register",
    "/_synapse/admin/v1/server_version",
    "/_synapse/admin/v2/users",
    "/_synapse/metrics",
    "/_SYNAPSE/admin/v1/register",
    "//_synapse/admin/v1/register",
    "/./_synapse/admin/v1/register",
    "/%5fsynapse/admin/v1/register",
    "/%5Fsynapse%2fadmin%2fv1%2fregister",
    "/_matrix/client/../../_synapse/admin/v1/register",
    "/_matrix/client/%2e%2e/%2e%2e/_synapse/admin/v1/register",
    "/_matrix/client/..%2f..%2f_synapse/admin/v1/register",
    "/_matrix/client/..;/..;/_synapse/admin/v1/register",
    "/_matrix/media/../../_synapse/admin/v1/register",
    "/_matrix/client/v3/admin/whois/%40nobody%3Anowhere",
    "/_matrix/client/v1/admin/suspend/%40nobody%3Anowhere",
    "/_matrix/client//v3/admin/whois/%40nobody%3Anowhere",
    "/_matrix/client/v3/%61dmin/whois/%40nobody%3Anowhere",
)


def look(url: str, *, domain: str, bot: str, plain_url: str = "", ca_file: Path | None = None) -> Seen:
    """Look at ``url``; ``domain`` and ``bot`` (its name before the colon) are asked for. Blocks.

    Raises :class:`WrongUse` for something that is no address, :class:`Refused` where nobody answers.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WrongUse("the address of a homeserver begins with https://", mend="--url https://example.org")
    host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    tls = _tls(host, port, ca_file) if parts.scheme == "https" else None
    context = None
    if tls is not None:
        context = ssl._create_unverified_context() if tls.error else trusting(ca_file)  # noqa: S323, SLF001 - rule 3

    def ask(method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        return _ask(host, port, context, method, path, body)

    answers = {name: ask(*request) for name, request in REQUESTS.items()}
    if answers["versions"].status == 0:
        raise Refused("nobody answers at that address", mend="check --url, and that proxy and Synapse run")
    answers["taken name"] = ask("GET", f"{_CLIENT}/register/available?username={quote(bot)}")
    answers["profile"] = ask("GET", f"{_CLIENT}/profile/{quote(f'@{bot}:{domain}')}")
    plain = urlsplit(plain_url or f"http://{host}")
    return Seen(
        url=url.rstrip("/"),
        answers=answers,
        admin={path: ask("GET", path) for path in ADMIN_PATHS},
        tls=tls,
        plain=_ask(plain.hostname or host, plain.port or 80, None, "GET", "/_matrix/client/versions", None),
        federation_port=_open(host, _FEDERATION_PORT),
    )


def _ask(
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
) -> Answer:
    connection = (
        http.client.HTTPConnection(host, port, timeout=_SECONDS)
        if context is None
        else http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)
    )
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        with closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)  # rule 1
            response = connection.getresponse()
            raw = response.read(_MOST_BYTES)
            told = {name.lower(): value for name, value in response.getheaders()}
    except (OSError, http.client.HTTPException):
        return Answer(status=0)
    try:
        parsed = json.loads(raw)
    except ValueError:
        parsed = None
    return Answer(status=response.status, body=parsed if isinstance(parsed, dict) else {}, headers=told)


def _tls(host: str, port: int, ca_file: Path | None) -> Tls:
    try:
        with (
            socket.create_connection((host, port), _SECONDS) as raw,
            trusting(ca_file).wrap_socket(raw, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
            version = secured.version() or ""
    except ssl.SSLCertVerificationError as error:
        return Tls(error=error.verify_message or "not believed", old=_old_versions(host, port))
    except (OSError, ssl.SSLError) as error:
        return Tls(error=type(error).__name__)
    ends, begins = (ssl.cert_time_to_seconds(str(certificate[key])) for key in ("notAfter", "notBefore"))
    return Tls(
        error="",
        version=version,
        life_left=(ends - time.time()) / max(1.0, ends - begins),
        old=_old_versions(host, port),
    )


def _old_versions(host: str, port: int) -> tuple[str, ...]:
    """Versions before 1.2 that the server would speak."""
    spoken = []
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl._create_unverified_context()  # noqa: S323, SLF001 - a hello only, nothing is sent
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
            context.minimum_version = context.maximum_version = version
        try:
            context.set_ciphers("ALL:@SECLEVEL=0")
            with (
                socket.create_connection((host, port), _SECONDS) as raw,
                context.wrap_socket(raw, server_hostname=host) as secured,
            ):
                spoken.append(secured.version() or version.name)
        except (OSError, ssl.SSLError):
            continue
    return tuple(spoken)


def _open(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), 3.0):
            return True
    except OSError:
        return False
