"""Invokes a relay again: for the records of its dead-letter messages, or for a record's outbox.

The relay publishes every event that it is invoked with. An event may be published twice; consumers
ignore the second one.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.errors import BadInput, CliError
from zebros.operations.outbox import Item, read_outbox
from zebros.operations.streams import as_lambda_record, read_range

_BATCH = 100
"""Records per invocation, as from the table's stream."""
_VISIBILITY_TIMEOUT_S = 60


def resend_dead_letters(
    deployment: Deployment, relay: str, url: str, pause: Callable[[float], None] = time.sleep
) -> Iterator[int]:
    """Resend the events of a relay's dead-letter messages; yields their number so far.

    A message is deleted when all its events were published. Raises CliError for a message that
    cannot be processed; it stays in the queue.
    """
    sqs = deployment.aws("sqs")
    sent = 0
    while True:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=1,
            VisibilityTimeout=_VISIBILITY_TIMEOUT_S,
        ).get("Messages", [])
        if not messages:
            return
        handle = messages[0]["ReceiptHandle"]
        try:
            sent += resend_message(deployment, relay, messages[0]["Body"], pause)
        except BaseException:
            # Visible again at once, so that it is listed and can be discarded.
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
            raise
        sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
        yield sent


def resend_message(
    deployment: Deployment, relay: str, body: str, pause: Callable[[float], None] = time.sleep
) -> int:
    """Resend the events of one dead-letter message of a relay; returns their number.

    The message names a range of a table's stream, or one outbox entry that the relay set aside.
    Raises CliError when it cannot be processed.
    """
    try:
        content = json.loads(body)
        unpublished = content.get("unpublished")
        batch_info = {} if unpublished else content["DDBStreamBatchInfo"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CliError(
            f"A dead-letter message of {relay} has neither DDBStreamBatchInfo nor unpublished."
        ) from error
    if unpublished:
        return _invoke(deployment, relay, [_stream_record(_entry(deployment, unpublished))])
    streams = deployment.aws("dynamodbstreams")
    records = [
        record
        for record in read_range(streams, batch_info, relay, pause)
        if record["eventName"] == "INSERT"
        and record["dynamodb"]["Keys"]["sk"]["S"].startswith("EVENT#")
    ]
    return _invoke(deployment, relay, records)


def _entry(deployment: Deployment, unpublished: dict[str, Any]) -> Item:
    """The outbox entry that a relay set aside. Raises CliError when it has expired."""
    key = {name: {"S": str(unpublished[name])} for name in ("pk", "sk")}
    found = deployment.aws("dynamodb").get_item(
        TableName=unpublished["table"], Key=key, ConsistentRead=True
    )
    if "Item" not in found:
        raise CliError(
            f"The outbox no longer has the event {unpublished['sk']} of {unpublished['subject']}.",
            hint="It keeps events for a week. `zebros events discard` removes the message.",
        )
    entry: Item = found["Item"]
    return entry


def resend_outbox(
    deployment: Deployment, tenant: str, targets: Iterable[str]
) -> Iterator[tuple[str, int]]:
    """Resend all events in the outbox of records, each record once.

    Yields a record's subject and the number of its events as soon as they are sent. Raises BadInput
    for the first record without events.
    """
    sent = set()
    for target in targets:
        subject, entries = read_outbox(deployment, tenant, target)
        if not entries:
            raise BadInput(
                f"The outbox of tenant {tenant} has no events about {target}.",
                hint="It keeps them for a week; `zebros events replay` sends events that reached "
                "the bus.",
            )
        if subject in sent:
            continue
        sent.add(subject)
        context = contract().records[subject.partition("/")[0]].context
        records = [_stream_record(entry) for entry in entries]
        yield subject, _invoke(deployment, f"{context.capitalize()}Relay", records)


def _stream_record(entry: Item) -> dict[str, Any]:
    """The stream record that the insertion of an outbox entry causes."""
    image = {name: entry[name] for name in ("pk", "sk", "detail") if name in entry}
    change = {
        "SequenceNumber": entry["sk"]["S"].removeprefix("EVENT#"),
        "Keys": {"pk": image["pk"], "sk": image["sk"]},
        "NewImage": image,
    }
    return dict(as_lambda_record({"eventName": "INSERT", "dynamodb": change}))


def _invoke(deployment: Deployment, relay: str, records: list[dict[str, Any]]) -> int:
    """Invoke the relay; returns the number of records. Raises CliError unless all succeeded."""
    client, name = deployment.aws("lambda"), deployment.resources.function(relay)
    for start in range(0, len(records), _BATCH):
        event = {"Records": records[start : start + _BATCH]}
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        result = json.loads(answer["Payload"].read() or b"null") or {}
        failed = len(result.get("batchItemFailures", []))
        if answer.get("FunctionError") or failed:
            reason = result.get("errorMessage") or f"{failed} events were not published"
            raise CliError(
                f"{relay} failed again: {reason}.",
                hint="Its log has the reason; events that were not published stay where they are.",
            )
    return len(records)
