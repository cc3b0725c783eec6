"""What a move between two phases does, as `zebros phase plan` says: from the generated file."""

from typing import Any, NamedTuple

from scaling.model.costs import document


class Move(NamedTuple):
    """A move, of a deployment with every option."""

    parameters: dict[str, str]
    """What to deploy, with all other parameters as they are."""
    needs: tuple[str, ...]
    """Parameters without a default that the phase needs, unless they are set already."""
    added: int
    changed: int
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    """No part of the system any more, but still there and charged."""
    replaced: tuple[str, ...]
    data_touched: tuple[str, ...]
    data_lost: tuple[str, ...]
    limits: tuple[str, ...]
    """What CloudFormation and the services allow only once or only by losing a cache."""
    workers_restart: bool


def move(origin: str, target: str) -> Move | None:
    """The move; None when both are the same. Raises KeyError for an unknown phase."""
    if origin == target:
        return None
    found: dict[str, Any] = document()["moves"][f"{origin} to {target}"]
    needs: dict[str, list[str]] = document()["needs"]
    return Move(
        # Lambda accepts no other provisioned concurrency while an alias leads to two versions.
        {"Phase": target, "Deployment": "at-once"},
        tuple(one for one in needs[target] if one not in needs[origin]),
        found["added"],
        found["changed"],
        tuple(found["removed"]),
        tuple(found["kept"]),
        tuple(found["replaced"]),
        tuple(found["data_touched"]),
        tuple(found["data_lost"]),
        tuple(found["limits"]),
        found["workers_restart"],
    )
