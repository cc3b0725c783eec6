"""The rules on the event bus, by the function to which they send events."""

from collections.abc import Iterator
from typing import Any

from zebros.client.connection import Deployment


def rules(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every rule with the name of its consumer.

    The name of a rule of the stack is the logical id of its function (`ActivitiesEvents`); other
    rules, such as a partner's, have their own names.
    """
    consumers = {
        name: logical_id.removesuffix("Rule")
        for logical_id, name in deployment.resources.rules.items()
    }
    pages = (
        deployment.aws("events")
        .get_paginator("list_rules")
        .paginate(EventBusName=deployment.resources.bus())
    )
    for page in pages:
        for rule in page.get("Rules", []):
            yield consumers.get(rule["Name"], rule["Name"]), rule
