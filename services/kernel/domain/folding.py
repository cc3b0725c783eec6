"""Names as people search for them: without case, accents, extra spaces and invisible characters.

For index keys and prefixes, not for display. Scripts without case or accents stay as they are.
"""

import unicodedata

MAX_KEY_BYTES = 900
"""The longest folded text in UTF-8: a DynamoDB sort key has 1,024 bytes and includes an id."""

# Before decomposition, which makes a space and a mark of an acute accent.
_ONE_KIND = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u02bb\u02bc\u02b9\u2032\u00b4\u0060\uff07", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d", "-")
)
"""Every kind of apostrophe and of hyphen as the one on keyboards."""
# Latin letters that Unicode does not decompose into a base letter and a mark.
_UNDECOMPOSED = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ŧ": "t",
        "þ": "th",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    }
)


def fold(text: str) -> str:
    """`  Émile  ŁÓDŹ ` as `emile lodz`. Folding twice changes nothing."""
    # Decomposition comes first: it can produce capitals (℡ is TEL), and it separates the marks,
    # which have a non-zero combining class.
    apart = unicodedata.normalize("NFKD", text.translate(_ONE_KIND)).casefold()
    bare = "".join(
        c for c in apart if not unicodedata.combining(c) and unicodedata.category(c) != "Cf"
    )
    words = " ".join(bare.translate(_UNDECOMPOSED).split())
    return words.encode()[:MAX_KEY_BYTES].decode(errors="ignore").rstrip()
