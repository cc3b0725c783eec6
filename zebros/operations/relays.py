"""Handing a relay what it has not sent: what its dead letters name, or all of a record's outbox.

A relay's dead letters carry no events but `DDBStreamBatchInfo`, the stretch that failed
(https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html). The stream keeps its
records for a day; the relay sends what it is handed, so that events may reach the bus twice, never
not at all. The outbox in the table keeps events for a week.
"""

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from kernel.storage.table import Item
from zebros.client.connection import Deployment
from zebros.errors import BadInput, Trouble
from zebros.operations.events import CONTEXTS, in_outbox

_AT_ONCE = 100
"""Records a relay is handed at once, as by its stream."""
_LONGEST_S = 60
"""How long SQS keeps a letter from others while it is dealt with."""
_EMPTY_PAGES = 100
"""Pages without a record that are read in a row, before a stretch is left for another time."""
_PAUSE_S = 0.2
_GONE = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})


def resend(
    deployment: Deployment, relay: str, url: str, pause: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Hand a relay what its dead letters name; yields how many events it has taken so far.

    A letter goes when all its events were read and taken. Raises Trouble for one that cannot be
    dealt with, which stays.
    """
    sqs = deployment.aws("sqs")
    taken = 0
    while True:
        got = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=1, VisibilityTimeout=_LONGEST_S
        ).get("Messages", [])
        if not got:
            return
        try:
            stretch = json.loads(got[0]["Body"])["DDBStreamBatchInfo"]
        except (ValueError, KeyError, TypeError) as fault:
            raise Trouble(f"A dead letter of {relay} names no stretch of a stream.") from fault
        taken += _hand_over(deployment, relay, _events(deployment, relay, stretch, pause))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
        yield taken


def resend_outbox(
    deployment: Deployment, tenant: str, targets: Iterable[str]
) -> Iterator[tuple[str, int]]:
    """Hand the relays all that the outbox still holds about records, each of them once.

    Yields a record's subject, and how many events, as soon as they are sent. Raises BadInput for
    the first record of which it holds nothing.
    """
    sent = set()
    for target in targets:
        subject, items = in_outbox(deployment, tenant, target)
        if not items:
            raise BadInput(
                f"The outbox of tenant {tenant} holds no events about {target}.",
                hint="It keeps them for a week; `zebros events replay` sends what has reached the "
                "bus.",
            )
        if subject in sent:
            continue
        sent.add(subject)
        relay = f"{CONTEXTS[subject.partition('/')[0]][0].capitalize()}Relay"
        records = [_as_its_stream_has_it(one) for one in items]
        yield subject, _hand_over(deployment, relay, records)


def _as_its_stream_has_it(item: Item) -> dict[str, Any]:
    """The record by which a table's stream tells that this outbox item was written."""
    image = {"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}, "detail": {"B": item["detail"]}}
    number = item["sk"].removeprefix("EVENT#")
    told = {"Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image}
    record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": number, **told}}
    return dict(_as_lambda_has_it(record))


def _events(
    deployment: Deployment, relay: str, stretch: dict[str, Any], pause: Callable[[float], None]
) -> list[dict[str, Any]]:
    """The stream records of a stretch that are events, as Lambda would hand them over."""
    try:
        found = list(_read(deployment.aws("dynamodbstreams"), relay, stretch, pause))
    except ClientError as fault:
        if fault.response["Error"]["Code"] not in _GONE:
            raise
        reason = fault.response["Error"].get("Message", str(fault))
        raise Trouble(
            f"The stream no longer has what a dead letter of {relay} names: {reason}",
            hint="A stream keeps a day, so the letter stays where it is. Readers that miss events "
            "say so (StreamGapDetected); `zebros events resend RECORD` sends them, for a week.",
        ) from fault
    return [
        _as_lambda_has_it(one)
        for one in found
        if one["eventName"] == "INSERT" and one["dynamodb"]["Keys"]["sk"]["S"].startswith("EVENT#")
    ]


def _read(
    streams: Any, relay: str, stretch: dict[str, Any], pause: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    """The records of a stretch, in order. Raises Trouble unless its end was reached or passed.

    A page may be empty although more follows: that ends nothing.
    """
    last = int(stretch["endSequenceNumber"])
    iterator = streams.get_shard_iterator(
        StreamArn=stretch["streamArn"],
        ShardId=stretch["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=stretch["startSequenceNumber"],
    ).get("ShardIterator")
    empty = 0
    while iterator and empty < _EMPTY_PAGES:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            if _number(record) <= last:
                yield record
            if _number(record) >= last:
                return
        iterator = page.get("NextShardIterator")
        empty = 0 if page["Records"] else empty + 1
        if empty:
            pause(_PAUSE_S)
    raise Trouble(
        f"The stream did not give all that a dead letter of {relay} names.",
        hint="The letter stays where it is: run the command again in a minute.",
    )


def _number(record: dict[str, Any]) -> int:
    return int(record["dynamodb"]["SequenceNumber"])


def _as_lambda_has_it(value: Any) -> Any:
    """A record of the streams' API as a Lambda event has it: bytes as base64, times as seconds."""
    if isinstance(value, dict):
        return {name: _as_lambda_has_it(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_lambda_has_it(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp() if isinstance(value, datetime) else value


def _hand_over(deployment: Deployment, relay: str, records: list[dict[str, Any]]) -> int:
    """Invoke the relay with the records; their number. Raises Trouble unless all are taken."""
    client, name = deployment.aws("lambda"), deployment.resources.function(relay)
    for start in range(0, len(records), _AT_ONCE):
        event = {"Records": records[start : start + _AT_ONCE]}
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        told = json.loads(answer["Payload"].read() or b"null") or {}
        refused = len(told.get("batchItemFailures", []))
        if answer.get("FunctionError") or refused:
            said = told.get("errorMessage") or f"{refused} events were not taken"
            raise Trouble(
                f"{relay} failed again: {said}.",
                hint="Its log says why; what was not taken stays where it is.",
            )
    return len(records)
