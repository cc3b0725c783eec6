"""Reads a range of a table's stream that a function failed to process.

Lambda sends the range as `DDBStreamBatchInfo` to the function's dead-letter queue
(https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html). A stream keeps its
records for a day.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from zebros.errors import CliError

_MAX_EMPTY_PAGES = 100
"""The maximum number of consecutive pages without records; an empty page is not the end."""
_PAUSE_S = 0.2
_EXPIRED = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})


def read_range(
    streams: Any, batch_info: dict[str, Any], owner: str, pause: Callable[[float], None]
) -> list[dict[str, Any]]:
    """The records of a range, in the form of a Lambda event.

    Raises CliError, naming the function `owner`, unless all of them could be read.
    """
    try:
        return [as_lambda_record(one) for one in _records(streams, batch_info, owner, pause)]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _EXPIRED:
            raise
        reason = error.response["Error"].get("Message", str(error))
        raise CliError(
            f"The stream no longer has the records of a dead-letter message of {owner}: {reason}",
            hint="A stream keeps records for a day, so the message stays in its queue. Consumers "
            "report missing events (StreamGapDetected); `zebros events resend RECORD` sends those "
            "of the last week.",
        ) from error


def _records(
    streams: Any, batch_info: dict[str, Any], owner: str, pause: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    last = int(batch_info["endSequenceNumber"])
    iterator = streams.get_shard_iterator(
        StreamArn=batch_info["streamArn"],
        ShardId=batch_info["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=batch_info["startSequenceNumber"],
    ).get("ShardIterator")
    empty = 0
    while iterator and empty < _MAX_EMPTY_PAGES:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        iterator = page.get("NextShardIterator")
        empty = 0 if page["Records"] else empty + 1
        if empty:
            pause(_PAUSE_S)
    raise CliError(
        f"The stream did not return all records of a dead-letter message of {owner}.",
        hint="The message stays in its queue: run the command again in a minute.",
    )


def as_lambda_record(value: Any) -> Any:
    """A record of the Streams API as in a Lambda event: bytes in base64, times in seconds."""
    if isinstance(value, dict):
        return {name: as_lambda_record(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_lambda_record(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp() if isinstance(value, datetime) else value
