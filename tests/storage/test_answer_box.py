"""Rules of storage/answer_box.py."""

from __future__ import annotations

import pytest

from bot.domain.values import RecipientId, SecretBytes
from bot.errors import InvalidSeal
from storage.answer_box import open_answer, seal_answer
from storage.sealed_box import new_key_pair, open_box
from tests.vectors import unhex, vectors

PRIVATE, PUBLIC = new_key_pair()
WHO = RecipientId("r-1")
TEXT = '{"answer":"move","text":"plutôt le soir"}'.encode()


def _sealed() -> bytes:
    return seal_answer(TEXT, answer="w-1", recipient=WHO, practice_public=PUBLIC)


def test_the_practice_opens_what_was_sealed() -> None:
    assert open_answer(_sealed(), answer="w-1", recipient=WHO, practice_private=PRIVATE) == TEXT


@pytest.mark.parametrize(("answer", "recipient"), [("w-2", "r-1"), ("w-1", "r-2"), ("w-1r", "-1"), ("", "")])
def test_rule_1_another_row_does_not_open_it(answer: str, recipient: str) -> None:
    with pytest.raises(InvalidSeal):
        open_answer(_sealed(), answer=answer, recipient=RecipientId(recipient), practice_private=PRIVATE)


def test_every_single_bit_flip_and_every_cut_is_refused() -> None:
    box = _sealed()
    flips = (
        box[:n] + bytes((box[n] ^ 1 << bit,)) + box[n + 1 :] for n in range(len(box)) for bit in range(8)
    )
    for changed in (*flips, *(box[:end] for end in range(len(box))), box + b"\0"):
        with pytest.raises(InvalidSeal):
            open_answer(changed, answer="w-1", recipient=WHO, practice_private=PRIVATE)


def test_another_key_does_not_open_it_nor_another_purpose() -> None:
    with pytest.raises(InvalidSeal):
        open_answer(_sealed(), answer="w-1", recipient=WHO, practice_private=new_key_pair()[0])
    with pytest.raises(InvalidSeal):
        open_box(_sealed(), PRIVATE, b"pli/v1/detail")


def test_rule_2_lengths_show_in_steps_of_512() -> None:
    boxes = [
        seal_answer(b"x" * n, answer="w-1", recipient=WHO, practice_public=PUBLIC) for n in (0, 300, 508, 509)
    ]
    assert [len(box) for box in boxes] == [560, 560, 560, 1072]


def test_pinned_box_opens() -> None:
    v = vectors("pli_v1")["answer_box"]
    private, text, box = unhex(v, "private", "text", "box")
    opened = open_answer(
        box, answer=v["answer"], recipient=RecipientId(v["recipient"]), practice_private=SecretBytes(private)
    )
    assert opened == text
