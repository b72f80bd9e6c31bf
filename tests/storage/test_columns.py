"""Rules of storage/columns.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.values import SecretBytes
from bot.errors import InvalidSeal
from storage.columns import Columns
from tests.vectors import unhex, vectors

COLUMNS = Columns(SecretBytes(bytes(32)))
TEXT = "@f3kq:chat.example"


def _open(sealed: bytes, table: str = "room", column: str = "user", row: str = "r-1") -> str:
    return COLUMNS.open(sealed, table=table, column=column, row=row)


def _sealed(text: str = TEXT) -> bytes:
    return COLUMNS.seal(text, table="room", column="user", row="r-1")


@given(st.text(max_size=200))
def test_what_was_sealed_is_opened(text: str) -> None:
    assert _open(_sealed(text)) == text


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [("rooms", "user", "r-1"), ("room", "uses", "r-1"), ("room", "user", "r-2"), ("roomu", "ser", "r-1")],
)
def test_rule_1_another_cell_does_not_open_it(table: str, column: str, row: str) -> None:
    with pytest.raises(InvalidSeal):
        _open(_sealed(), table, column, row)


def test_every_bit_flip_and_every_cut_is_refused() -> None:
    sealed = _sealed()
    flips = [
        sealed[:n] + bytes((sealed[n] ^ 1 << b,)) + sealed[n + 1 :]
        for n in range(len(sealed))
        for b in range(8)
    ]
    for changed in (*flips, *(sealed[:end] for end in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(InvalidSeal):
            _open(changed)


def test_another_data_key_neither_opens_nor_finds() -> None:
    other = Columns(SecretBytes(b"\1" * 32))
    with pytest.raises(InvalidSeal):
        other.open(_sealed(), table="room", column="user", row="r-1")
    assert other.index("user", TEXT) != COLUMNS.index("user", TEXT)


def test_rule_2_equal_values_do_not_look_equal() -> None:
    assert len({_sealed() for _ in range(20)}) == 20


def test_rule_3_lengths_show_in_steps_of_64() -> None:
    assert [len(_sealed("x" * n)) for n in (0, 60, 61, 124)] == [92, 92, 156, 156]


def test_rule_4_an_index_is_stable_and_of_its_kind() -> None:
    assert COLUMNS.index("user", TEXT) == COLUMNS.index("user", TEXT)
    assert (
        len(
            {COLUMNS.index(*pair) for pair in (("user", "ab"), ("usera", "b"), ("room", "ab"), ("user", "a"))}
        )
        == 4
    )


def test_pinned_cell_and_index() -> None:
    v = vectors("pli_v1")["columns"]
    data_key, sealed = unhex(v, "data_key", "sealed")
    columns = Columns(SecretBytes(data_key))
    assert columns.open(sealed, table=v["table"], column=v["column"], row=v["row"]) == v["text"]
    assert columns.index(v["kind"], v["text"]) == v["index"]
