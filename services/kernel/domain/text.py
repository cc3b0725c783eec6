"""Text as people type it and other systems export it: one normal form for every name.

A name is one line that everybody can read and find again:
  normalised  Unicode NFC, without space around it
  removed     characters that show nothing, such as zero-width spaces and soft hyphens; joiners stay
              where scripts and emoji need them
  refused     line breaks and other controls, characters that turn the text around them (bidi
              overrides), and names of which nothing is visible
Text of several lines keeps its line breaks and tabs. An external id is another system's, so it is
never changed, only refused. Stored records are read as they are (docs/adr/0028).
"""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from kernel.domain.money import STORED

MAX_NAME, MAX_TEXT = 200, 2000
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: they change how the text after them is shown."""
_FILLERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0"
)
"""They show nothing, although Unicode does not have them as format characters."""
_LINES = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_SEPARATORS = frozenset("\x1c\x1d\x1e\x1f")
"""Controls that are space to Python, and not to pydantic."""
_NONCHARACTERS = frozenset({0xFFFE, 0xFFFF})


def one_line(text: str) -> str:
    """A name in its normal form. Raises PydanticCustomError with the reason when it has none."""
    text = unicodedata.normalize("NFC", text.strip())
    if not (text.isascii() and text.isprintable()):
        _refuse(text, "")
        text = _without_invisible(text).strip()
    if not any(_visible(character) for character in text):
        raise _problem("needs at least one visible character")
    return text


def several_lines(text: str) -> str:
    """Text with line breaks in its normal form: NFC, and lines that end with a line feed."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", text)
    _refuse(text, "\n\t")
    return text


def unchanged(text: str) -> str:
    """An identifier, refused when it has characters that nobody can see."""
    if not (text.isascii() and text.isprintable()):
        _refuse(text, "\r\n\t")
        if (cleaned := _without_invisible(text)) != text:
            hidden = next(c for c, d in zip(text, [*cleaned, ""], strict=False) if c != d)
            raise _problem(f"has an invisible character ({_named(hidden)}); remove it")
    return text


def _refuse(text: str, allowed: str) -> None:
    """Raise PydanticCustomError for a character that no text may have."""
    for position, character in enumerate(text, 1):
        if character in allowed:
            continue
        where = f"at position {position}"
        if character in _LINES:
            raise _problem(f"has a line break {where}; write it in one line")
        category = unicodedata.category(character)
        if category == "Cc":
            raise _problem(f"has a control character ({_named(character)}) {where}; remove it")
        if category == "Cs" or ord(character) & 0xFFFF in _NONCHARACTERS:
            raise _problem(f"has {_named(character)} {where}, which is no character; remove it")
        if character in _BIDI:
            raise _problem(
                f"has {_named(character)} {where}, which changes the direction of the text after "
                "it; remove it"
            )


def _without_invisible(text: str) -> str:
    """The text without characters that show nothing."""
    return "".join(
        character
        for position, character in enumerate(text)
        if not _invisible(character) or (character in _JOINERS and _joins(text, position))
    )


def _invisible(character: str) -> bool:
    return character in _FILLERS or unicodedata.category(character) == "Cf"


def _joins(text: str, position: int) -> bool:
    """Whether a joiner stands between two characters that it joins, as in Persian or in emoji."""
    sides = text[position - 1 : position] + text[position + 1 : position + 2]
    return len(sides) == 2 and all(_joinable(side) for side in sides)


def _joinable(character: str) -> bool:
    """A character of a script that joins, or an emoji."""
    return not character.isascii() and unicodedata.category(character)[0] in "LMS"


def _visible(character: str) -> bool:
    return character not in _FILLERS and unicodedata.category(character)[0] not in "CMZ"


def _named(character: str) -> str:
    return f"U+{ord(character):04X}"


def _problem(reason: str) -> PydanticCustomError:
    return PydanticCustomError("text", "{reason}", {"reason": reason})


def is_stored(info: ValidationInfo) -> bool:
    """Whether a validation reads a stored record."""
    return info.context is STORED


def _name(value: Any, info: ValidationInfo) -> Any:
    """A name in its normal form, before its length is checked; anything else as it is."""
    if not isinstance(value, str) or is_stored(info):
        return value
    if not value.strip() and _SEPARATORS.isdisjoint(value):
        return value  # it is too short
    return one_line(value)


def _lines(value: str, info: ValidationInfo) -> str:
    return value if is_stored(info) else several_lines(value)


def _identifier(value: str, info: ValidationInfo) -> str:
    return value if is_stored(info) else unchanged(value)


one_line_only, lines_only = BeforeValidator(_name), AfterValidator(_lines)
identifier_only = AfterValidator(_identifier)

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME, strip_whitespace=True),
    one_line_only,
]
"""A name of anything: one visible line of at most 200 characters."""
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), lines_only]
"""Text of several lines."""
