"""The envelope of an event: CloudEvents 1.0 attributes around its data, as EventBridge `detail`.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, with the `sequence` extension
(https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md): an integer
written as text, contiguous per subject from 1, so that a subscriber can prove it missed nothing.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel.domain.auth import Caller
from kernel.domain.clock import rfc3339
from kernel.domain.events import DomainEvent
from kernel.domain.ids import new_id


def seal(
    event: DomainEvent, *, subject: str, sequence: int, caller: Caller, at: datetime
) -> dict[str, Any]:
    """The envelope of one event about `subject` (`opportunity/<id>`), ready to be sent."""
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": new_id(),
        "source": event.source(),
        "type": type(event).__name__,
        "subject": subject,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "dataschema": event.schema_id(),
        "tenantid": caller.tenant_id,
        "sequence": str(sequence),
        "sequencetype": "Integer",
        "correlationid": caller.correlation_id,
        "actor": caller.user_id,
        "origin": caller.origin,
        "data": event.model_dump(mode="json", exclude_none=True),
    }
    if caller.causation_id:
        envelope["causationid"] = caller.causation_id
    return envelope


def written(envelope: dict[str, Any]) -> str:
    """An envelope as JSON text, without a space too many."""
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An event as a consumer receives it."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    tenant_id: str
    sequence: int
    actor: str
    origin: str
    correlation_id: str
    data: dict[str, Any]
    replayed: bool = False
    detail: str = ""
    """The envelope as it came, JSON."""

    @property
    def context(self) -> str:
        """`opportunities` of `zebros.opportunities`."""
        return self.source.removeprefix("zebros.")

    @property
    def subject_type(self) -> str:
        """`opportunity` of `opportunity/<id>`."""
        return self.subject.split("/", 1)[0]

    @property
    def subject_id(self) -> str:
        """The record's id."""
        return self.subject.split("/", 1)[1]


def unseal(detail: dict[str, Any], *, replayed: bool = False) -> CloudEvent:
    """Read an envelope; raise ValueError with the reason when it is not one of ours."""
    try:
        event = CloudEvent(
            id=detail["id"],
            source=detail["source"],
            type=detail["type"],
            subject=detail["subject"],
            time=detail["time"],
            tenant_id=detail["tenantid"],
            sequence=int(detail["sequence"]),
            actor=detail.get("actor", ""),
            origin=detail.get("origin", ""),
            correlation_id=detail.get("correlationid", ""),
            data=detail["data"],
            replayed=replayed,
            detail=written(detail),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise ValueError(f"not an event envelope of Zebros CRM: {fault!r}") from fault
    if "/" not in event.subject or not isinstance(event.data, dict):
        raise ValueError("not an event envelope of Zebros CRM: subject or data is wrong")
    return event
