"""The filters of lists by the beginning of a text."""

from kernel.domain.errors import Invalid
from kernel.domain.folding import fold


def folded_prefix(prefix: str, field: str = "name_prefix") -> str:
    """`prefix` without case and accents. Raises Invalid when nothing is left of it."""
    folded = fold(prefix)
    if not folded:
        raise Invalid.field(field, "needs at least one letter or digit")
    return folded
