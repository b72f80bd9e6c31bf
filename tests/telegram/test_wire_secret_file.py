"""Files of secrets: a private file, or a credential of systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.channels.telegram.secret_file import read_token, read_webhook_secret
from bot.errors import WrongUse
from tests.rig.bot_api import TOKEN


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder.resolve() / "telegram.token"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def test_a_private_file_is_read(tmp_path: Path) -> None:
    assert read_token(written(tmp_path, f" {TOKEN}\n")).reveal() == TOKEN
    assert read_webhook_secret(written(tmp_path, "a-B_" * 8)).reveal() == "a-B_" * 8


@pytest.mark.parametrize("text", ["", "x", TOKEN[:20], f"{TOKEN} {TOKEN}", f"token={TOKEN}", "é" * 40])
def test_something_else_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUse) as caught:
        read_token(written(tmp_path, text))
    assert "token_file" in str(caught.value)
    assert not text or text not in f"{caught.value} {caught.value.mend}".replace("telegram", "")


@pytest.mark.parametrize("text", ["short", "s" * 31, "s" * 257, "s" * 40 + "!", "s" * 20 + " " + "s" * 20])
def test_a_weak_or_impossible_secret_of_the_webhook_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUse, match="webhook_secret_file"):
        read_webhook_secret(written(tmp_path, text))


def test_a_file_that_others_may_read_is_refused_but_for_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, TOKEN, 0o440)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(WrongUse, match="open to other accounts"):
        read_token(file)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "other"))
    with pytest.raises(WrongUse, match="open to other accounts"):
        read_token(file)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_token(file).reveal() == TOKEN
