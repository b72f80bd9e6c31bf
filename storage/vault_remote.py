"""The vault of another process (:mod:`storage.vault_server`), with the calls of :class:`storage.vault.Vault`.

1. A vault that is away, slow or answers nonsense refuses: :class:`bot.errors.StorageError`, nothing is assumed.
2. Before it compares, the vault asks what the database has noted; that is done here, in this process.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Final, cast

from bot.domain.values import KeyId, RecipientId, SecretBytes
from bot.errors import StaleGeneration, StorageError
from storage.vault import Noted, Reconciled, Staged
from storage.vault_wire import error_of, pack, receive, result, send

_PATIENCE_SECONDS: Final = 20.0  # longer than the vault waits for its own file


class RemoteVault:
    """See the module. One connection a call: threads and processes need no agreement."""

    def __init__(self, path: Path, noted: Noted) -> None:
        self._path, self._noted = str(path), noted

    def create(self, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
        return cast("SecretBytes", self._call("create", recipient, key_id, h))

    def recreate(self, recipient: RecipientId, key_id: KeyId, h: SecretBytes) -> SecretBytes:
        return cast("SecretBytes", self._call("recreate", recipient, key_id, h))

    def unlock(self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes) -> SecretBytes:
        return cast("SecretBytes", self._call("unlock", recipient, key_id, generation, h))

    def unlock_and_stage(
        self, recipient: RecipientId, key_id: KeyId, generation: int, h: SecretBytes, new_h: SecretBytes
    ) -> Staged:
        return cast("Staged", self._call("unlock_and_stage", recipient, key_id, generation, h, new_h))

    def commit(self, recipient: RecipientId, key_id: KeyId, generation: int) -> None:
        self._call("commit", recipient, key_id, generation)

    def reconcile(self, recipient: RecipientId, key_id: KeyId, generation: int) -> Reconciled:
        return cast("Reconciled", self._call("reconcile", recipient, key_id, generation))

    def destroy(self, recipient: RecipientId) -> None:
        self._call("destroy", recipient)

    def known(self, recipient: RecipientId) -> bool:
        return cast("bool", self._call("known", recipient))

    def is_old(self, recipient: RecipientId) -> bool:
        return cast("bool", self._call("is_old", recipient))

    def tries_left(self, recipient: RecipientId) -> int | None:
        return cast("int | None", self._call("tries_left", recipient))

    def wait_seconds(self, recipient: RecipientId) -> float:
        return cast("float", self._call("wait_seconds", recipient))

    def anchor(self) -> tuple[int, bytes]:
        return cast("tuple[int, bytes]", self._call("anchor"))

    def set_anchor(self, length: int, head: bytes) -> None:
        self._call("set_anchor", length, head)

    def _call(self, name: str, *values: object) -> Any:  # noqa: ANN401 - the type is that of the call
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
                stream.settimeout(_PATIENCE_SECONDS)
                stream.connect(self._path)
                send(stream, {"call": name, "with": [pack(value) for value in values]})
                frame = receive(stream)
                while "note" in frame:
                    send(stream, {"noted": self._note(frame)})
                    frame = receive(stream)
            if "error" not in frame:
                return result(name, frame["value"])
            refusal = error_of(frame)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise StorageError(
                "the vault does not answer", mend="start it (pli vault run), or mend [storage] vault_socket"
            ) from None
        raise refusal

    def _note(self, frame: dict[str, Any]) -> int | None:
        try:
            return self._noted(RecipientId(frame["note"]), frame["serial"])
        except StaleGeneration:
            return None
