"""A lake for tests: envelopes as they are published, in files as the lake writer writes them."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from reporting.lake.cache import LakeFiles

TENANT = "acme"
BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
CONTEXTS = {
    "account": "customers",
    "contact": "customers",
    "product": "opportunities",
    "pipeline": "opportunities",
    "opportunity": "opportunities",
}
STAGES: list[dict[str, Any]] = [
    {"key": "lead", "name": "Lead", "probability": 10, "kind": "open"},
    {"key": "qualified", "name": "Qualified", "probability": 25, "kind": "open"},
    {"key": "negotiation", "name": "Negotiation", "probability": 75, "kind": "open"},
    {"key": "won", "name": "Won", "probability": 100, "kind": "won"},
    {"key": "lost", "name": "Lost", "probability": 0, "kind": "lost"},
]


def instant(moment: datetime) -> str:
    """As the kernel writes instants."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def event(
    kind: str, record: str, sequence: int, current: dict[str, Any], *, at: datetime = BEGIN
) -> dict[str, Any]:
    """An envelope; its id is derived from record and sequence, so that a copy is a duplicate."""
    context = CONTEXTS[kind]
    return {
        "specversion": "1.0",
        "id": f"{kind}-{record}-{sequence:06d}",
        "source": f"zebros.{context}",
        "type": "SomethingHappened",
        "subject": f"{kind}/{record}",
        "time": instant(at),
        "datacontenttype": "application/json",
        "dataschema": f"urn:zebros:schema:{context}/SomethingHappened.v1",
        "tenantid": TENANT,
        "sequence": str(sequence),
        "sequencetype": "Integer",
        "correlationid": "c-1",
        "actor": "u-1",
        "origin": "api",
        "data": {
            "current": {"id": record, "version": sequence, **_present(current)},
            "changed": ["name"],
            "previous": {"name": "before", "amount": {"minor_units": 1, "currency": "USD"}},
        },
    }


def opportunity(
    record: str, sequence: int = 1, *, at: datetime = BEGIN, **current: Any
) -> dict[str, Any]:
    """An event about an opportunity; by default an open lead without an amount."""
    stage = {"stage": "lead", "stage_name": "Lead", "status": "open", "probability": 10}
    return event(
        "opportunity",
        record,
        sequence,
        {"name": record, "pipeline_id": "default", "forecast_category": "pipeline"}
        | stage
        | current,
        at=at,
    )


def pipeline(record: str = "default", name: str = "Sales") -> dict[str, Any]:
    """The event that sets up a pipeline with STAGES."""
    return event("pipeline", record, 1, {"name": name, "stages": STAGES})


def money(minor_units: int, currency: str = "USD") -> dict[str, Any]:
    """Money as events carry it."""
    return {"minor_units": minor_units, "currency": currency}


def lay(
    root: Path, events: Iterable[dict[str, Any]], *, per_file: int = 50, tenant: str = TENANT
) -> LakeFiles:
    """Write the events, in this order, to lake files below `root`."""
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for envelope in events:
        context = envelope["source"].removeprefix("zebros.")
        parts[f"context={context}/date={envelope['time'][:10]}"].append(envelope)
    folder, paths = root / f"tenant={tenant}", []
    folder.mkdir(parents=True, exist_ok=True)
    for name, envelopes in parts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, start in enumerate(range(0, len(envelopes), per_file)):
            path = folder / name / f"{number:04d}.jsonl.gz"
            lines = [json.dumps(e, ensure_ascii=False) for e in envelopes[start : start + per_file]]
            path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 1))
            paths.append(path)
    return LakeFiles(tenant, folder, tuple(paths))


def delivered_badly(events: Sequence[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    """The same events in any order, some of them several times."""
    messy = [*events, *(random.choice(events) for _ in range(len(events) // 3))] if events else []
    random.shuffle(messy)
    return messy


def hours(count: float) -> datetime:
    """An instant after the beginning."""
    return BEGIN + timedelta(hours=count)


def _present(current: dict[str, Any]) -> dict[str, Any]:
    """The members that are not None, because events omit null."""
    return {name: value for name, value in current.items() if value is not None}
