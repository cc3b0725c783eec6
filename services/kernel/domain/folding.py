"""Names as people search for them: without case, accents and extra spaces.

For index keys and prefixes, not for display. Scripts without case or accents stay as they are.
"""

import unicodedata

MAX_KEY_BYTES = 900
"""The longest folded text in UTF-8: a DynamoDB sort key has 1,024 bytes and includes an id."""

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
    apart = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    words = " ".join(bare.translate(_UNDECOMPOSED).split())
    return words.encode()[:MAX_KEY_BYTES].decode(errors="ignore").rstrip()
