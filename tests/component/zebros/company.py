"""A company in memory: its APIs, its bus, its consumers and its lake, and a stack for the commands.

The consumers' functions run in this process. A queue keeps the events of a consumer whose mapping
is paused.
"""

import io
import json
from collections.abc import Callable
from typing import Any

import boto3

from kernel.runtime import aws as kernel_aws
from tests.component.conftest import ApiClient, published
from tests.component.kernel.queues import body, lambda_event
from zebros.client.connection import Deployment
from zebros.client.stack import Resources
from zebros.contract import contract

BOARD, REFERENCES, PEOPLE, TIMELINE, INBOX, LAKE = (
    "OpportunitiesEvents",
    "OpportunitiesReferences",
    "ReportingReferences",
    "ActivitiesEvents",
    "NotificationsEvents",
    "ReportingLake",
)
USAGE = "ScalingEvents"
_RECORDS = ("OPPORTUNITY", "PIPELINE", "PRODUCT")
OF = {
    "opportunities": (*_RECORDS, "EXTERNAL", "BOARD", "POSITION", "REFERENCES"),
    "activities": ("TASK", "TIMELINE", "POSITION#timeline"),
}
"""The first part of the keys of each table's items, after the tenant."""
Item = dict[str, Any]


class Functions:
    """In place of the Lambda service: the consumers' handlers and their mappings."""

    def __init__(self, handlers: dict[str, Callable[..., Any]]) -> None:
        self.handlers = handlers
        self.enabled = dict.fromkeys(handlers, True)
        self.requests: list[dict[str, Any]] = []
        self.repeated = 0
        """How often botocore has to send each request again."""
        self.before: Callable[[dict[str, Any]], None] = lambda _: None
        """Called before each request to rebuild, and before each command of maintenance."""

    def invoke(self, **asked: Any) -> dict[str, Any]:
        request = json.loads(asked["Payload"])
        assert len(asked["Payload"]) < 6_000_000, "the limit of Lambda"
        asked_for = request.get("rebuild", request)
        self.requests.append(asked_for)
        self.before(asked_for)
        try:
            answer = self.handlers[asked["FunctionName"]](request, None)
        except Exception as fault:
            error = {"errorMessage": str(fault), "errorType": type(fault).__name__}
            return {"FunctionError": "Unhandled", **self._answer(error)}
        return self._answer(answer)

    def _answer(self, result: Any) -> dict[str, Any]:
        return {
            "Payload": io.BytesIO(json.dumps(result).encode()),
            "ResponseMetadata": {"RetryAttempts": self.repeated},
        }

    def list_event_source_mappings(self, **asked: Any) -> dict[str, Any]:
        name = asked["FunctionName"]
        mapping = {"UUID": name, "EventSourceArn": f"arn:aws:sqs:us-east-1:1:{name}"}
        mapping |= {"MaximumBatchingWindowInSeconds": 20} if name == LAKE else {}
        return {"EventSourceMappings": [mapping]}

    def get_event_source_mapping(self, **asked: Any) -> dict[str, Any]:
        return {"State": "Enabled" if self.enabled[asked["UUID"]] else "Disabled"}

    def update_event_source_mapping(self, **asked: Any) -> None:
        self.enabled[asked["UUID"]] = asked["Enabled"]

    def get_function_configuration(self, **_: Any) -> dict[str, Any]:
        return {"Timeout": 30}


class Stack(Deployment):
    """A stack whose functions are in this process."""

    functions: Functions

    def aws(self, service: str) -> Any:
        return self.functions if service == "lambda" else super().aws(service)


class Company:
    """One tenant's company."""

    def __init__(self, client: Any) -> None:
        from activities.consumers import timeline
        from activities.handlers import maintenance as of_activities
        from activities.handlers.api import handler as activities
        from customers.handlers import maintenance as of_customers
        from customers.handlers.api import handler as customers
        from imports.handlers import maintenance as of_imports
        from imports.handlers.api import handler as imports
        from notifications.consumers import inbox
        from notifications.handlers import maintenance as of_notifications
        from notifications.handlers.api import handler as notifications
        from opportunities.consumers import board, references
        from opportunities.handlers import maintenance as of_opportunities
        from opportunities.handlers.api import handler as opportunities
        from reporting.consumers import lake
        from reporting.consumers import references as people
        from reporting.handlers import maintenance as of_reporting
        from reporting.handlers.api import handler as reporting

        self.client = client
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket="lake")
        self.deals, self.tasks = ApiClient(opportunities), ApiClient(activities)
        self.inbox, self.customers = ApiClient(notifications), ApiClient(customers)
        self.reports, self.imports = ApiClient(reporting), ApiClient(imports)
        handlers = {BOARD: board.handler, TIMELINE: timeline.handler}
        handlers |= {REFERENCES: references.handler, PEOPLE: people.handler}
        handlers |= {INBOX: inbox.handler, LAKE: lake.handler}
        maintenance = {
            "ActivitiesMaintenance": of_activities.handler,
            "CustomersMaintenance": of_customers.handler,
            "ImportsMaintenance": of_imports.handler,
            "NotificationsMaintenance": of_notifications.handler,
            "OpportunitiesMaintenance": of_opportunities.handler,
            "ReportingMaintenance": of_reporting.handler,
        }
        sqs = boto3.client("sqs")
        urls = {
            f"{name}{kind}": sqs.create_queue(QueueName=f"{name}{kind}")["QueueUrl"]
            for name in handlers
            for kind in ("Queue", "DeadLetters")
        }
        resources = {
            "buckets": {"LakeBucket": "lake"},
            "functions": {name: name for name in (*handlers, *maintenance)},
            "tables": dict.fromkeys((one.table for one in contract().records.values()), "table"),
            "queues": urls,
        }
        self.stack = Stack(Resources(resources), None, "us-east-1")
        self.functions = Functions(handlers)
        self.functions.handlers = {**handlers, **maintenance}
        object.__setattr__(self.stack, "functions", self.functions)
        self.queues: dict[str, list[dict[str, Any]]] = {name: [] for name in handlers}
        """The events that each consumer has not received yet."""
        self.events: list[dict[str, Any]] = []
        """Every event that was published, in the order of the outbox."""

    def publish(self) -> None:
        """The relay: send new outbox entries to every consumer's queue."""
        known = {event["id"] for event in self.events}
        new = [event for event in published(self.client) if event["id"] not in known]
        new.sort(key=lambda event: str(event["id"]))
        self.events += new
        for queue in self.queues.values():
            queue += new

    def deliver(self, *consumers: str) -> None:
        """Let consumers (all) receive what is in their queues, unless they are paused."""
        self.publish()
        for name in consumers or self.queues:
            queue = self.queues[name]
            if self.functions.enabled[name]:
                self.receive(name, queue)
                queue.clear()

    def receive(self, name: str, events: list[dict[str, Any]]) -> None:
        """Let a consumer receive events."""
        if name != LAKE:
            records = {one.function: one.records for one in contract().projections.values()}
            default = contract().projections["timeline"].records
            prefixes = tuple(f"{one}/" for one in records.get(name, default))
            events = [one for one in events if one["subject"].startswith(prefixes)]
        for start in range(0, len(events), 10):
            batch = lambda_event(map(body, events[start : start + 10]))
            assert self.functions.handlers[name](batch, None) == {"batchItemFailures": []}

    def board(self) -> Any:
        """The board as the API shows it."""
        return self.deals("GET", "/pipelines/default/board").json

    def items(self, *kinds: str) -> dict[tuple[str, str], Item]:
        """The items of some kinds, by key."""
        return {
            (item["pk"]["S"], item["sk"]["S"]): item
            for item in self.client.scan(TableName="table")["Items"]
            if item["pk"]["S"].partition("#")[2].partition("#")[2].startswith(kinds)
        }

    def projections(self) -> dict[tuple[str, str], Item]:
        """Boards, timelines and positions, without what differs in each run.

        A column that became empty may be stored or not.
        """
        found = self.items("BOARD", "TIMELINE", "POSITION")
        kept = ("sequence", "recent", "memory")
        return {
            key: {name: item.get(name) for name in kept} if key[1] == "POSITION" else item
            for key, item in found.items()
            if not key[1].startswith("EVENT#") and item.get("opportunities") != {"N": "0"}
        }

    def replace(self, before: dict[tuple[str, str], Item], *kinds: str) -> None:
        """Bring the items of some kinds back to what they were."""
        for pk, sk in self.items(*kinds):
            self.client.delete_item(TableName="table", Key={"pk": {"S": pk}, "sk": {"S": sk}})
        for item in before.values():
            self.client.put_item(TableName="table", Item=item)


class MeteredCompany(Company):
    """A company whose usage is metered; it also operates the system."""

    def __init__(self, client: Any) -> None:
        from scaling.consumers import usage
        from scaling.handlers import maintenance

        super().__init__(client)
        self.functions.handlers[USAGE] = usage.handler
        self.functions.handlers["ScalingMaintenance"] = maintenance.handler
        self.functions.enabled[USAGE] = True
        self.queues[USAGE] = []
        for name in (USAGE, "ScalingMaintenance"):
            self.stack.resources.by_kind["functions"][name] = name

    def days(self) -> Any:
        """The days of its usage."""
        from scaling.bootstrap import usage

        return usage().days_of_usage("acme", 31)

    def put(self, item: dict[str, Any]) -> None:
        """Store an item."""
        self.client.put_item(TableName="table", Item=item)

    def tier(self) -> str:
        """The tier of its usage."""
        from scaling.bootstrap import tenants

        return str(tenants().find_all("acme", ["acme"])["acme"].tier)


def clients() -> None:
    """Forget the clients of the command line and of the functions."""
    from zebros.client import aws

    aws.client.cache_clear()
    kernel_aws.client.cache_clear()
