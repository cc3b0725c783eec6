"""The authorizer sends people who sign in to the directory, once and best effort."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from edge.sign_ins import SignIns
from kernel.cache.circuit import CircuitBreaker
from kernel.domain.clock import utc_now
from kernel.runtime.fence import KEY
from tests.component.conftest import create_table

CALLER = {"tenant": "acme", "user": "bob", "name": "Bob Holm", "team": "south", "machine": ""}


class Queue:
    """An SQS client."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.calls, self.fault = 0, fault

    def send_message(self, **arguments: str) -> None:
        self.calls += 1
        if self.fault:
            raise self.fault
        self.sent.append(json.loads(arguments["MessageBody"])["detail"])


def sign_ins(queue: Queue, url: str = "http://queue") -> SignIns:
    return SignIns(lambda: queue, url, utc_now)


def test_a_person_is_sent_once_and_again_when_something_changed() -> None:
    queue = Queue()
    reports = sign_ins(queue)
    for _ in range(3):
        reports.report(CALLER)
    reports.report({**CALLER, "team": "east"})
    reports.report({**CALLER, "tenant": "bolt"})
    assert [(one["tenantid"], one["data"]["team_id"]) for one in queue.sent] == [
        ("acme", "south"), ("acme", "east"), ("bolt", "south"),
    ]  # fmt: skip
    assert queue.sent[0]["subject"] == "person/bob"
    assert queue.sent[0]["data"] == {"name": "Bob Holm", "team_id": "south"}


def test_machines_are_no_people_and_a_secondary_without_a_fence_sends_nobody() -> None:
    queue = Queue()
    sign_ins(queue).report({**CALLER, "machine": "yes"})
    sign_ins(queue, "").report(CALLER)
    assert queue.calls == 0


def test_a_region_sends_people_when_it_writes() -> None:
    """Also somebody whom it has not sent before: they were sent by the other region, or never."""
    queue, now, asked, writes = Queue(), [0.0], list[float](), [False]

    def region_writes() -> bool:
        asked.append(now[0])
        return writes[0]

    breaker = CircuitBreaker(lambda: now[0], lambda: 0.0)
    reports = SignIns(lambda: queue, "http://queue", utc_now, breaker, region_writes)
    for second in range(600):
        now[0] = float(second)
        reports.report({**CALLER, "user": f"u{second % 7}"})
    assert queue.calls == 0
    assert len(asked) < 40, "it is asked rarely: somebody waits for the answer"
    writes[0] = True
    for second in range(600, 700):
        now[0] = float(second)
        reports.report({**CALLER, "user": f"u{second % 7}"})
    assert len(queue.sent) == 7
    assert asked[-1] > 600
    writes[0] = False
    reports.report({**CALLER, "user": "u8"})
    assert len(queue.sent) == 7


@pytest.fixture
def authorizer_of(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Queue]:
    """An authorizer of a region with a fence; returns its queue."""
    from edge import authorizer
    from kernel.runtime import aws

    create_table(cloud, "fence")
    queue, real = Queue(), aws.client
    monkeypatch.setattr(
        authorizer, "client", lambda name, **more: queue if name == "sqs" else real(name, **more)
    )
    for name, value in {
        "ISSUER_BASE": "https://id/", "AUDIENCE": "crm", "PEOPLE_KEY": "p", "MACHINES_KEY": "m",
        "TABLE_NAME": "table", "SIGN_INS_QUEUE_URL": "http://queue", "AWS_REGION": "us-west-2",
        "SIGN_INS_FENCE_NAME": "fence",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)

    def made(role: str) -> Queue:
        monkeypatch.setenv("REGION_ROLE", role)
        for one in (authorizer.fence, authorizer.sign_ins, authorizer.table):
            one.cache_clear()
        authorizer.sign_ins().report(CALLER)
        return queue

    return made


@pytest.mark.parametrize(
    ("writer", "role", "sent"),
    [
        ("", "primary", 1),
        ("", "secondary", 0),
        ("us-west-2", "secondary", 1),
        ("us-east-1", "primary", 0),
    ],
)
def test_the_fence_says_which_region_sends_people(
    cloud: Any, authorizer_of: Callable[[str], Queue], writer: str, role: str, sent: int
) -> None:
    if writer:
        item = {"epoch": {"N": "1"}, "state": {"S": "open"}, "writer": {"S": writer}}
        cloud.put_item(TableName="fence", Item={**KEY, **item})
    assert len(authorizer_of(role).sent) == sent


def test_an_authorizer_stores_keys_of_issuers_in_either_region(
    cloud: Any, authorizer_of: Callable[[str], Queue]
) -> None:
    """Its fence guards nothing else: without their keys, no token could be verified."""
    from edge import authorizer

    assert authorizer_of("secondary").sent == []
    authorizer.table().put({"pk": "KEYS#acme", "sk": "KEYS"})
    assert cloud.scan(TableName="table")["Count"] == 1


def test_a_system_with_one_region_asks_no_fence(
    authorizer_of: Callable[[str], Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIGN_INS_FENCE_NAME")
    monkeypatch.setattr("edge.authorizer.fence_of", None)
    assert len(authorizer_of("").sent) == 1


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "Throttling"}}, "SendMessage"),
        EndpointConnectionError(endpoint_url="http://queue"),
    ],
)
def test_a_queue_that_does_not_answer_fails_no_request_and_is_not_asked_for_long(
    fault: Exception,
) -> None:
    queue = Queue(fault)
    reports = sign_ins(queue)
    for number in range(50):
        reports.report({**CALLER, "user": f"u{number}"})
    assert 1 <= queue.calls < 10, "the circuit breaker is open"


def test_somebody_who_was_not_sent_is_sent_later() -> None:
    queue = Queue(EndpointConnectionError(endpoint_url="http://queue"))
    now = [0.0]
    breaker = CircuitBreaker(lambda: now[0])
    reports = SignIns(lambda: queue, "http://queue", utc_now, breaker)
    reports.report(CALLER)
    queue.fault, now[0] = None, 60.0
    reports.report(CALLER)
    assert len(queue.sent) == 1


def test_the_directory_s_consumer_reads_what_the_authorizer_sends(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    from customers.bootstrap import people
    from customers.consumers.sign_ins import handler

    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="sign-ins")["QueueUrl"]
    SignIns(lambda: sqs, url, utc_now).report(CALLER)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    record = {"messageId": "1", "body": message["Body"]}
    assert handler({"Records": [record]}, None) == {"batchItemFailures": []}
    assert people()._people.get("acme", "bob").name == "Bob Holm"
