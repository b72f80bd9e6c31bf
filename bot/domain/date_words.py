"""The shapes of days and hours in French and in English, for text in small letters without accents.

What they mean, and which are refused: :mod:`bot.domain.human_dates`.
"""

from __future__ import annotations

import re
from typing import Final

MONTHS: Final = (
    "janvier janv jan january",
    "fevrier fevr fev february feb",
    "mars mar march",
    "avril avr april apr",
    "mai may",
    "juin june jun",
    "juillet juil july jul",
    "aout august aug",
    "septembre sept sep september",
    "octobre oct october",
    "novembre nov november",
    "decembre dec december",
)
WEEKDAYS: Final = (
    "lundi lun monday mon",
    "mardi mar tuesday tues tue",
    "mercredi mer wednesday wed",
    "jeudi jeu thursday thurs thur thu",
    "vendredi ven friday fri",
    "samedi sam saturday sat",
    "dimanche dim sunday sun",
)
MONTH: Final = {name: i for i, names in enumerate(MONTHS, 1) for name in names.split()}
WEEKDAY: Final = {name: i for i, names in enumerate(WEEKDAYS) for name in names.split()}
ANY_MONTH: Final = "|".join(MONTH)
ANY_WEEKDAY: Final = "|".join(WEEKDAY)
NAMED_FIRST: Final = "january|february|march|april|may|june|july|august|september|october|november|december"

END = r"(?![^\W_])"  # no letter or digit goes on: behind a name, so that no shorter one is read within it
THE = r"(?:le\s+|the\s+|on\s+)?"
NAME = rf"{THE}(?:(?P<weekday>{ANY_WEEKDAY}){END}\.?,?\s*)?{THE}"
ORDINAL = r"(?:er|st|nd|rd|th)?"
YEAR = r"(?P<year>\d{4}|\d{2})"
DAYS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<year>\d{{4}})-(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}})(?=t\d|{END})",
        rf"{NAME}(?P<day>\d{{1,2}})(?:er)?[/.](?P<month>\d{{1,2}})(?:[/.]{YEAR})?{END}(?![/.]\d)",
        rf"{NAME}(?P<day>\d{{1,2}})-(?P<month>\d{{1,2}})-(?P<year>\d{{4}}){END}",
        rf"{NAME}(?P<day>\d{{1,2}}){ORDINAL}\s*(?:of\s+)?(?P<name>{ANY_MONTH}){END}\.?(?:,?\s+(?P<year>\d{{4}}){END})?",
        rf"{NAME}(?P<name>{NAMED_FIRST})\s+(?P<day>\d{{1,2}}){ORDINAL}{END}(?!\s*(?:[h:]|am|pm))"
        rf"(?:,?\s+(?P<year>\d{{4}}){END})?",
    )
)
RELATIVE: Final = (
    (re.compile(rf"(?:avant[- ]?hier|(?:the )?day before yesterday){END}"), -2),
    (re.compile(rf"(?:hier|yesterday){END}"), -1),
    (re.compile(rf"(?:apres[- ]?demain|(?:the )?day after tomorrow){END}"), 2),
    (re.compile(rf"(?:demain|tomorrow){END}"), 1),
    (re.compile(rf"(?:aujourd['’]?hui|today|ce jour){END}"), 0),
)
FIRST: Final = re.compile(rf"{NAME}1(?:er|st){END}(?!\s*(?:-|–|—|au\b|to\b))")
NEXT: Final = re.compile(
    rf"{THE}(?:(?:{ANY_WEEKDAY}){END}\.?,?\s+(?:prochaine?|suivant|qui vient|en huit|en quinze"
    rf"|de la semaine prochaine|(?:of\s+)?next week)|(?:next|coming|this coming)\s+(?:{ANY_WEEKDAY}|week|month)"
    rf"|(?:la )?semaine prochaine|(?:le )?mois prochain){END}"
)
ALONE: Final = re.compile(rf"(?:le\s+|on\s+)?(?P<weekday>{ANY_WEEKDAY}){END}")
HOURS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<hour>\d{{1,2}})(?:[:h.](?P<minute>\d{{2}}))?\s*(?P<half>am|pm|a\.m\.|p\.m\.){END}",
        rf"(?P<hour>\d{{1,2}})\s*(?:heures?|h)\s*(?P<minute>\d{{2}})?(?:\s*min(?:utes)?)?{END}",
        rf"(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}}){END}(?!:)",
        rf"(?P<noon>midi|noon|12 o['’]clock){END}",
    )
)
PLAIN_HOUR: Final = re.compile(rf"(?P<hour>\d{{1,2}})(?:\s*o['’]clock)?{END}(?!\s*[/.:h-]\s*\d)")
GAP: Final = re.compile(r"(?:\s*,\s*|\s+|(?<=\d)t(?=\d))")
AT: Final = re.compile(rf"(?:a|at|vers){END}\s*")
PART_OF_DAY: Final = re.compile(
    r"\s*(?:(?P<morning>du matin|in the morning)"
    rf"|(?P<later>de l['’]?\s?apres-?midi|du soir|in the (?:afternoon|evening))){END}"
)
HALF: Final = re.compile(
    rf"\s*(?:(?:le|in the)\s+)?(?:(?P<morning>matin|morning)|(?P<afternoon>apres[- ]?midi|afternoon)){END}"
)
THIS_HALF: Final = re.compile(
    rf"(?:(?:ce|this)\s+(?P<morning>matin|morning)|(?:cet|this)\s+(?P<afternoon>apres[- ]?midi|afternoon)){END}"
)
TO: Final = re.compile(r"\s*(?:-|–|—|\b(?:au|jusqu['’]au|to|until|till)\b)\s*(?:le\s+)?")
FROM: Final = re.compile(r"(?:du|from)\s+")
DAY_ALONE: Final = re.compile(rf"(?P<day>\d{{1,2}}){ORDINAL}{END}")
EXACT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2})?(?:[Zz]|[+-]\d{2}:\d{2})(?!\d)")
