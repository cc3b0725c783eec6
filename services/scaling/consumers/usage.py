"""The projection of usage: meters of every tenant, counted by its events, and their tiers."""

import json
from functools import partial
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.naming import names_in_event
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.storage.table import Action
from scaling.bootstrap import table, usage
from scaling.events import StreamDiverged, StreamGapDetected
from scaling.incoming import UPCASTERS
from scaling.model.usage import METERED, use_of
from scaling.repository.usage import counter_changes


def meter(event: CloudEvent, memory: Memory) -> list[Action]:
    """Add what an event says to the counters of its tenant."""
    return counter_changes(event.tenant_id, use_of(event, memory))


class UsageProjection(Projection):
    """A projection after whose batches the tiers of the tenants in them are compared."""

    def __call__(self, event: dict[str, Any], context: object) -> dict[str, Any]:
        """Meter the events, or answer a request to rebuild; then compare tiers."""
        answer = super().__call__(event, context)
        try:
            usage().update_tiers(_tenants(event))
        except Exception as fault:  # the events are metered; the hourly look compares the tiers
            with working_on(partial(names_in_event, event)):
                logger().warning("tiers not compared", consumer=self.name, fault=describe(fault))
        return answer


def _tenants(event: dict[str, Any]) -> list[str]:
    """The tenants whose counters may have changed."""
    if "rebuild" in event:
        return [event["rebuild"]["tenant"]] if "counters" in event["rebuild"] else []
    found = set()
    for record in event["Records"]:
        try:
            found.add(str(json.loads(record["body"])["detail"]["tenantid"]))
        except (KeyError, TypeError, ValueError):
            continue  # no event: the projection has refused it, or checked a gap
    return sorted(found)


handler = UsageProjection(
    "usage",
    record_types=METERED,
    table=table,
    apply=meter,
    gap=StreamGapDetected,
    divergence=StreamDiverged,
    upcasters=UPCASTERS,
)
