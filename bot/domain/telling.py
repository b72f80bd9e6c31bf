"""Words that tell what the bot is for: none stands where a stranger may read, nor in the bot's name there. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Beginnings of words, lower case, without accents: "medec" is médecin, médecins and médecine.
_BEGINNINGS: Final = tuple(
    _set(
        """
        medec medic docteur doctor doctolib sante health cabinet clini hopit hospit soin soign rendez rdv appointment
        consultation praticien practitioner practice infirm nurs dentist dentaire dental kine osteo psych chirurg surg
        gyneco obstet pediat cardio radiolog oncol dermat ophtal ophthal orthop orthod orthoph podolog logoped sagefem
        midwi pharma ordonnance prescri traitement treatment therap diagno laborat examen maladi illness disease
        douleur ambul vaccin pregnan grossess rappel remind telesant telemed ehpad
        """
    )
)
# As beginnings these would forbid harmless words.
_WHOLE: Final = _set(
    """
    dr dre md gp rv irm mri ivg vih hiv orl psy exam exams care sick pain blood sang patient patients patiente patientes
    patientele urgence urgences emergency emergencies visite visites visit visits scanner booking bookings agenda
    """
)
_WORD: Final = re.compile(r"[^\W_]+")
_HUMP: Final = re.compile(r"(?<=[^\W\d_A-ZÀ-Þ])(?=[A-ZÀ-Þ])")


def telling(text: str) -> tuple[str, ...]:
    """The words of ``text`` that tell something, without accents, in order. "MonDocteurBot" is three words."""
    words = (_fold(word) for word in _WORD.findall(_HUMP.sub(" ", text)))
    return tuple(word for word in words if word in _WHOLE or word.startswith(_BEGINNINGS))


def _fold(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
