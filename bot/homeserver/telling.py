"""Words that say what a name should keep to itself: that its bearer is somebody's patient, and of whom. Pure.

Push providers, the networks of telephones and the certificate logs read the homeserver's name; whoever looks at a
locked telephone reads the bot's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.values import Language


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """Without accents, in small letters. ``within`` tells anywhere in a name, ``begins`` at the beginning of one of its
    parts, ``alone`` as a whole part."""

    within: frozenset[str]
    begins: frozenset[str]
    alone: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TELLING: Mapping[Language, Words] = {
    Language.FR: Words(
        within=_words(
            "medecin medical docteur doctor cabinet clinique hopital hospital patient sante soins infirm chirurg"
            " dentiste dentaire pediatr gyneco obstetr sagefemme maternite dermato cardiolog neurolog oncolog cancer"
            " psychiat psycholog psychoth addict therap kinesi osteopath orthophon ophtalm radiolog pharmac laborato"
            " analyses urologi dialyse diabet fertilit rendezvous consultation ordonnance urgences avortement"
            " orthopedi rhumato gastro allergolog podolog nephrolog hematolog geriatr sexolog"
        ),
        begins=_words("psy kine osteo ortho labo dent onco radio pneumo endocrin gyn"),
        alone=_words("dr drs ivg vih sida hiv pma mst ist rdv chu chr irm ehpad msp cmp smur samu ghu"),
    ),
    Language.EN: Words(
        within=_words(
            "doctor physician medical medicine clinic hospital patient health nurse nursing surgery surgeon dentist"
            " dental orthodont paediatr pediatr gynaeco gyneco obstetric midwife maternity dermatolog cardiolog"
            " neurolog oncolog cancer psychiat psycholog psychoth therap rehab addict physio osteopath chiropract"
            " optometr ophthalm radiolog pharmac laborator fertility dialysis diabet appointment consultation"
            " prescription urgentcare abortion orthop rheumat urolog allerg podiatr nephrolog haematolog hematolog"
            " geriatric hospice sexualhealth caregiver"
        ),
        begins=_words("psych physi onco dent radio medic"),
        alone=_words("dr drs md gp gps hiv aids std sti ivf er icu mri nhs ent obgyn"),
    ),
}


def telling_word(name: str) -> str | None:
    """The first word in ``name`` (a domain or the part of an account before the colon) that tells, or None."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    plain = ".".join(_decoded(label) for label in plain.split("."))
    parts = [part for part in re.split(r"[^a-z0-9]+", plain) if part]
    glued = "".join(parts)  # "rendez-vous", "sage-femme"
    for words in TELLING.values():
        for word in sorted(words.within):
            if word in glued:
                return word
        for part in parts:
            bare = part.strip("0123456789")
            if bare in words.alone:
                return bare
            for word in sorted(words.begins):
                if bare.startswith(word):
                    return word
    return None


def _decoded(label: str) -> str:
    """``xn--…`` as it is read, without its accents."""
    if not label.startswith("xn--"):
        return label
    try:
        read = label.encode("ascii").decode("idna")
    except UnicodeError:
        return label
    return "".join(c for c in unicodedata.normalize("NFKD", read) if not unicodedata.combining(c))
