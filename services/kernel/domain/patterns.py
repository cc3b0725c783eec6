"""What texts with a pattern look like, in words: no caller has to read a regular expression.

Types with a pattern are made with `matching`, which stores the words beside it.
"""

from pydantic import StringConstraints

_WORDS: dict[str, str] = {}


def matching(pattern: str, words: str) -> StringConstraints:
    """A constraint on texts. `words` complete the sentence "… must be"."""
    _WORDS[pattern] = words
    return StringConstraints(pattern=pattern)


def what_matches(pattern: str) -> str:
    """The message for a text that does not match. A pattern without words is shown as it is."""
    return f"must be {_WORDS[pattern]}" if pattern in _WORDS else f"must match {pattern}"
