"""Faults that the platform injects into the calls of the CRM's functions and worker."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from kernel.runtime import aws
from zebros.emulator.faults import AGENT

Inject = Callable[..., None]
TABLE = {
    "TableName": "faults",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def put(platform: Any, document: Any) -> httpx.Response:
    url = f"{platform.endpoint}/_zebros/faults"
    return httpx.put(url, content=json.dumps(document), trust_env=False, timeout=10)


def hits(platform: Any) -> list[int]:
    url = f"{platform.endpoint}/_zebros/faults"
    found = httpx.get(url, trust_env=False, timeout=10).json()["rules"]
    return [rule["hits"] for rule in found]


@pytest.fixture
def inject(platform: Any) -> Iterator[Inject]:
    """Sets one rule; there is none after the test."""

    def one(seed: int = 1, **rule: Any) -> None:
        assert put(platform, {"seed": seed, "rules": [rule]}).status_code == 200

    yield one
    url = f"{platform.endpoint}/_zebros/faults"
    assert httpx.delete(url, trust_env=False, timeout=10).json() == {"rules": []}


@pytest.fixture
def crm(platform: Any) -> Callable[[str], Any]:
    """Clients as the CRM's functions have them, but without retries."""

    def client(service: str, agent: str = f"{AGENT} Botocore/1") -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=platform.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                user_agent=agent,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    return client


@pytest.fixture(scope="module", autouse=True)
def table(platform: Any) -> None:
    platform.client("dynamodb").create_table(**TABLE)
    platform.client("s3").create_bucket(Bucket="faults")


def write(client: Any, pk: str) -> None:
    client.put_item(TableName="faults", Item={"pk": {"S": pk}})


def stored(platform: Any, pk: str) -> bool:
    found = platform.client("dynamodb").get_item(TableName="faults", Key={"pk": {"S": pk}})
    return "Item" in found


def test_the_user_agent_of_the_functions_is_recognized() -> None:
    assert aws._CONFIG.user_agent.startswith(AGENT)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("throttle", 400, "ProvisionedThroughputExceededException"),
        ("error", 500, "InternalServerError"),
    ],
)
def test_a_rejected_call_is_not_carried_out(
    platform: Any, inject: Inject, crm: Callable[[str], Any], kind: str, status: int, code: str
) -> None:
    inject(service="dynamodb", operation="PutItem", kind=kind)
    with pytest.raises(ClientError) as rejected:
        write(crm("dynamodb"), kind)
    answer = rejected.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert not stored(platform, kind)
    assert hits(platform) == [1]


def test_object_storage_is_throttled_in_its_own_format(
    inject: Inject, crm: Callable[[str], Any]
) -> None:
    inject(service="s3", operation="PUT", kind="throttle")
    with pytest.raises(ClientError) as rejected:
        crm("s3").put_object(Bucket="faults", Key="a", Body=b"x")
    assert rejected.value.response["Error"]["Code"] == "SlowDown"
    assert crm("s3").list_objects_v2(Bucket="faults")["KeyCount"] == 0


@pytest.mark.parametrize(("kind", "carried_out"), [("reset", False), ("lost", True)])
def test_a_connection_is_reset_before_or_after_the_call(
    platform: Any, inject: Inject, crm: Callable[[str], Any], kind: str, carried_out: bool
) -> None:
    inject(service="dynamodb", kind=kind)
    with pytest.raises(ConnectionClosedError):
        write(crm("dynamodb"), kind)
    assert stored(platform, kind) is carried_out


def test_an_answer_comes_later(platform: Any, inject: Inject, crm: Callable[[str], Any]) -> None:
    inject(service="dynamodb", kind="slow", seconds=0.7)
    started = time.monotonic()
    write(crm("dynamodb"), "slow")
    assert 0.7 <= time.monotonic() - started < 3
    assert stored(platform, "slow")


def test_some_entries_of_a_call_are_rejected_and_the_others_published(
    platform: Any, inject: Inject, crm: Callable[[str], Any]
) -> None:
    events, sqs = platform.client("events"), platform.client("sqs")
    events.create_event_bus(Name="faults")
    url = sqs.create_queue(QueueName="faults")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = json.dumps({"source": ["zebros.test"]})
    events.put_rule(Name="all", EventBusName="faults", EventPattern=pattern)
    target = {"Id": "q", "Arn": arn["QueueArn"]}
    events.put_targets(Rule="all", EventBusName="faults", Targets=[target])
    inject(service="events", kind="partial", share=0.5)
    entry = {"EventBusName": "faults", "Source": "zebros.test", "DetailType": "E"}
    rejected = published = 0
    for call in range(4):
        entries = [{**entry, "Detail": json.dumps({"n": 10 * call + n})} for n in range(10)]
        answer = crm("events").put_events(Entries=entries)
        codes = [one.get("ErrorCode") for one in answer["Entries"]]
        assert len(codes) == 10
        assert answer["FailedEntryCount"] == sum(code is not None for code in codes)
        assert {code for code in codes if code} <= {"ThrottlingException"}
        rejected += answer["FailedEntryCount"]
        published += 10 - answer["FailedEntryCount"]
    assert rejected > 0 < published

    def received() -> bool:
        name = "ApproximateNumberOfMessages"
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(found["Attributes"][name]) == published

    platform.until(received)


def test_other_operations_services_and_callers_are_left_alone(
    platform: Any, inject: Inject, crm: Callable[..., Any]
) -> None:
    inject(service="dynamodb", operation="DeleteItem", kind="error")
    write(crm("dynamodb"), "other operation")
    inject(service="events", kind="error")
    write(crm("dynamodb"), "other service")
    inject(service="*", kind="error")
    write(crm("dynamodb", agent="aws-cli/2"), "other caller")
    assert hits(platform) == [0]


def test_a_rule_ends_after_so_many_hits(
    platform: Any, inject: Inject, crm: Callable[[str], Any]
) -> None:
    inject(service="dynamodb", kind="error", times=2)
    outcomes = []
    for number in range(4):
        try:
            write(crm("dynamodb"), f"times {number}")
            outcomes.append("done")
        except ClientError:
            outcomes.append("failed")
    assert outcomes == ["failed", "failed", "done", "done"]
    assert hits(platform) == [2]


def test_the_same_seed_hits_the_same_calls(inject: Inject, crm: Callable[[str], Any]) -> None:
    def run(seed: int) -> list[bool]:
        inject(seed, service="dynamodb", kind="error", share=0.5)
        client, failed = crm("dynamodb"), []
        for number in range(20):
            try:
                write(client, f"seed {number}")
                failed.append(False)
            except ClientError:
                failed.append(True)
        return failed

    first = run(3)
    assert 3 <= sum(first) <= 17
    assert run(3) == first
    assert run(4) != first


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "rules is a list of at most 50"),
        ({"rules": [{"service": "s3", "kind": "slow"}] * 51}, "rules is a list of at most 50"),
        ({"rules": [], "seed": "x"}, "seed is a whole number"),
        ({"rules": ["x"]}, "a rule is an object"),
        ({"rules": [{"kind": "slow"}]}, "service is missing"),
        ({"rules": [{"service": "s3", "kind": "fire"}]}, "kind is one of throttle, error"),
        ({"rules": [{"service": "s3", "kind": "slow", "sahre": 1}]}, "a rule has no member sahre"),
        ({"rules": [{"service": "s3", "kind": "slow", "share": 0}]}, "share is greater than 0"),
        ({"rules": [{"service": "s3", "kind": "slow", "share": 1.1}]}, "share is greater than 0"),
        ({"rules": [{"service": "s3", "kind": "slow", "share": True}]}, "share is greater than 0"),
        ({"rules": [{"service": "s3", "kind": "slow", "seconds": 61}]}, "seconds is greater"),
        ({"rules": [{"service": "s3", "kind": "slow", "times": 0}]}, "times is at least 1"),
    ],
)
def test_a_wrong_rule_is_rejected_and_changes_nothing(
    platform: Any, inject: Inject, document: Any, reason: str
) -> None:
    inject(service="lambda", kind="error")
    answer = put(platform, document)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(reason)
    assert hits(platform) == [0], "the rule before it is still in force"


def test_other_methods_and_broken_bodies_are_rejected(platform: Any) -> None:
    url = f"{platform.endpoint}/_zebros/faults"
    assert httpx.post(url, trust_env=False).status_code == 405
    broken = httpx.put(url, content=b"{", trust_env=False)
    assert (broken.status_code, broken.json()["error"][:20]) == (422, "the body is not JSON")
