"""Rules of storage/audit_chain.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.values import SecretBytes
from storage.audit_chain import START, AuditChain, AuditRow, BrokenChain, Fault
from tests.vectors import unhex, vectors

CHAIN = AuditChain(SecretBytes(bytes(range(32))))
LENGTH = 6


def _log(chain: AuditChain = CHAIN, length: int = LENGTH, word: str = "release") -> list[AuditRow]:
    rows: list[AuditRow] = []
    previous = START
    for number in range(1, length + 1):
        fields = (f"2026-03-0{number}T08:00:00+00:00", word, f"r-{number}", "1")
        previous = chain.link(previous, number, fields)
        rows.append(AuditRow(number=number, fields=fields, mac=previous))
    return rows


def _fault(rows: list[AuditRow], length: int = LENGTH, head: bytes | None = None) -> tuple[int, Fault]:
    with pytest.raises(BrokenChain) as caught:
        CHAIN.verify(rows, length=length, head=head or _log()[-1].mac)
    return caught.value.number, caught.value.fault


def test_an_untouched_log_verifies() -> None:
    rows = _log()
    assert CHAIN.verify(rows, length=LENGTH, head=rows[-1].mac) is True
    assert CHAIN.verify([], length=0, head=b"") is True


def test_rule_1_every_change_of_one_byte_is_found_and_located() -> None:
    rows = _log()
    for index, row in enumerate(rows):
        for at, text in enumerate(row.fields):
            for place in range(len(text)):
                for character in ("\0", chr(ord(text[place]) ^ 1)):
                    changed = text[:place] + character + text[place + 1 :]
                    fields = (*row.fields[:at], changed, *row.fields[at + 1 :])
                    tampered = [*rows[:index], replace(row, fields=fields), *rows[index + 1 :]]
                    assert _fault(tampered) == (row.number, Fault.CHANGED)
        for bit in range(8 * len(row.mac)):
            mac = bytearray(row.mac)
            mac[bit // 8] ^= 1 << bit % 8
            tampered = [*rows[:index], replace(row, mac=bytes(mac)), *rows[index + 1 :]]
            assert _fault(tampered) == (row.number, Fault.CHANGED)


def test_rule_1_fields_cannot_lend_each_other_characters() -> None:
    rows = _log()
    first, *rest = rows[0].fields
    for fields in (
        (first + rest[0], *rest[1:]),
        (first, *rest, ""),
        tuple(rest),
        (first[:-1], first[-1] + rest[0], *rest[1:]),
    ):
        assert _fault([replace(rows[0], fields=fields), *rows[1:]]) == (1, Fault.CHANGED)


def test_rule_2_every_removed_row_is_located() -> None:
    for index in range(LENGTH - 1):
        rows = _log()
        del rows[index]
        assert _fault(rows) == (index + 1, Fault.OUT_OF_PLACE)
        renumbered = [replace(row, number=n) for n, row in enumerate(rows, start=1)]
        assert _fault(renumbered) == (index + 1, Fault.CHANGED)


def test_rule_2_every_exchange_of_two_rows_is_located() -> None:
    for left in range(LENGTH):
        for right in range(left + 1, LENGTH):
            rows = _log()
            rows[left], rows[right] = rows[right], rows[left]
            assert _fault(rows) == (left + 1, Fault.OUT_OF_PLACE)
            renumbered = [replace(row, number=n) for n, row in enumerate(rows, start=1)]
            assert _fault(renumbered) == (left + 1, Fault.CHANGED)


def test_rule_2_an_inserted_or_repeated_row_is_located() -> None:
    rows = _log()
    assert _fault([*rows[:3], rows[2], *rows[3:]]) == (4, Fault.OUT_OF_PLACE)
    assert _fault([rows[0], replace(rows[0], number=2), *rows[1:]]) == (2, Fault.CHANGED)


def test_rule_3_every_cut_is_found() -> None:
    for length in range(LENGTH):
        assert _fault(_log()[:length]) == (length + 1, Fault.CUT)


def test_rule_3_another_log_of_the_same_key_is_found() -> None:
    """An older copy of the database that went on: its rows chain, but not to what was anchored."""
    assert _fault(_log(word="invite")) == (LENGTH, Fault.REPLACED)
    assert _fault(_log(length=LENGTH + 3, word="invite")) == (LENGTH, Fault.REPLACED)


def test_rule_4_rows_after_the_anchor_must_chain_too() -> None:
    rows = _log()
    assert CHAIN.verify(rows, length=4, head=rows[3].mac) is True
    tampered = [*rows[:5], replace(rows[5], fields=("forged",))]
    assert _fault(tampered, 4, rows[3].mac) == (6, Fault.CHANGED)


def test_rule_1_a_log_under_another_key_is_refused_at_once() -> None:
    assert _fault(_log(AuditChain(SecretBytes(b"\1" * 32)))) == (1, Fault.CHANGED)


def test_pinned_link() -> None:
    v = vectors("pli_v1")["audit"]
    key, previous, mac = unhex(v, "key", "previous", "mac")
    assert AuditChain(SecretBytes(key)).link(previous, v["number"], v["fields"]) == mac
