"""The command in this process, as a shell would see it."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from bot.app import Installation
from bot.cli.main import main
from config.settings import FILE_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def pli(*arguments: str, stdin: str = "") -> Done:
    """One command. ``PLI_CONFIG`` is as before afterwards."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "200"}),
        mock.patch("sys.stdin", io.StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = main(list(arguments))
    done = Done(code=code, out=out.getvalue(), err=err.getvalue())
    assert "Traceback" not in done.out + done.err
    return done


def make_practice(folder: Path) -> Installation:
    """A practice by ``pli init``, its bot logged in as far as the disk can tell."""
    done = pli("init", str(folder), "--phone", "01 23 45 67 89")
    assert done.code == 0, done.err
    session = folder / "bot" / "session.json"
    session.touch(mode=0o600)
    session.write_text(
        json.dumps(
            {
                "homeserver": "http://127.0.0.1:1",
                "user_id": "@bot:example.org",
                "device_id": "DEVICE",
                "access_token": "token",
            }
        )
    )
    return Installation.at(folder / FILE_NAME)
