"""What the log says of several events: their ids, subjects, tenants and correlation ids.

A relay imports it, and therefore nothing here imports pydantic.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from kernel.storage.keys import subject_of
from kernel.storage.packing import unpack
from kernel.storage.table import from_stream

_MAX = 128
"""Characters of a name: that of an event that cannot be read may be anything."""


class EventNames(NamedTuple):
    """What identifies one event, its record and the request that caused it."""

    id: str
    subject: str
    tenant: str
    correlation_id: str

    @classmethod
    def in_envelope(cls, detail: Mapping[str, Any]) -> Self:
        """Those of an envelope, whatever else is wrong with it."""
        return cls(
            *(
                str(detail.get(name) or "")[:_MAX]
                for name in ("id", "subject", "tenantid", "correlationid")
            )
        )

    @classmethod
    def in_stream(cls, record: Mapping[str, Any]) -> Self:
        """Those of an outbox entry in a table's stream; of an unreadable one what its key says."""
        image = record.get("dynamodb", {})
        tenant, subject = subject_of(str(image.get("Keys", {}).get("pk", {}).get("S", "")))
        of_key = cls("", subject, tenant, "")
        try:
            detail = json.loads(unpack(from_stream(image["NewImage"])["detail"]))
            read = cls.in_envelope(detail)
        except Exception:  # whatever is wrong with the item
            return of_key
        return cls(*(one or other for one, other in zip(read, of_key, strict=True)))


def names_of(events: Iterable[EventNames]) -> dict[str, Any]:
    """The log fields of several events; `event_ids` are in their order."""
    named = list(events)
    return {
        "event_ids": [one.id for one in named],
        "subjects": sorted({one.subject for one in named} - {""}),
        "tenants": sorted({one.tenant for one in named} - {""}),
        "correlation_ids": sorted({one.correlation_id for one in named} - {""}),
    }


def names_in(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The log fields of the events in records of SQS, as far as they can be read."""
    return names_of(names for names in map(_names, records) if names)


def names_in_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The log fields of an invocation of a consumer: a batch of events, or a request to rebuild."""
    if "rebuild" in event:
        return {"tenants": [str(event["rebuild"].get("tenant") or "")]}
    return names_in(event["Records"])


def _names(record: Mapping[str, Any]) -> EventNames | None:
    try:
        body = json.loads(record["body"])
        return EventNames.in_envelope(body["gap_check"] if "gap_check" in body else body["detail"])
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
