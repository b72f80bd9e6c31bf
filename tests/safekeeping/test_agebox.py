"""storage/agebox.py and storage/pack.py: what is inside comes out whole and to the right key, or not at all."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from bot.domain.values import Secret
from bot.errors import InvalidSeal, PliError, Refused, WrongUse
from storage.agebox import (
    Opener,
    Passphrase,
    PrivateKey,
    PublicKey,
    new_pair,
    private_key_in,
    public_key_in,
    seal,
    unseal,
)
from storage.pack import Cell, Manifest, Unpacker, end_line, file_line, table_lines
from storage.wrap import Profile
from tests.safekeeping.scene import PASSPHRASE

CHUNK = 64 * 1024


def sealed(parts: Sequence[bytes], lock: PublicKey | Passphrase) -> tuple[bytes, Opener]:
    out = io.BytesIO()
    own = seal(parts, out, lock)
    return out.getvalue(), own


def opened(data: bytes, opener: Opener) -> bytes:
    found = io.BytesIO()
    unseal(io.BytesIO(data), opener, lambda piece: void(found.write(piece)))
    return found.getvalue()


def void(_: object) -> None:
    """Nothing."""


@pytest.fixture
def pair() -> tuple[PrivateKey, PublicKey]:
    private, public = new_pair()
    return PrivateKey(secret=private), PublicKey(text=public)


LONG = [bytes([n % 251]) * 1000 for n in range(300)]  # five pieces


def test_both_locks_give_back_what_was_put_in(pair: tuple[PrivateKey, PublicKey]) -> None:
    for lock, key in ((pair[1], pair[0]), (PASSPHRASE, PASSPHRASE)):
        for parts in ([], [b"a"], LONG):
            data, own = sealed(parts, lock)
            assert opened(data, key) == b"".join(parts)
            assert opened(data, own) == b"".join(parts), "rule 2: the rehearsal's own"


@pytest.mark.parametrize("kind", ["public", "passphrase"])
def test_every_byte_that_is_flipped_and_every_end_that_is_missing_is_refused(
    kind: str, pair: tuple[PrivateKey, PublicKey]
) -> None:
    lock, key = (pair[1], pair[0]) if kind == "public" else (PASSPHRASE, PASSPHRASE)
    data, _ = sealed([b"small"], lock)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(PliError):
            opened(changed, key)
        with pytest.raises(PliError):
            opened(data[:place], key)
    with pytest.raises(PliError):
        opened(data + b"x", key)


def test_a_piece_that_is_changed_exchanged_or_missing_is_refused(
    pair: tuple[PrivateKey, PublicKey],
) -> None:
    data, _ = sealed(LONG, pair[1])
    piece = CHUNK + 16
    begin = data.index(b"---") + len(data[data.index(b"---") :].split(b"\n", 1)[0]) + 1 + 16
    pieces = [data[n : n + piece] for n in range(begin, len(data), piece)]
    assert len(pieces) == 5
    start = data[:begin]
    for number in range(len(pieces)):
        one = bytearray(pieces[number])
        one[len(one) // 2] ^= 0x80
        for wrong in (
            [*pieces[:number], bytes(one), *pieces[number + 1 :]],
            [*pieces[:number], *pieces[number + 1 :]],
            pieces[:number],
            [*pieces[: number + 1], *pieces[number:]],
        ):
            with pytest.raises(InvalidSeal):
                opened(start + b"".join(wrong), pair[0])
    with pytest.raises(InvalidSeal):
        opened(start + b"".join([pieces[1], pieces[0], *pieces[2:]]), pair[0])


def test_a_wrong_passphrase_and_another_key_are_refused(pair: tuple[PrivateKey, PublicKey]) -> None:
    data, _ = sealed(LONG, PASSPHRASE)
    with pytest.raises(InvalidSeal, match="passphrase is wrong"):
        opened(data, Passphrase(secret=Secret("another one, long enough"), profile=Profile.testing()))
    data, _ = sealed(LONG, pair[1])
    with pytest.raises(InvalidSeal, match="key is another one"):
        opened(data, PrivateKey(secret=new_pair()[0]))


def test_what_opens_the_other_kind_is_told_what_is_wanted(pair: tuple[PrivateKey, PublicKey]) -> None:
    by_key, by_words = sealed([b"a"], pair[1])[0], sealed([b"a"], PASSPHRASE)[0]
    for data, key, mend in ((by_key, PASSPHRASE, "--key-file"), (by_words, pair[0], "--passphrase-file")):
        with pytest.raises(Refused) as refused:
            opened(data, key)
        assert mend in refused.value.mend
    with pytest.raises(Refused, match="another version"):
        opened(by_words.replace(b"passphrase/1", b"passphrase/2", 1), PASSPHRASE)
    for nothing in (b"", b"PK\x03\x04 a zip file, not a backup"):
        for key in (PASSPHRASE, pair[0]):
            with pytest.raises(Refused, match="no backup"):
                opened(nothing, key)


def test_one_passphrase_typed_on_two_keyboards_is_one() -> None:
    composed = "une cl\u00e9 pour l\u2019\u00e9t\u00e9 \u00e0 venir"
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    data, _ = sealed([b"a"], Passphrase(secret=Secret(composed), profile=Profile.testing()))
    assert opened(data, Passphrase(secret=Secret(apart), profile=Profile.testing())) == b"a"


def test_rule_3_a_short_passphrase_is_refused() -> None:
    with pytest.raises(WrongUse, match="16 characters"):
        Passphrase(secret=Secret("fifteen letters"))


def test_files_of_keys_are_read_with_their_comments() -> None:
    private, public = new_pair()
    data, _ = sealed([b"a"], public_key_in(f"# for the stick\n\n{public}\n"))
    assert opened(data, private_key_in(f"# keep\n{private.reveal()}\n")) == b"a"
    for wrong in ("", "age1xyz", f"{public}\n{public}", private.reveal()):
        with pytest.raises(WrongUse, match="public key"):
            public_key_in(wrong)
    with pytest.raises(WrongUse, match="private key"):
        opened(data, private_key_in(public))


def test_what_fails_while_sealing_is_what_is_raised(pair: tuple[PrivateKey, PublicKey]) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a" * CHUNK * 3
        raise Refused("the database is gone")

    with pytest.raises(Refused, match="database is gone"):
        seal(parts(), io.BytesIO(), pair[1])
    data, _ = sealed(LONG, pair[1])

    def refuse(_: bytes) -> None:
        raise Refused("no room")

    with pytest.raises(Refused, match="no room"):
        unseal(io.BytesIO(data), pair[0], refuse)


# -- storage/pack.py ----------------------------------------------------------------------------------------------


@dataclass
class Heard:
    """A receiver that remembers."""

    said: list[object] = field(default_factory=list)

    def begin(self, manifest: Manifest) -> None:
        self.said.append(manifest)

    def file(self, place: str, name: str, data: bytes) -> None:
        self.said.append((place, name, data))

    def table(self, kind: str, name: str, columns: Sequence[str]) -> None:
        self.said.append((kind, name, tuple(columns)))

    def row(self, cells: Sequence[Cell]) -> None:
        self.said.append(tuple(cells))

    def end(self, rows: Mapping[str, int]) -> None:
        self.said.append(dict(rows))


MANIFEST = Manifest(
    made="2026-09-01T08:00:00+00:00", schema="0002", audit_length=3, audit_head=b"\1", with_vault=True
)
ROWS: list[tuple[Cell, ...]] = [(1, "é\n", b"\0\xff", None, True), (1 << 60, "", b"", "x", False)]
LINES = [
    MANIFEST.line(),
    file_line("bot", "data.key", bytes(32)),
    *table_lines("table", "thing", ("a", "b", "c", "d", "e"), ROWS),
    end_line({"thing": 2}),
]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_lines_come_out_as_they_went_in_however_they_are_cut(size: int) -> None:
    heard = Heard()
    unpacker, data = Unpacker(heard), b"".join(LINES)
    for begin in range(0, len(data), size):
        unpacker.take(data[begin : begin + size])
    unpacker.finish()
    assert heard.said == [
        MANIFEST,
        ("bot", "data.key", bytes(32)),
        ("table", "thing", ("a", "b", "c", "d", "e")),
        *ROWS,
        {"thing": 2},
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"".join(LINES[:-1]),
        b"".join(LINES) + b"[1]\n",
        b"".join(LINES) + b"x",
        b"".join(LINES[1:]),
        b"[]\n",
        b"{}\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        LINES[0] + b'{"kind":"more"}\n',
        LINES[0] + b'{"kind":"file"}\n',
        LINES[0] + b'[{"a":1}]\n',
        LINES[0] + b'[["not base64!"]]\n',
        LINES[0].replace(b'"schema":"0002",', b""),
        b"x" * 9_000_000,
    ],
)
def test_rule_2_lines_that_are_not_ours_or_not_all_there_are_refused(data: bytes) -> None:
    def take_all() -> None:
        unpacker = Unpacker(Heard())
        for begin in range(0, len(data), CHUNK):
            unpacker.take(data[begin : begin + CHUNK])
        unpacker.finish()

    with pytest.raises(Refused):
        take_all()


def test_another_version_of_the_form_says_so() -> None:
    with pytest.raises(Refused, match="another version"):
        Unpacker(Heard()).take(LINES[0].replace(b'"version":1', b'"version":2'))
