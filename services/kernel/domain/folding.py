"""Names as people search for them: without case, accents and extra spaces.

For index keys and prefixes. Not for display, and no replacement for a search engine: scripts
without case or accents come back as they are.
"""

import unicodedata

MAX_KEY_BYTES = 900
"""The longest folded text, UTF-8: a DynamoDB sort key has 1,024 bytes, and holds an id too."""

# Latin letters that Unicode does not decompose into a base letter and a mark.
_LETTERS = str.maketrans(
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
    # Case after decomposition, which can bring capitals (℡ is TEL) and shows the marks (they have
    # a non-zero combining class).
    apart = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    words = " ".join(bare.translate(_LETTERS).split())
    return words.encode()[:MAX_KEY_BYTES].decode(errors="ignore").rstrip()
