"""Which certificates are believed: the system's, or one authority of the operator's own. Checking is never off."""

from __future__ import annotations

import ssl
from pathlib import Path

from bot.errors import WrongUse


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """A client's context: TLS 1.2 at least, name and chain checked.

    ``ca_file`` (PEM) is then the only authority: what any other has signed is refused. Raises :class:`WrongUse`.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError):
        raise WrongUse(
            "the file of the certificate authority cannot be read",
            mend="[homeserver] ca_file names a file with a PEM certificate",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
