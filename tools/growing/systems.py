"""The systems of the stages, resolved from the templates, and what they cost."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

from tools.drift import ROOT
from zebros.cloudformation import System, resolve
from zebros.costs import Bill, Prices, Usage, monthly
from zebros.costs.prices import FILE as PRICES

PARAMETERS: Mapping[str, str] = {
    **Usage.load("enterprise").parameters,
    "ReserveConcurrency": "yes",
}
"""What a system of every phase is deployed with on the page; a smaller one ignores the rest."""
REGIONS: Mapping[str, str] = {"ReplicaRegion": "us-west-2", "WitnessRegion": "us-east-2"}
"""What a primary with a second region has in addition."""
KEYCLOAK: Mapping[str, str] = {
    "IdentityImage": "keycloak:1",
    "IdentityDomainName": "id.example.com",
    "IdentityCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "CloudFrontPrefixListId": "pl-3b927c52",
}
"""What a Keycloak of the system's own needs."""


@cache
def _system(given: frozenset[tuple[str, str]]) -> System:
    return resolve(ROOT / "template.yaml", dict(given))


def system(phase: str, more: Mapping[str, str] | None = None) -> System:
    """The system of a phase, with parameters in addition to PARAMETERS."""
    return _system(frozenset({**PARAMETERS, "Phase": phase, **(more or {})}.items()))


def secondary() -> System:
    """The system in the second region of a pair."""
    given = Usage.load("enterprise", "secondary").parameters
    return system("enterprise", {**given, "WitnessRegion": REGIONS["WitnessRegion"]})


@cache
def _prices() -> Prices:
    return Prices.load(PRICES)


def bill(of: System, users: int, phase: str, role: str = "primary") -> Bill:
    """The bill of a system with so many users; `phase` gives the rest of the load."""
    return monthly(of, Usage.load(phase, role).with_users(users), _prices())


def cost(of: System, users: int, phase: str, role: str = "primary") -> Decimal:
    """USD a month, as `bill`."""
    return bill(of, users, phase, role).total
