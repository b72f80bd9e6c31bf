"""Words that a name must not have, language by language, and names that must pass."""

from __future__ import annotations

import pytest

from bot.domain.values import Language
from bot.homeserver.plan import BOT_NAME
from bot.homeserver.telling import TELLING, telling_word

TELL = {
    Language.FR: (
        *(
            "cabinet-dupont.fr",
            "mondocteur.fr",
            "santé-du-parc.fr",
            "xn--sant-epa.fr",
            "clinique2.org",
            "rdv",
        ),
        *(
            "dr.noel.fr",
            "rendez-vous",
            "sage-femme.example",
            "psy-lyon",
            "kine75.fr",
            "centre-ivg.fr",
            "CHU-nord.fr",
        ),
        *("hôpital.example", "Gynécologie.example", "labo.fr", "messages-patients"),
    ),
    Language.EN: (
        *(
            "dr-smith.org",
            "northclinic.example",
            "myhealth.example",
            "hiv-support.org",
            "dental",
            "gp.example",
        ),
        *("patient-messages", "sexualhealth.org", "onco.example", "appointment-bot", "physio12.example"),
    ),
}
PASS = (
    *(
        "accueil.example",
        "messages",
        "pli.localhost",
        "maison-du-parc.fr",
        "courrier",
        "bot",
        "lettre.example",
    ),
    *("localhost", "chuchoter.example", "hearing.example", "adresse.example", "drapeau.fr", "stock.example"),
    *(
        "president.example",
        "identity.example",
        "accident.example",
        "mirmidon.example",
        "m.parc.example",
        "alabordage.fr",
    ),
)


@pytest.mark.parametrize(
    ("language", "name"), [(lang, name) for lang, names in TELL.items() for name in names]
)
def test_a_telling_name_is_seen(language: Language, name: str) -> None:
    word = telling_word(name)
    assert word is not None
    words = TELLING[language]
    assert any(word in some.within | some.begins | some.alone for some in TELLING.values())
    assert words.within
    assert words.begins
    assert words.alone


@pytest.mark.parametrize("name", PASS)
def test_a_neutral_name_passes(name: str) -> None:
    assert telling_word(name) is None


def test_every_language_of_the_bot_has_its_list_and_the_bot_its_name() -> None:
    assert set(TELLING) == set(Language)
    assert telling_word(BOT_NAME) is None
