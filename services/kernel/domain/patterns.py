"""Patterns of text in requests, each with a sentence that says what would be right."""

PATTERNS: dict[str, str] = {}
"""The sentence about each pattern; it completes `external_ids: …`."""


def described(pattern: str, sentence: str) -> str:
    """The pattern, whose mismatches are reported by a sentence instead of the pattern itself."""
    PATTERNS[pattern] = sentence
    return pattern
