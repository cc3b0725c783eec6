"""What must be true of both platforms when everything has arrived."""

import json
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

from tests.component.regions.verdict import Verdict, judge
from tests.flows.conftest import Crm
from tests.flows.moving_traffic import Subscriber
from tests.regions.platforms import EAST, WEST, Platforms
from tests.regions.traffic import Users
from zebros.operations.outbox import event_of
from zebros.operations.records import document_of

TABLE = "OpportunitiesTable"
_SUBJECTS = ("opportunity/", "pipeline/")
"""What the table has events of: a tenant's first opportunity creates its default pipeline."""
_POSITION = "#POSITION#"
"""In the partition of a projection's place in a stream, which may have an event (`StreamDiverged`
after a loss) and has no state."""
_QUIET = 5


class Subscribers:
    """A subscriber of the bus of each region, by a queue; it continues when a region is back."""

    def __init__(self, platforms: Platforms) -> None:
        self.before = {pk for pk, _ in platforms.items(EAST, TABLE)}
        """Partitions of which events were published before there was a subscriber."""
        self._platforms = platforms
        self._queues = {name: Subscriber(crm) for name, crm in platforms.crms.items()}

    def receive(self, writer: str, seconds: float = 600, *, lost: str = "") -> None:
        """Take everything, until the region that writes has published and consumed all events.

        A region that is `lost` cannot be asked.

        The consumers of the other one are refused, as every writer is: what they had not processed
        stays in their queues, and the region that writes publishes it, too. It is deleted, because
        it would be processed for minutes after the region writes again: a message that failed
        returns after the queue's visibility timeout (that of usage is eight minutes).
        """
        deadline, quiet = time.monotonic() + seconds, 0
        crm = self._platforms.crms[writer]
        queues = [one for name, one in self._queues.items() if name != lost]
        while quiet < _QUIET:
            for one in queues:
                one.receive()
            left = crm.backlog(dead_letters=False)
            assert time.monotonic() < deadline, f"still {left} on their way in {writer}"
            quiet = quiet + 1 if left == 0 else 0
            time.sleep(0.1)
        for one in queues:
            one.receive()
        for region, crm in self._platforms.crms.items():
            if region not in (writer, lost):
                delete_messages(crm)

    def published(self) -> list[dict[str, Any]]:
        """The events of the table, first those of one region, then those of the other.

        Without those of records from before there was a subscriber, of which a relay publishes the
        later ones again.
        """
        return [
            event
            for one in self._queues.values()
            for event in one.published
            if event["subject"].startswith(_SUBJECTS) and partition_of(event) not in self.before
        ]

    def refusals(self) -> list[dict[str, Any]]:
        """The moves that were refused, as subscribers know them, oldest first.

        An event may come twice, from each region; its id says so.
        """
        found = {
            event["id"]: event["data"]["current"]
            for one in self._queues.values()
            for event in one.published
            if event["type"] == "RegionMoveRefused"
        }
        return [found[one] for one in sorted(found)]


def partition_of(event: dict[str, Any]) -> str:
    """The partition key of the record of an event."""
    kind, _, record_id = event["subject"].partition("/")
    return f"TENANT#{event['tenantid']}#{kind.upper()}#{record_id}"


def delete_messages(crm: Crm) -> None:
    """Delete what the consumers of a region have not processed.

    The lake's consumer goes on: it writes no table, and both regions get its files.
    """
    for name, url in crm.state["resources"]["queues"].items():
        if name.endswith("Queue") and not name.startswith("ReportingLake"):
            crm.sqs.purge_queue(QueueUrl=url)


def wait_until_equal(platforms: Platforms, seconds: float = 60) -> None:
    """Wait until both regions have the same items, and fail with the first that differ."""
    deadline = time.monotonic() + seconds
    while differences := list(different(platforms)):
        assert time.monotonic() < deadline, differences[:3]
        time.sleep(0.5)


def different(platforms: Platforms) -> list[Any]:
    """The items that are not the same in both regions."""
    found: list[Any] = []
    for table in platforms.crms[EAST].state["tables"]:
        if table == "FenceTable":
            continue
        east, west = (platforms.items(region, table) for region in (EAST, WEST))
        found += [
            (table, key, east.get(key), west.get(key))
            for key in sorted(east.keys() | west.keys())
            if east.get(key) != west.get(key) and not expires(east.get(key) or west[key])
        ]
    return found


def expires(item: dict[str, Any]) -> bool:
    """Whether one region may have deleted an item already, because its time is over."""
    return "ttl" in item and int(item["ttl"]["N"]) < time.time() + 90


def verdict_of(platforms: Platforms, users: Users, subscribers: Subscribers) -> Verdict:
    """Judge the opportunities as the rounds in memory are judged (tests/component/regions)."""
    sites = {
        name: SimpleNamespace(
            replica=SimpleNamespace(
                all_items=lambda name=name: {
                    key: item
                    for key, item in platforms.items(name, TABLE).items()
                    if key[0] not in subscribers.before
                    and _POSITION not in key[0]
                    and not expires(item)
                }
            )
        )
        for name in (EAST, WEST)
    }
    world: Any = SimpleNamespace(
        sites=sites,
        acknowledged=sorted(users.acknowledged, key=lambda one: one.at),
        published=[json.dumps(one) for one in subscribers.published()],
    )
    return judge(world)


def lost_of(stakes: list[dict[str, Any]]) -> dict[tuple[str, int], str]:
    """The users' writes that `rejoin` lists as lost: record and version, and the name they gave.

    Consumers write, too: a new tier of a tenant is a record with an event.
    """
    found = {}
    for one in stakes:
        if one["outcome"] == "lost" and one["event"]["subject"].startswith(_SUBJECTS):
            current = one["event"]["data"]["current"]
            found[partition_of(one["event"]), int(current["version"])] = str(current["name"])
    return found


def wrongly_listed(
    lost: set[tuple[str, int]], stakes: list[dict[str, Any]], users: Users
) -> set[tuple[str, int]]:
    """Lost writes that `rejoin` does not list, and listed ones that somebody knows to be there.

    A write that was saved, and whose answer its user never got, is listed and may be lost.
    """
    listed = lost_of(stakes)
    extra = {key for key in listed.keys() - lost if listed[key] not in users.unanswered}
    return (lost - listed.keys()) | extra


def states(platforms: Platforms, region: str, tenant: str) -> dict[str, dict[str, Any]]:
    """The opportunities of a tenant as a region has stored them, by id."""
    prefix = f"TENANT#{tenant}#OPPORTUNITY#"
    return {
        pk.removeprefix(prefix): document_of(item)
        for (pk, sk), item in platforms.items(region, TABLE).items()
        if sk == "STATE" and pk.startswith(prefix)
    }


def check_report(platforms: Platforms, region: str, tenant: str) -> None:
    """A report, which reads the lake of the region, counts what its table has."""
    run = platforms.crms[region].report(
        {"report": "pipeline_by_stage", "by": "stage"}, tenant=tenant
    )
    reported = sum(int(row["deals"]) for row in run["outcome"]["totals"])
    found = states(platforms, region, tenant).values()
    assert reported == sum(record["status"] == "open" for record in found), run["outcome"]


def check_projections(platforms: Platforms, region: str, tenant: str) -> Counter[str]:
    """Board and timelines of a region say what its records say."""
    crm, found = platforms.crms[region], states(platforms, region, tenant)
    board = crm("GET", "/pipelines/default/board", tenant=tenant).raise_for_status().json()
    counts = {one["stage"]: one["count"] for one in board["columns"]}
    expected = Counter(record["stage"] for record in found.values())
    assert {stage: count for stage, count in counts.items() if count} == dict(expected)
    entries = 0
    for record_id, events in outboxes(platforms, region, tenant).items():
        path, shown = f"/timeline/opportunity/{record_id}?limit=100", []
        more: str | None = path
        while more:
            page = crm("GET", more, tenant=tenant).raise_for_status().json()
            shown += page["items"]
            more = page.get("next_cursor") and f"{path}&cursor={page['next_cursor']}"
        seen = {one["event_id"] for one in shown if one["subject"] == f"opportunity/{record_id}"}
        stored = {one["id"] for one in events}
        assert seen == stored, (
            f"the timeline of {record_id} in {region} lacks {sorted(stored - seen)}, and has"
            f" {sorted(seen - stored)} beyond its {len(stored)} events"
        )
        entries += len(seen)
    return Counter(records=len(found), timeline_entries=entries)


def outboxes(platforms: Platforms, region: str, tenant: str) -> dict[str, list[dict[str, Any]]]:
    """The events of each opportunity, as its outbox has them."""
    prefix = f"TENANT#{tenant}#OPPORTUNITY#"
    found: dict[str, list[dict[str, Any]]] = {}
    for (pk, sk), item in platforms.items(region, TABLE).items():
        if sk.startswith("EVENT#") and pk.startswith(prefix):
            found.setdefault(pk.removeprefix(prefix), []).append(event_of(item))
    return found
