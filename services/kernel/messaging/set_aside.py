"""Outbox entries that a relay cannot publish are set aside in its dead-letter queue.

The queue also receives what Lambda gives up (`DDBStreamBatchInfo`). A message of ours names the
entry by its keys, its tenant, its subject and the correlation id of the request that caused it, and
says why it was not published; the entry itself stays in the outbox for a week. `zebros events
redrive` invokes the relay with it again.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.messaging.naming import EventNames
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.settings import PlatformSettings, read_settings
from kernel.storage.keys import subject_of

_TABLE = re.compile(r":table/([^/]+)/stream/")


@dataclass(frozen=True, slots=True)
class Reject:
    """A stream record whose event cannot be published, and the reason."""

    record: dict[str, Any]
    reason: str

    def document(self) -> dict[str, Any] | None:
        """What the dead-letter message says.

        None when the record does not come from a stream: then an operator has invoked the relay,
        and reads its answer.
        """
        table = _TABLE.search(str(self.record.get("eventSourceARN", "")))
        if table is None:
            return None
        key = {n: str(self.record["dynamodb"]["Keys"][n]["S"]) for n in ("pk", "sk")}
        tenant, subject = subject_of(key["pk"])
        return {
            "table": table[1],
            **key,
            "tenant": tenant,
            "subject": subject,
            "correlation_id": EventNames.in_stream(self.record).correlation_id,
            "reason": self.reason,
        }


SetAside = Callable[[Reject], bool]
"""Stores a reject; returns whether it is stored. A reject that is not stored is retried."""


def set_aside_in(sqs: Any) -> SetAside:
    """Stores rejects in the dead-letter queue of this function."""

    def store(reject: Reject) -> bool:
        document = reject.document()
        names = EventNames.in_stream(reject.record)
        named: dict[str, Any] = {
            "tenant": names.tenant,
            "subject": names.subject,
            "event_id": names.id,
            "correlation_id": names.correlation_id,
        }
        sort_key = document["sk"] if document else ""
        logger().error("event cannot be published", **named, sk=sort_key, reason=reject.reason)
        if document is None:
            return False
        try:
            url = _queue_url(sqs, read_settings(PlatformSettings).aws_lambda_function_name)
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"unpublished": document}))
        except (ClientError, BotoCoreError) as fault:
            logger().error("event not set aside", **named, fault=describe(fault))
            return False
        return True

    return store


@cache
def _queue_url(sqs: Any, function: str) -> str:
    """The queue that infra/modules/relay.yaml names after the function.

    A variable cannot name it: the queue's stack needs the function first.
    """
    return str(sqs.get_queue_url(QueueName=f"{function}-dead-letters")["QueueUrl"])
