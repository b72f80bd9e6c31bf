"""What the vault computes, pinned: its answers must stay the same for as long as it keeps a key."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bot.domain.values import KeyId, RecipientId, SecretBytes
from bot.errors import WrongSecret
from tests.storage.vault_rig import h, new_vault
from tests.vectors import unhex, vectors


def test_pinned_answer_and_verifier(tmp_path: Path) -> None:
    v = vectors("pli_v1")["vault"]
    k, hashed, answer, verifier = unhex(v, "k", "h", "answer", "verifier")
    vault, _ = new_vault(tmp_path)
    who, key_id = RecipientId(v["recipient"]), KeyId(v["key_id"])
    vault.create(who, key_id, h(0))
    connection = sqlite3.connect(tmp_path / "vault.db")
    connection.execute("UPDATE key SET k = ?, verifier = ?", (k, verifier))
    connection.commit()
    connection.close()
    assert vault.unlock(who, key_id, 0, SecretBytes(hashed)).reveal() == answer
    with pytest.raises(WrongSecret):
        vault.unlock(who, key_id, 0, h(0))
