"""The filter `name_prefix` of lists."""

from kernel.domain.errors import Invalid
from kernel.domain.folding import fold


def folded_prefix(prefix: str) -> str:
    """`prefix` without case and accents. Raises Invalid when nothing is left of it."""
    folded = fold(prefix)
    if not folded:
        raise Invalid.field("name_prefix", "needs at least one letter or digit")
    return folded
