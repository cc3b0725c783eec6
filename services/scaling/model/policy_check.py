"""Everything that the controller is given, checked before it changes anything."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from scaling.events import Setting
from scaling.model.inventory import Inventory, InventoryError, parse_inventory
from scaling.model.policy import Policy, PolicyError
from scaling.model.policy_file import policy_document, policy_of
from scaling.model.series import KNOWN_RULES
from scaling.model.tiers import TierError, parse_tiers
from scaling.model.tuning import Curve, CurveError, parse_curves

MODES = ("propose", "apply")


class Given(NamedTuple):
    """The policy of the phase, and what it may change."""

    policy: Policy
    inventory: Inventory
    curves: Mapping[str, Curve]
    """Where power tuning has measured a function."""


def checked(
    phase: str,
    budget: float,
    mode: str,
    targets: str,
    curves: str = "",
    document: dict[str, Any] | None = None,
) -> Given:
    """Check the policy file, the table of tiers, the targets, and what the operator has set.

    `curves` is what power tuning has measured; empty when nothing was.

    Raises PolicyError, whose message is one sentence for people.
    """
    if mode not in MODES:
        raise PolicyError(f"mode: {mode!r} is not known; one of {', '.join(MODES)}")
    given = policy_document() if document is None else document
    policy = policy_of(phase, budget, given)
    for rule in policy.rules:
        if rule.name not in KNOWN_RULES:
            raise PolicyError(f"rules: {rule.name} has no metric; one of {', '.join(KNOWN_RULES)}")
    try:
        parse_tiers(given["tiers"])
        inventory = parse_inventory(targets)
        measured = parse_curves(curves)
    except TierError as error:
        raise PolicyError(f"tiers: {error}") from error
    except InventoryError as error:
        raise PolicyError(f"targets: {error}") from error
    except CurveError as error:
        raise PolicyError(f"curves: {error}") from error
    _check_nodes(inventory, given["prices"]["nodes"])
    return Given(policy, inventory, measured)


def _check_nodes(inventory: Inventory, prices: Mapping[str, float]) -> None:
    """That every cache has a price: without it no change is within a budget."""
    for one in inventory.resources.values():
        node = one.more.get("node", "")
        if Setting.REPLICAS in one.deployed and node not in prices:
            raise PolicyError(
                f"targets: {one.name} has the node {node!r}; one of {', '.join(prices)}"
            )
