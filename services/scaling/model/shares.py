"""Divides a cost among those who caused it, to the cent."""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal


def share_out(cents: int, weights: Mapping[str, Decimal]) -> dict[str, int]:
    """Parts of an amount in proportion to weights; they add up to it exactly.

    By largest remainders (Hamilton): each gets its part rounded down, and what is left goes, a cent
    each, to the largest fractions; of equal ones, to the first name. Without any weight all get
    the same. Raises ValueError without anybody, and for a negative weight.
    """
    if not weights:
        raise ValueError("there is nobody to divide the amount among")
    if min(weights.values()) < 0:
        raise ValueError("a weight is at least 0")
    total = sum(weights.values(), Decimal(0))
    used = dict(weights) if total else dict.fromkeys(weights, Decimal(1))
    total = total or Decimal(len(weights))
    exact = {name: Decimal(cents) * weight / total for name, weight in used.items()}
    parts = {name: int(one.to_integral_value(ROUND_FLOOR)) for name, one in exact.items()}
    left = cents - sum(parts.values())
    by_fraction = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in by_fraction[:left]:
        parts[name] += 1
    return parts
