"""The list of telling words."""

from __future__ import annotations

import pytest

from bot.domain.telling import telling


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Rappels du Docteur Noël", ("rappels", "docteur")),
        ("MonMédecinBot", ("medecin",)),
        ("Cabinet médical de la Santé", ("cabinet", "medical", "sante")),
        ("vos rendez-vous", ("rendez",)),
        ("pli_rdv_bot", ("rdv",)),
        ("Your health clinic: appointment reminders", ("health", "clinic", "appointment", "reminders")),
        ("ÉCHOGRAPHIE, IRM, DR. X", ("irm", "dr")),
        ("for my patients", ("patients",)),
        ("Kinésithérapeute; ostéo", ("kinesitherapeute", "osteo")),
        ("Pli", ()),
        ("A message waits for you. Drive carefully.", ()),
        ("Vous avez un message, il attend. Exemple : l’argent, le dragon, une image.", ()),
        ("", ()),
    ],
)
def test_what_tells(text: str, found: tuple[str, ...]) -> None:
    assert telling(text) == found
