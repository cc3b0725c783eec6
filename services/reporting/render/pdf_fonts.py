"""The fonts of PDF reports: Noto Sans, and fonts for the scripts it does not cover.

Noto Sans (SIL Open Font License, from the package pymupdf-fonts) is embedded and covers Latin with
all its accents, Vietnamese, Greek and Cyrillic. Chinese, Japanese and Korean use the standard fonts
of PDF readers (Adobe's CID fonts, not embedded). Scripts that need shaping (Arabic, Hebrew, Thai,
Devanagari, ...) and emoji are shown as U+FFFD; CSV, XLSX and JSON have every character.
"""

import io
from functools import cache
from importlib import import_module
from itertools import groupby
from xml.sax.saxutils import escape

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import getFont, registerFont
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "Noto", "Noto-Bold"
_CHINESE, _JAPANESE, _KOREAN = "STSong-Light", "HeiseiKakuGo-W5", "HYGothic-Medium"


@cache
def register() -> None:
    """Register the fonts with reportlab, once per process (about 50 ms)."""
    for name, module in ((REGULAR, "NotoSans_Regular"), (BOLD, "NotoSans_Bold")):
        data: bytes = import_module(f"pymupdf_fonts.{module}").fontbuffer
        registerFont(TTFont(name, io.BytesIO(data)))
    for bold in (0, 1):
        addMapping(REGULAR, bold, 0, BOLD if bold else REGULAR)
        addMapping(REGULAR, bold, 1, BOLD if bold else REGULAR)
    for name in (_CHINESE, _JAPANESE, _KOREAN):
        registerFont(UnicodeCIDFont(name))


def printable(text: str) -> str:
    """The text on one line, with U+FFFD for characters that no font covers."""
    text = " ".join(text.split())
    return "".join(c if _covered(c) or _is_east_asian(c) else "\ufffd" for c in text)


def is_plain(text: str) -> bool:
    """Whether the regular font covers the whole text."""
    return all(_covered(c) and c >= " " for c in text)


def markup(text: str) -> str:
    """A text as paragraph markup: escaped, with a font for each part."""
    runs = groupby(printable(text), key=_is_east_asian)
    return "".join(
        f'<font name="{_east_asian_font(text)}">{escape("".join(run))}</font>'
        if east_asian
        else escape("".join(run))
        for east_asian, run in runs
    )


def one_font(text: str, usual: str) -> str:
    """The font of a text that can have only one font, such as a chart's label."""
    return _east_asian_font(text) if any(map(_is_east_asian, text)) else usual


def _covered(character: str) -> bool:
    glyphs: dict[int, int] = getFont(REGULAR).face.charToGlyph
    return ord(character) in glyphs


def _is_east_asian(character: str) -> bool:
    code = ord(character)
    return (
        0x2E80 <= code <= 0x9FFF  # radicals, kana, bopomofo, ideographs
        or 0xAC00 <= code <= 0xD7A3  # Hangul
        or 0xF900 <= code <= 0xFAFF  # compatibility ideographs
        or 0xFF00 <= code <= 0xFFEF  # full-width forms
    )


def _east_asian_font(text: str) -> str:
    """The font for ideographs, chosen by the other characters of the text."""
    if any("\uac00" <= c <= "\ud7a3" for c in text):
        return _KOREAN
    if any("\u3040" <= c <= "\u30ff" for c in text):
        return _JAPANESE
    return _CHINESE
