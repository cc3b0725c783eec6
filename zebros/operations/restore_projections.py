"""What follows from restored records: the projections that were lost with a table."""

import time
from typing import Any

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.operations.rebuild import (
    Progress,
    rebuild_counters,
    rebuild_inbox,
    wait_for_lake_files,
)
from zebros.operations.rebuild_references import rebuild_references
from zebros.operations.rebuild_timeline import rebuild_timeline
from zebros.operations.restore import Place, Request
from zebros.operations.restored_tables import Pause


def rebuild_lost(
    deployment: Deployment,
    request: Request,
    place: Place,
    progress: Progress,
    pause: Pause = time.sleep,
) -> list[dict[str, Any]]:
    """Build again what the context's tables have lost; returns the result of each.

    A projection whose positions are there follows the restored records by itself. Counters of
    inboxes are compared whenever a notification was written: an item that was deleted directly did
    not change its counter. Raises CliError; the command can be repeated.
    """
    inboxes = request.context == "notifications" and place.summary.changed > 0
    if place.lost or inboxes:
        wait_for_lake_files(deployment, request.wait_seconds, progress, pause)
    results: list[dict[str, Any]] = []
    for projection, tenants in sorted(place.lost.items()):
        for tenant in sorted(tenants):
            if projection in ("board", "usage"):
                found = rebuild_counters(
                    deployment,
                    tenant,
                    progress,
                    projection=projection,
                    wait_seconds=request.wait_seconds,
                    pause=pause,
                )
                results.append({"rebuilt": projection, **found})
            if projection == "timeline":
                found = rebuild_timeline(
                    deployment,
                    tenant,
                    progress,
                    wait_seconds=request.wait_seconds,
                    pause=pause,
                )
                results.append({"rebuilt": projection, **found})
            if contract().projections[projection].references:
                found = rebuild_references(
                    deployment,
                    tenant,
                    progress,
                    wait_seconds=request.wait_seconds,
                    only=projection,
                    pause=pause,
                )
                results.append({"rebuilt": "references", **found})
    for tenant in sorted(place.tenants) if inboxes else ():
        results.append(
            {"rebuilt": "inbox", **rebuild_inbox(deployment, tenant, progress, pause=pause)}
        )
    return results
