"""The page as it comes out of the printer."""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import replace
from pathlib import Path

import pypdf
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bot.domain.values import Language, Secret, UserId
from bot.errors import WrongUse
from bot.homeserver.telling import telling_word
from bot.leaflet.facts import Account, LeafletFacts, contact_link, sign_in_link
from bot.leaflet.page import NAME, leaflet_pdf
from bot.leaflet.sheet import BOLD, FONTS, MARGIN, REGULAR, Sheet, Style, _characters
from config.catalogue import Catalogue, load
from tests.leaflet.reading import A5_MM, POINTS_PER_MM, Box, facts, qr_codes, rendered, text_boxes, words

PAGES = Path(__file__).parent / "pages"
VARIANTS = {
    "account": facts(),
    "own": facts(account=None),
    "relink": facts(account=None, relink=True),
    "account-relink": facts(relink=True),
}
LONG_PHONE = "+49 (0)39934 000-00 (8-12 und 14-18 Uhr)"
LONG_SERVER = "nachrichtenvermittlung.gemeinschaftsverbund-mecklenburg-vorpommern.example"
WIDEST = facts(
    phone=LONG_PHONE,
    bot=UserId(f"@auskunftsstelle:{LONG_SERVER}"),
    account=Account(user=UserId(f"@p-{'m' * 16}:{LONG_SERVER}"), password=Secret("wwww-mmmm-wwww-mmmm")),
    code=Secret("MWMW-QQWW-MMMM-WWWW-MQWM"),
)
every_variant = pytest.mark.parametrize("variant", VARIANTS)
every_language = pytest.mark.parametrize("language", list(Language))


def assert_nothing_overflows(pdf: bytes) -> None:
    width, height = (side * POINTS_PER_MM for side in A5_MM)
    boxes = text_boxes(pdf)
    assert len(boxes) > 20
    for left, bottom, right, top in boxes:
        assert left >= MARGIN - 1, "left"
        assert right <= width - MARGIN + 1, "right"
        assert bottom >= MARGIN - 1, "bottom"
        assert top <= height - MARGIN + 1, "top"
    for one, other in itertools.combinations(boxes, 2):
        assert not _overlap(one, other), (one, other)


def _overlap(one: Box, other: Box) -> bool:
    """By more than the half point by which accents may touch."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide > 0.5 and high > 0.5


@every_language
@every_variant
def test_it_is_one_page_of_a5_with_all_that_must_be_typed(variant: str, language: Language) -> None:
    shown = replace(VARIANTS[variant], language=language)
    pdf = leaflet_pdf(shown)
    page = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]
    size = tuple(round(float(side) / POINTS_PER_MM) for side in (page.mediabox.width, page.mediabox.height))
    assert size == A5_MM
    said = words(pdf)
    for group in shown.code.reveal().split("-"):
        assert re.search(rf"(^| ){group}( |$)", said), "a group of the code stands by itself"
    assert shown.phone in said
    assert shown.fingerprint in said
    assert ("10 décembre 2026" if language is Language.FR else "10 December 2026") in said, (
        "Paris is ahead of UTC"
    )
    if shown.account is not None:
        assert f" {shown.account.name} " in said
        assert f" {shown.account.password.reveal()} " in said
    assert_nothing_overflows(pdf)


@every_variant
def test_its_squares_are_read_from_the_printed_page(variant: str) -> None:
    shown = VARIANTS[variant]
    contact = "https://matrix.to/#/@accueil:messages.example.org"
    sign_in = (
        "https://mobile.element.io/element?account_provider=messages.example.org"
        "&login_hint=mxid:@p-7f3kq9wzt4hbm2xd:messages.example.org"
    )
    assert qr_codes(leaflet_pdf(shown)) == ([contact] if shown.account is None else [sign_in, contact])


def test_rule_2_no_secret_is_in_a_square() -> None:
    shown = facts()
    assert shown.account is not None
    everything = "".join(qr_codes(leaflet_pdf(shown)))
    assert shown.code.reveal() not in everything
    assert shown.account.password.reveal() not in everything


@every_language
def test_rule_1_whoever_finds_it_does_not_learn_what_it_is_for(language: Language) -> None:
    """No word of it says health, practice, appointment or patient, in any of the languages."""
    texts = load(language, NAME).texts
    assert len(texts) > 30
    for text in texts.values():
        for word in re.findall(r"[^\W\d_]+", text):
            assert telling_word(word) is None, word
    for variant in VARIANTS.values():
        said = words(leaflet_pdf(replace(variant, language=language)))
        assert not re.search(
            r"\b(doctor|practice|appointment|docteur|rendez|patiente?|sant[ée]|pli)\b", said, re.I
        )


def test_both_languages_have_the_same_texts_and_all_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    french, english = (load(language, NAME).texts for language in (Language.FR, Language.EN))
    assert french.keys() == english.keys()
    used: set[str] = set()
    fill = Catalogue.fill

    def noting(catalogue: Catalogue, identifier: str, **values: str) -> str:
        used.add(identifier)
        return fill(catalogue, identifier, **values)

    monkeypatch.setattr(Catalogue, "fill", noting)
    for variant in VARIANTS.values():
        leaflet_pdf(variant)
    assert used == french.keys()


def test_rule_3_the_same_facts_give_the_same_bytes_which_tell_of_nothing_else() -> None:
    pdf = leaflet_pdf(facts())
    assert pdf == leaflet_pdf(facts())
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    about = {str(name): str(value) for name, value in (reader.metadata or {}).items()}
    dates = {about.pop("/CreationDate"), about.pop("/ModDate")}
    assert all(date.startswith("D:2000") for date in dates), "the same for everybody"
    assert about.pop("/Trapped") == "/False"
    assert not any(about.values()), about
    assert reader.xmp_metadata is None
    fonts = [str(f["/BaseFont"]) for f in _fonts(reader)]
    assert sorted(f.split("+")[1] for f in fonts) == [BOLD, REGULAR]
    assert pdf.count(b"/FontFile2") == len(fonts), "in the file itself"
    assert b"Helvetica" not in pdf
    for outside in (b"/URI", b"/GoToR", b"/Launch", b"/JavaScript", b"/EmbeddedFile", b"/OpenAction"):
        assert outside not in pdf


def _fonts(reader: pypdf.PdfReader) -> list[pypdf.generic.DictionaryObject]:
    resources = reader.pages[0]["/Resources"].get_object()
    assert isinstance(resources, pypdf.generic.DictionaryObject)
    fonts = resources["/Font"].get_object()
    assert isinstance(fonts, pypdf.generic.DictionaryObject)
    found = [font.get_object() for font in fonts.values()]
    return [font for font in found if isinstance(font, pypdf.generic.DictionaryObject)]


def test_the_fonts_are_free_and_have_every_french_character() -> None:
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / "OFL.txt").read_text()
    french = "àâæçéèêëîïôœùûüÿÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸ«»’…–—€°\u00a0"
    for font in (REGULAR, BOLD):
        assert set(map(ord, french)) <= _characters(font)


# -- what it looks like ---------------------------------------------------------------------------------------------


def looks_like(name: str, pdf: bytes) -> None:
    """Every tile of 8 × 8 points is as grey as in the picture that somebody looked at."""
    now = rendered(pdf, dpi=72).resize((420, 595))
    with Image.open(PAGES / f"{name}.png") as stored:
        difference = ImageChops.difference(now, stored.convert("L"))
    tiles = difference.resize((53, 75), Image.Resampling.BOX)
    lowest, highest = tiles.getextrema()
    assert isinstance(highest, int)
    assert highest <= 24, (name, lowest, highest)


@every_language
@every_variant
def test_it_looks_as_it_looked(variant: str, language: Language) -> None:
    looks_like(f"{variant}-{language}", leaflet_pdf(replace(VARIANTS[variant], language=language)))


@every_language
def test_it_looks_well_with_the_longest_names(language: Language) -> None:
    pdf = leaflet_pdf(replace(WIDEST, language=language))
    assert_nothing_overflows(pdf)
    looks_like(f"widest-{language}", pdf)
    assert LONG_PHONE in words(pdf)
    assert LONG_SERVER in words(pdf).replace(" ", "")


def test_the_comparison_sees_a_missing_drawing() -> None:
    """Otherwise the two tests above could not fail."""
    with pytest.raises(AssertionError):
        looks_like("own-fr", leaflet_pdf(VARIANTS["relink"]))


# -- nothing overflows ----------------------------------------------------------------------------------------------

_SERVER = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63), min_size=1, max_size=4
).map(".".join)
_PHONE = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(
    server=_SERVER,
    phone=_PHONE,
    language=st.sampled_from(Language),
    variant=st.sampled_from(sorted(VARIANTS)),
)
def test_rule_1_whatever_is_too_long_is_refused_and_never_cut(
    server: str, phone: str, language: Language, variant: str
) -> None:
    base = VARIANTS[variant]
    account = base.account and Account(user=UserId(f"@p-{'w' * 16}:{server}"), password=base.account.password)
    shown = replace(base, language=language, phone=phone, bot=UserId(f"@bot:{server}"), account=account)
    try:
        pdf = leaflet_pdf(shown)
    except WrongUse:
        assert len(server) > 120 or any(ord(c) not in _characters(BOLD) for c in phone)
        return
    assert_nothing_overflows(pdf)
    links = (
        [contact_link(shown.bot)]
        if account is None
        else [sign_in_link(account.user), contact_link(shown.bot)]
    )
    assert qr_codes(pdf) == links


def test_rule_2_of_the_sheet_a_character_without_a_picture_is_refused() -> None:
    with pytest.raises(WrongUse, match="cannot be printed"):
        leaflet_pdf(facts(phone="電話 01 23"))


def test_rule_1_of_the_sheet_nothing_is_written_outside() -> None:
    sheet = Sheet()
    style = Style(size=10)
    with pytest.raises(WrongUse):
        sheet.text(MARGIN, 100, "too wide", style, width=10)
    with pytest.raises(WrongUse):
        sheet.text(MARGIN - 5, 100, "a", style, width=10)
    with pytest.raises(WrongUse):
        sheet.qr(380, 100, 60, "x")
    sheet.text(MARGIN, 100, "fits", style, width=60)


def test_a_page_is_small() -> None:
    for shown in (*VARIANTS.values(), WIDEST):
        assert len(leaflet_pdf(shown)) < 100_000


def test_it_opens_without_a_complaint() -> None:
    """Both readers take it strictly."""
    pdf = leaflet_pdf(facts())
    assert len(pypdf.PdfReader(io.BytesIO(pdf), strict=True).pages) == len(pypdfium2.PdfDocument(pdf)) == 1


def test_facts_show_no_secret() -> None:
    shown: LeafletFacts = facts()
    assert "7K3M" not in repr(shown)
    assert "hk7m" not in repr(shown)
