"""The Relay between a table's stream and the bus: rejections, throttles, crashes, poison."""

import base64
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.domain.ids import new_id
from kernel.messaging.relay import MAX_BYTES, Relay
from kernel.messaging.set_aside import Reject
from kernel.runtime import aws
from kernel.storage.outbox import outbox_entry
from kernel.storage.packing import pack
from kernel.storage.table import Table
from tests.component.kernel.queues import event

PROPERTY = settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "12")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Crash(BaseException):
    """The Lambda was killed."""


class FaultyEventBus:
    """A real EventBridge client that fails as planned: one item of the plan per call, then never.

    ok; throttle: rejects the whole call; offline: cannot be reached; crash: accepts everything, but
    the caller is killed before the response; a set: rejects only the entries at these indexes.
    """

    def __init__(self, plan: list[str | set[int]]) -> None:
        self._real, self._plan = aws.client("events"), iter(plan)
        self.calls = 0

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        match next(self._plan, "ok"):
            case "throttle":
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutEvents")
            case "offline":
                raise EndpointConnectionError(endpoint_url="events")
            case set() as places:
                return self._partly(Entries, places)
            case outcome:
                answer: dict[str, Any] = self._real.put_events(Entries=Entries)
                if outcome == "crash":
                    raise Crash
                return answer

    def _partly(self, entries: list[dict[str, str]], places: set[int]) -> dict[str, Any]:
        taken = [e for place, e in enumerate(entries) if place not in places]
        if taken:
            self._real.put_events(Entries=taken)
        rejection = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
        return {
            "FailedEntryCount": len(entries) - len(taken),
            "Entries": [
                rejection if place in places else {"EventId": "e"} for place in range(len(entries))
            ],
        }


class Bus:
    """The bus, with a rule that stores all events in order."""

    def __init__(self) -> None:
        events, self.sqs = boto3.client("events"), boto3.client("sqs")
        self.url = self.sqs.create_queue(QueueName=new_id())["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        pattern = json.dumps({"source": [{"prefix": "zebros."}]})
        events.put_rule(Name="all", EventBusName="bus", EventPattern=pattern)
        events.put_targets(
            Rule="all",
            EventBusName="bus",
            Targets=[{"Id": "q", "Arn": arn["Attributes"]["QueueArn"]}],
        )

    def delivered(self) -> list[dict[str, Any]]:
        """The events on the bus since the last call."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        ).get("Messages", []):
            for message in messages:
                event = json.loads(message["Body"])
                assert event["detail-type"] == event["detail"]["type"]
                assert event["source"] == event["detail"]["source"]
                found.append(event["detail"])
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


_numbers = itertools.count(1)
STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/zebros-opportunities/stream/2026"


def record(envelope: dict[str, Any]) -> dict[str, Any]:
    """The stream record of an outbox item in a Lambda event."""
    item = outbox_entry("TENANT#acme#OPPORTUNITY#a", int(envelope["sequence"]), envelope).item
    return stream_record(item["sk"], {"detail": {"B": base64.b64encode(item["detail"]).decode()}})


def stream_record(sk: str, image: dict[str, Any]) -> dict[str, Any]:
    """The stream record of any item of one opportunity."""
    keys = {"pk": {"S": "TENANT#acme#OPPORTUNITY#a"}, "sk": {"S": sk}}
    return {
        "eventName": "INSERT",
        "eventSourceARN": STREAM,
        "dynamodb": {
            "SequenceNumber": str(next(_numbers)),
            "Keys": keys,
            "NewImage": {**keys, **image},
        },
    }


def none_set_aside(reject: Reject) -> bool:
    """Where nothing may be set aside."""
    raise AssertionError(f"set aside: {reject.reason}")


def stream_mapping(
    records: list[dict[str, Any]],
    batch: int,
    invoke: Callable[[list[dict[str, Any]]], list[str]],
    attempts: int = 100,
) -> list[dict[str, Any]]:
    """Lambda's stream mapping: retries from the first failure; returns the records it gave up."""
    given_up = []
    place = tries = 0
    while place < len(records):
        window = records[place : place + batch]
        try:
            failed = invoke(window)
        except Crash:
            failed = [window[0]["dynamodb"]["SequenceNumber"]]
        taken = len(window)
        for number, one in enumerate(window):
            if one["dynamodb"]["SequenceNumber"] in failed:
                taken = number
                break
        place += taken
        tries = 0 if taken else tries + 1
        if tries == attempts:
            given_up.append(records[place])
            place, tries = place + 1, 0
    return given_up


@pytest.fixture
def bus(cloud: Any) -> Bus:
    return Bus()


def ids(envelopes: list[dict[str, Any]]) -> list[str]:
    return [envelope["id"] for envelope in envelopes]


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of a few records in the order they were committed."""
    subjects = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30))
    sequences: dict[str, int] = defaultdict(int)
    history = []
    for subject in subjects:
        sequences[subject] += 1
        history.append(event("acme", f"opportunity/{subject}", sequences[subject]))
    return history


PLANS = st.lists(
    st.sampled_from(["ok", "throttle", "offline", "crash"])
    | st.sets(st.integers(0, 9), min_size=1, max_size=10),
    max_size=25,
)


@PROPERTY
@given(histories(), PLANS, st.integers(1, 30))
def test_no_event_is_lost_and_first_deliveries_are_in_order(
    bus: Bus, history: list[dict[str, Any]], plan: list[str | set[int]], batch: int
) -> None:
    relay = Relay(FaultyEventBus(plan), "bus", none_set_aside, pause=lambda _: None)
    assert stream_mapping([record(one) for one in history], batch, relay.forward) == []
    delivered = bus.delivered()
    first: dict[str, list[int]] = defaultdict(list)
    seen = set()
    for envelope in delivered:
        if envelope["id"] not in seen:
            seen.add(envelope["id"])
            first[envelope["subject"]].append(int(envelope["sequence"]))
    assert seen == set(ids(history))
    for subject, sequences in first.items():
        assert sequences == sorted(sequences), subject


def test_without_faults_every_event_is_sent_once_in_batches_of_ten(bus: Bus) -> None:
    history = [event("acme", f"opportunity/{n}", 1) for n in range(25)]
    events = FaultyEventBus([])
    assert Relay(events, "bus", none_set_aside).forward([record(one) for one in history]) == []
    assert ids(bus.delivered()) == ids(history)
    assert events.calls == 3


def test_only_rejected_entries_are_sent_again(bus: Bus) -> None:
    history = [event("acme", f"opportunity/{n}", 1) for n in range(10)]
    events = FaultyEventBus([{2, 5}])
    pauses: list[float] = []
    assert (
        Relay(events, "bus", none_set_aside, pauses.append).forward(
            [record(one) for one in history]
        )
        == []
    )
    rejected = [history[2], history[5]]
    assert ids(bus.delivered()) == ids([h for h in history if h not in rejected] + rejected)
    assert (events.calls, len(pauses)) == (2, 1)


def test_a_bus_that_rejects_everything_leaves_the_rest_in_the_stream(bus: Bus) -> None:
    records = [record(event("acme", f"opportunity/{n}", 1)) for n in range(100)]
    events = FaultyEventBus(["throttle"] * 1000)
    failed = Relay(events, "bus", none_set_aside, pause=lambda _: None).forward(records)
    assert failed == [r["dynamodb"]["SequenceNumber"] for r in records]
    assert events.calls <= 5, "a Lambda must not wait through a hundred rejections"


def test_an_event_that_is_always_rejected_delays_only_its_own_record(bus: Bus) -> None:
    poison, behind = event("acme", "opportunity/a", 1), event("acme", "opportunity/a", 2)
    others = [event("acme", f"opportunity/{n}", 1) for n in range(30)]

    class Picky(FaultyEventBus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
            bad = {n for n, e in enumerate(Entries) if poison["id"] in e["Detail"]}
            return self._partly(Entries, bad)

    records = [record(one) for one in (poison, behind, *others)]
    failed = Relay(Picky([]), "bus", none_set_aside, pause=lambda _: None).forward(records)
    assert failed == [r["dynamodb"]["SequenceNumber"] for r in records[:2]]
    assert set(ids(bus.delivered())) == set(ids(others))


def test_calls_stay_below_the_bus_limit_of_bytes(bus: Bus) -> None:
    history = [event("acme", f"opportunity/{n}", 1, text="x" * 100_000) for n in range(5)]
    sizes: list[int] = []

    class Scales(FaultyEventBus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
            sizes.append(sum(len("".join(e.values()).encode()) for e in Entries))
            return super().put_events(Entries)

    assert Relay(Scales([]), "bus", none_set_aside).forward([record(one) for one in history]) == []
    assert ids(bus.delivered()) == ids(history)
    assert len(sizes) == 3
    assert max(sizes) <= MAX_BYTES


UNREADABLE = {
    "no detail": {},
    "text instead of bytes": {"detail": {"S": "text"}},
    "not packed": {"detail": {"B": base64.b64encode(b"not packed").decode()}},
    "packed with an unknown dictionary": {"detail": {"B": base64.b64encode(b"\xff").decode()}},
    "not an envelope": {"detail": {"B": base64.b64encode(pack("[]")).decode()}},
    "not a stream attribute": {"detail": 7},
}


@pytest.mark.parametrize("image", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_outbox_item_that_cannot_be_read_holds_nothing_up(
    bus: Bus, image: dict[str, Any]
) -> None:
    good = [event("acme", "opportunity/a", 1), event("globex", "opportunity/b", 1)]
    bad = stream_record("EVENT#000000000007", image)
    records = [record(good[0]), bad, record(good[1])]
    rejects: list[Reject] = []
    relay = Relay(
        FaultyEventBus([]), "bus", lambda one: not rejects.append(one), pause=lambda _: None
    )
    calls: list[int] = []

    def invoke(window: list[dict[str, Any]]) -> list[str]:
        calls.append(len(window))
        return relay.forward(window)

    assert stream_mapping(records, 10, invoke) == []
    assert calls == [3], "the stream must not repeat a batch because of it"
    assert ids(bus.delivered()) == ids(good)
    assert [one.record for one in rejects] == [bad]
    assert rejects[0].reason.startswith("cannot be read: ")


@pytest.mark.parametrize("code", ["MalformedDetail", "InvalidArgument", "RedactionFailure"])
def test_an_entry_that_the_bus_calls_wrong_is_set_aside_at_once(bus: Bus, code: str) -> None:
    events = [event("acme", f"opportunity/{n}", 1) for n in range(12)]

    class Strict(FaultyEventBus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
            bad = {n for n, e in enumerate(Entries) if events[3]["id"] in e["Detail"]}
            answer = self._partly(Entries, bad)
            for place in bad:
                answer["Entries"][place]["ErrorCode"] = code
            self.calls += 1
            return answer

    strict, rejects = Strict([]), list[Reject]()
    records = [record(one) for one in events]
    relay = Relay(strict, "bus", lambda one: not rejects.append(one), _never)
    assert relay.forward(records) == []
    assert strict.calls == 2
    assert [(one.record, one.reason) for one in rejects] == [
        (records[3], f"the bus rejects it: {code}")
    ]
    assert set(ids(bus.delivered())) == {one["id"] for one in events} - {events[3]["id"]}


@pytest.mark.parametrize("code", ["ValidationException", "RequestEntityTooLargeException"])
def test_a_call_that_fails_because_of_one_entry_is_repeated_with_each_alone(
    bus: Bus, code: str
) -> None:
    events = [event("acme", f"opportunity/{n}", 1) for n in range(10)]

    class Strict(FaultyEventBus):
        def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
            if any(events[4]["id"] in e["Detail"] for e in Entries):
                raise ClientError({"Error": {"Code": code}}, "PutEvents")
            return super().put_events(Entries)

    rejects: list[Reject] = []
    records = [record(one) for one in events]
    relay = Relay(Strict([]), "bus", lambda one: not rejects.append(one), _never)
    assert relay.forward(records) == []
    assert [(one.record, one.reason) for one in rejects] == [
        (records[4], f"the bus rejects it: {code}")
    ]
    assert set(ids(bus.delivered())) == {one["id"] for one in events} - {events[4]["id"]}


def test_what_cannot_be_set_aside_is_retried_by_the_stream(bus: Bus) -> None:
    good, bad = record(event("acme", "opportunity/a", 1)), stream_record("EVENT#000000000002", {})
    relay = Relay(FaultyEventBus([]), "bus", lambda _: False, _never)
    assert relay.forward([bad, good]) == [bad["dynamodb"]["SequenceNumber"]]
    assert len(bus.delivered()) == 1


def _never(_: float) -> None:
    raise AssertionError("nothing has to be waited for")


@pytest.fixture
def dead_letters(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the dead-letter queue of this relay."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "z-OpportunitiesRelay")
    sqs = boto3.client("sqs")
    url: str = sqs.create_queue(QueueName="z-OpportunitiesRelay-dead-letters")["QueueUrl"]
    return url


def test_the_handler_sets_an_unreadable_item_aside_with_record_tenant_and_reason(
    bus: Bus, dead_letters: str
) -> None:
    from kernel.messaging.relay import handler

    good = event("globex", "opportunity/b", 1)
    records = [stream_record("EVENT#000000000007", {}), record(good)]
    assert handler({"Records": records}, None) == {"batchItemFailures": []}
    assert ids(bus.delivered()) == [good["id"]]
    (message,) = boto3.client("sqs").receive_message(QueueUrl=dead_letters)["Messages"]
    assert json.loads(message["Body"]) == {
        "unpublished": {
            "table": "zebros-opportunities",
            "pk": "TENANT#acme#OPPORTUNITY#a",
            "sk": "EVENT#000000000007",
            "tenant": "acme",
            "subject": "opportunity/a",
            "correlation_id": "",
            "reason": "cannot be read: KeyError: detail",
        }
    }


def test_what_is_set_aside_names_the_request_that_caused_it(bus: Bus, dead_letters: str) -> None:
    from kernel.messaging.relay import handler

    wrong = event("acme", "opportunity/a", 1)
    del wrong["source"]
    assert handler({"Records": [record(wrong)]}, None) == {"batchItemFailures": []}
    (message,) = boto3.client("sqs").receive_message(QueueUrl=dead_letters)["Messages"]
    named = json.loads(message["Body"])["unpublished"]
    assert (named["correlation_id"], named["reason"]) == (
        wrong["correlationid"],
        "cannot be read: KeyError: source",
    )


def test_an_item_that_an_operator_sends_again_fails_instead_of_being_set_aside(
    bus: Bus, dead_letters: str
) -> None:
    from kernel.messaging.relay import handler

    bad = stream_record("EVENT#000000000007", {})
    del bad["eventSourceARN"]
    failed = [{"itemIdentifier": bad["dynamodb"]["SequenceNumber"]}]
    assert handler({"Records": [bad]}, None) == {"batchItemFailures": failed}
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=dead_letters)


def test_without_its_queue_nothing_is_set_aside(
    bus: Bus, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernel.messaging.relay import handler

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", f"z-{new_id()}")
    bad = stream_record("EVENT#000000000007", {})
    failed = [{"itemIdentifier": bad["dynamodb"]["SequenceNumber"]}]
    assert handler({"Records": [bad]}, None) == {"batchItemFailures": failed}


def test_the_handler_publishes_what_a_table_committed(
    bus: Bus, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernel.messaging.relay import handler

    envelope = event("acme", "opportunity/a", 1, name="Zoë & Co €")
    Table(aws.client("dynamodb"), "table").transact([outbox_entry("TENANT#acme#X#a", 1, envelope)])
    streams = boto3.client("dynamodbstreams")
    arn = cloud.describe_table(TableName="table")["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert handler({"Records": records}, None) == {"batchItemFailures": []}
    assert bus.delivered() == [envelope]
