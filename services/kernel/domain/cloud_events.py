"""CloudEvents 1.0 around a domain event, as EventBridge `detail`.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, with the `sequence` extension
(https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/sequence.md): an integer
written as text, contiguous per subject from 1, so that a subscriber notices a missing event.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from kernel.domain.clock import rfc3339
from kernel.domain.events import DomainEvent
from kernel.domain.principal import RequestContext

type Envelope = dict[str, Any]
"""The attributes and the data of a CloudEvent, as JSON."""


def envelope(
    event: DomainEvent,
    *,
    event_id: str,
    subject: str,
    sequence: int,
    request: RequestContext,
    at: datetime,
) -> Envelope:
    """The CloudEvent of one domain event about `subject` (`opportunity/<id>`).

    Within the history of a subject, ids and sequences grow together (docs/architecture.md).
    """
    document: Envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": event.source(),
        "type": type(event).__name__,
        "subject": subject,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "dataschema": event.schema_id(),
        "tenantid": request.principal.tenant_id,
        "sequence": str(sequence),
        "sequencetype": "Integer",
        "correlationid": request.correlation_id,
        "actor": request.principal.user_id,
        "origin": request.origin,
        "data": event.model_dump(mode="json", exclude_none=True),
    }
    if request.causation_id:
        document["causationid"] = request.causation_id
    return document


def to_json(document: Envelope) -> str:
    """An envelope as compact JSON text."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str) -> Envelope:
    """An envelope from the text that `to_json` made. Raises ValueError."""
    document: Envelope = json.loads(text)
    return document


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
    version: int = 1
    """The version of `data`, which `dataschema` names."""
    replayed: bool = False
    """Whether it comes from an archive."""
    detail: str = ""
    """The envelope as received, JSON."""

    @classmethod
    def parse(cls, detail: Envelope, *, replayed: bool = False) -> Self:
        """Read an envelope. Raises ValueError when it is not an envelope of Zebros CRM."""
        try:
            event = cls(
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
                version=_version(detail),
                replayed=replayed,
                detail=to_json(detail),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not an event envelope of Zebros CRM: {error!r}") from error
        if "/" not in event.subject or not isinstance(event.data, dict):
            raise ValueError("not an event envelope of Zebros CRM: subject or data is wrong")
        return event

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


def _version(detail: Envelope) -> int:
    """The version that `dataschema` names: 2 of `…/OpportunityWon.v2`; 1 when it names none."""
    name, _, number = str(detail.get("dataschema", "")).rpartition(".v")
    return int(number) if name and number.isdecimal() and int(number) else 1
