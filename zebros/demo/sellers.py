"""The sellers of the demo company: twelve in three teams, one team per region.

`user_id` is the token's `sub`; the local issuer signs tokens for these users.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seller:
    """An owner of opportunities, with figures for generating them."""

    user_id: str
    name: str
    team_id: str
    region: str
    win_rate: float
    """The probability that an opportunity is won when it closes."""
    duration: float
    """How long opportunities take, relative to those of other sellers."""
    share: float
    """How many opportunities they get, relative to other sellers."""


def _team(
    team_id: str, region: str, *members: tuple[str, str, float, float, float]
) -> list[Seller]:
    return [
        Seller(user_id, name, team_id, region, win_rate, duration, share)
        for user_id, name, win_rate, duration, share in members
    ]


SELLERS: tuple[Seller, ...] = tuple(
    _team(
        "americas",
        "Americas",
        ("maya", "Maya Lindqvist", 0.71, 0.9, 1.2),
        ("theo", "Theo Marchetti", 0.62, 1.0, 1.1),
        ("inez", "Inez Calloway", 0.55, 0.8, 1.3),
        ("rufus", "Rufus Adeyemi", 0.49, 1.2, 0.8),
    )
    + _team(
        "europe",
        "Europe",
        ("greta", "Greta Halloran", 0.67, 1.0, 1.2),
        ("anselm", "Anselm Okafor", 0.60, 1.1, 1.0),
        ("noor", "Noor Castellan", 0.64, 0.9, 1.1),
        ("piet", "Piet Varga", 0.52, 1.3, 0.7),
    )
    + _team(
        "asia-pacific",
        "Asia Pacific",
        ("yuna", "Yuna Brightwell", 0.66, 0.9, 1.2),
        ("kiran", "Kiran Solberg", 0.58, 1.0, 1.0),
        ("talia", "Talia Moreau", 0.61, 1.1, 0.9),
        ("jonas", "Jonas Whitlock", 0.54, 1.2, 0.8),
    )
)
