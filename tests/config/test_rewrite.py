"""config/rewrite.py: other values, and everything else as it was."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused
from config.rewrite import put_values
from config.template import example_text

VALUES = {"database": "sqlite:///data/pli.db", "vault": "vault/vault.db"}


@pytest.mark.parametrize(
    "before",
    [
        "",
        "[storage]",
        '[storage]\ndatabase = "old"  # ours',
        '[storage]\nvault = "old"\n[practice]\nname = "x"\nvault = "no, this is a practice"',
        '[practice]\ndatabase = "mine"\n\n[ storage ]\n'.replace("[ storage ]", "[storage] # here"),
        '# [storage]\n[practice]\nname = "[storage]"',
        '[agenda.csv.a]\nseparator = ";"\n',
        example_text(),
    ],
)
def test_the_values_are_there_and_nothing_else_changed(before: str) -> None:
    after = put_values(before, "storage", VALUES)
    old, new = tomllib.loads(before), tomllib.loads(after)
    assert new == {**old, "storage": {**old.get("storage", {}), **VALUES}}
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]


@pytest.mark.parametrize(
    "before",
    [
        'storage = {vault = "x"}',
        "storage.vault = 'x'",
        "[storage]\nvault = '''\nx\n'''",
        "[ storage ]\nvault = 'x'",
        "[storage",
    ],
)
def test_a_file_that_is_written_otherwise_is_refused(before: str) -> None:
    with pytest.raises(Refused) as refused:
        put_values(before, "storage", VALUES)
    assert refused.value.mend


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_the_file_it_is_right_or_refused(before: str, value: str) -> None:
    try:
        after = put_values(before, "storage", {"vault": value})
    except Refused:
        return
    assert tomllib.loads(after)["storage"]["vault"] == value
