"""A small system whose resources have the logical ids of ours, and faults in it."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from tests.template.stack import system
from zebros.client.stack import Resources, read
from zebros.monitoring.alarms import COMPOSITE_ALARM, METRIC_ALARM, MetricAlarm, raised
from zebros.monitoring.cloudwatch import CloudWatch, Query, Values

MINUTE = 60
"""A minute of the alarms is a second of the tests."""
_AGES = ("ApproximateAgeOfOldestMessage", "IteratorAge")
_METRICS = Path("services/kernel/runtime/metrics.py").read_text(encoding="utf-8")
_API = """
import json
import logging
def handler(event, context):
    thing = event["pathParameters"]["thing"]
    if thing == "slow":
        time.sleep(0.5)
    if thing == "broken":
        raise ValueError("broken")
    if thing == "large" and not hasattr(handler, "kept"):
        handler.kept = b"x" * 110_000_000
    memory = memory_utilization("customers-api", int(context.memory_limit_in_mb))
    print(json.dumps(together(REQUEST_LATENCY.fields(1.0, "customers", "GET /things"), memory)))
    return {"statusCode": 200, "body": "{}"}
"""
_EVENTS = """
import json
def handler(event, context):
    for record in event.get("Records", []):
        if record["body"] == "poison":
            raise ValueError("poison")
    print(json.dumps(EVENT_LAG.fields(float(event.get("lag", 5)), "timeline")))
"""


def template() -> str:
    """The system: an API, a consumer with its queues, a relay, the queue of reports."""

    def function(code: str, **more: Any) -> dict[str, Any]:
        given = {"Runtime": "python3.13", "Handler": "index.handler", "InlineCode": code}
        return {"Type": "AWS::Serverless::Function", "Properties": {**given, **more}}

    route = {"RestApiId": {"Ref": "Api"}, "Method": "GET", "Path": "/things/{thing}"}
    dead = {"Fn::GetAtt": ["NotificationsEventsDeadLetters", "Arn"]}
    source = {"Queue": {"Fn::GetAtt": ["NotificationsEventsQueue", "Arn"]}, "BatchSize": 1}
    queue = {
        "VisibilityTimeout": 1,
        "RedrivePolicy": {"deadLetterTargetArn": dead, "maxReceiveCount": 2},
    }
    resources = {
        "Api": {
            "Type": "AWS::Serverless::Api",
            "Properties": {"Name": {"Ref": "AWS::StackName"}, "StageName": "v1"},
        },
        "CustomersApi": function(
            _METRICS + _API,
            MemorySize=128,
            Events={"Get": {"Type": "Api", "Properties": route}},
        ),
        "Authorizer": function("def handler(event, context): return 1"),
        "CustomersRelay": function("def handler(event, context): return 1"),
        "NotificationsEvents": function(
            _METRICS + _EVENTS, Events={"Source": {"Type": "SQS", "Properties": source}}
        ),
        "NotificationsEventsQueue": {"Type": "AWS::SQS::Queue", "Properties": queue},
        "NotificationsEventsDeadLetters": {"Type": "AWS::SQS::Queue"},
        "ReportTasksQueue": {"Type": "AWS::SQS::Queue"},
    }
    return json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources})


class Faster:
    """CloudWatch in a world in which a minute passes in a second.

    Periods are shorter, and what the platform measured as an age is longer; nothing else changes.
    """

    def __init__(self, source: CloudWatch) -> None:
        self._source = source

    def values(self, queries: Sequence[Query], start: float, end: float) -> list[Values]:
        shorter = [replace(one, period=one.period // MINUTE) for one in queries]
        found = self._source.values(shorter, start / MINUTE, end / MINUTE)
        return [
            {
                at * MINUTE: value * (MINUTE if one.name in _AGES else 1)
                for at, value in each.items()
            }
            for one, each in zip(queries, found, strict=True)
        ]


class Monitored:
    """One deployment of the system; what happens in it, and the alarms that it raises."""

    def __init__(self, emulator: Any, name: str) -> None:
        self.emulator, self.name = emulator, name
        emulator.deploy(name, template())
        self.resources: Resources = read(emulator.client("cloudformation"), name)
        api = self.resources.by_kind["rest_apis"]["Api"]
        self.url = f"{emulator.endpoint}/restapis/{api}/v1/_user_request_/things"
        self.alarms = [
            MetricAlarm.of(one, self._name_of) for one in _system().of_type(METRIC_ALARM).values()
        ]
        self.composites = {
            self._name_of(one["AlarmName"]): self._name_of(one["AlarmRule"])
            for one in _system().of_type(COMPOSITE_ALARM).values()
        }

    def raised(self) -> set[str]:
        """The alarms that are raised now, without the name of the stack."""
        source = Faster(CloudWatch(self.emulator.client("cloudwatch")))
        found = raised(self.alarms, self.composites, source, time.time() * MINUTE)
        return {name.removeprefix(f"{self.name}-") for name in found}

    def get(self, thing: str) -> int:
        return httpx.get(f"{self.url}/{thing}", trust_env=False, timeout=30).status_code

    def invoke(self, function: str, **event: Any) -> None:
        client = self.emulator.client("lambda")
        with suppress(client.exceptions.TooManyRequestsException):
            payload = json.dumps(event).encode()
            client.invoke(FunctionName=self.resources.function(function), Payload=payload)

    def send(self, queue: str, body: str) -> None:
        url = self.resources.queue(queue)
        self.emulator.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def stop_consumer(self) -> None:
        client = self.emulator.client("lambda")
        name = self.resources.function("NotificationsEvents")
        (mapping,) = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)

    def _name_of(self, value: Any) -> str:
        match value:
            case str():
                return value.replace("zebros", self.name)
            case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
                return self._physical(name)
            case {"Fn::Sub": str(text)}:
                for name in sorted(_system().resources, key=len, reverse=True):
                    text = text.replace(f"${{{name}}}", self._physical(name))
                return text.replace("zebros", self.name)
        raise AssertionError(value)

    def _physical(self, logical_id: str) -> str:
        resource = _system().resources[logical_id]
        if resource.type == METRIC_ALARM:
            return self._name_of(resource.properties["AlarmName"])
        for found in self.resources.by_kind.values():
            if logical_id in found:
                return found[logical_id].rpartition("/")[2]
        return f"absent-{self.name}-{logical_id}"


def _system() -> Any:
    return system(Phase="mvp", WorkerImage="worker:1", IdentityImage="")


def repeat(action: Callable[[], object], pause: float, until: float) -> threading.Thread:
    """Do something again and again, in a thread of its own."""

    def run() -> None:
        while time.time() < until:
            action()
            time.sleep(pause)

    thread = threading.Thread(target=run)
    thread.start()
    return thread
