"""Encrypted attachments: what a member drops into the staff room, and what the bot shows there.

1. Size and type are judged by the service from the event alone, before anything is fetched.
2. No more is fetched than the event says there is, and anything else than that is refused.
3. Nothing is decrypted before the SHA-256 of the ciphertext is the event's.
4. What is uploaded is ciphertext, without a name and under a type that says nothing; the key is in the encrypted event.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from nio.crypto.attachments import (  # type: ignore[import-untyped]  # nio ships no types
    decrypt_attachment,
    encrypt_attachment,
)
from nio.exceptions import EncryptionError  # type: ignore[import-untyped]  # as above

from bot.channels.matrix.http import Http, MatrixError, segment
from bot.channels.matrix.safejson import JsonObject
from bot.domain.messages import Attachment
from bot.domain.staff import StaffFile
from bot.errors import ChannelError, InvalidSeal

_DOWNLOAD: Final = "/_matrix/client/v1/media/download"
_ADDRESS: Final = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]{1,255})/([A-Za-z0-9_-]{1,255})")
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 60


async def fetch(http: Http, described: Attachment) -> bytes:
    """The file, decrypted. Raises :class:`InvalidSeal` where it is not what the event describes, :class:`ChannelError`
    where it could not be had.
    """
    address = _ADDRESS.fullmatch(described.url)
    if address is None or described.size < 0:
        raise InvalidSeal
    path = "/".join((_DOWNLOAD, *map(segment, address.groups())))
    try:
        sealed = await http.download(path, limit=described.size)
    except MatrixError as error:
        if error.status == 413:
            raise InvalidSeal from None  # rule 2
        raise
    if len(sealed) != described.size:
        raise InvalidSeal
    return await asyncio.to_thread(_open, sealed, described)


async def store(http: Http, file: StaffFile) -> JsonObject:
    """Upload ``file`` sealed; the content of the event that shows it. Raises :class:`ChannelError`."""
    sealed, keys = await asyncio.to_thread(encrypt_attachment, file.data)
    url = await http.upload(sealed)
    if _ADDRESS.fullmatch(url) is None:
        raise ChannelError("the homeserver named no media", permanent=False)
    name = _NAME.sub("_", file.name).strip("._")[-_LONGEST_NAME:] or "file"
    return {
        "msgtype": "m.image" if file.media_type.startswith("image/") else "m.file",
        "body": name,
        "filename": name,
        "info": {"mimetype": file.media_type, "size": len(file.data)},
        "file": {**keys, "url": url},
    }


def _open(sealed: bytes, described: Attachment) -> bytes:
    """Rule 3, which nio's function keeps."""
    try:
        return bytes(decrypt_attachment(sealed, described.key, described.sha256, described.iv))
    except (EncryptionError, ValueError, TypeError):
        raise InvalidSeal from None
