"""The authorizer sends people who sign in to the directory, once and best effort."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from edge.sign_ins import SignIns
from kernel.cache.circuit import CircuitBreaker
from kernel.domain.clock import utc_now

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


def test_machines_are_no_people_and_a_secondary_region_sends_nobody() -> None:
    queue = Queue()
    sign_ins(queue).report({**CALLER, "machine": "yes"})
    sign_ins(queue, "").report(CALLER)
    assert queue.calls == 0


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
