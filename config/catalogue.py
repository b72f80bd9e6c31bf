"""The gettext catalogues of ``config/locale``, read and kept in memory. Identifiers are symbolic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel import Locale
from babel.messages.pofile import read_po

from bot.domain.values import Language

FOLDER = Path(__file__).parent / "locale"

# Dates and hours as the reader's country writes them: 24 hours in both (regional data of CLDR).
_LOCALES = {Language.FR: Locale("fr", "FR"), Language.EN: Locale("en", "GB")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """``texts``: identifier to text with ``{named}`` values; ``locale`` writes dates and numbers."""

    language: Language
    locale: Locale
    texts: Mapping[str, str]

    def fill(self, identifier: str, **values: str) -> str:
        """The text with its values, which are never read as formats. Raises ``KeyError``."""
        return self.texts[identifier].format_map(values)

    def fill_counted(self, identifier: str, number: int) -> str:
        """``identifier`` followed by CLDR's plural category of ``number``."""
        return self.fill(f"{identifier}_{self.locale.plural_form(number)}", number=str(number))


@cache
def load(language: Language, name: str = "pli") -> Catalogue:
    """Read a catalogue once. Raises ``OSError`` or Babel's errors: without its texts nothing runs."""
    with (FOLDER / language.value / "LC_MESSAGES" / f"{name}.po").open("rb") as file:
        messages = read_po(file, locale=language.value, abort_invalid=True)
    texts = {str(m.id): str(m.string) for m in messages if m.id and m.string and not m.fuzzy}
    return Catalogue(language=language, locale=_LOCALES[language], texts=MappingProxyType(texts))
