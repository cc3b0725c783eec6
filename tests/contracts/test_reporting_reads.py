"""Reporting can read the published examples of the events that it consumes."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from kernel.domain.cloud_events import CloudEvent
from opportunities.events.pipelines import PipelineFields
from opportunities.model.pipelines import Pipeline
from reporting.consumers.workflow import handler as workflow_starter
from reporting.incoming import ReportedOpportunity, ReportedRun
from reporting.lake.cache import LakeFiles
from reporting.lake.layout import Folder
from reporting.parameters import GROUPINGS, ReportParameters
from reporting.query.compute import compute

EXAMPLES = Path(__file__).resolve().parents[2] / "events" / "examples"
OPPORTUNITY_EVENTS = sorted(EXAMPLES.glob("opportunities/Opportunity*.json"))
ALL_EVENTS = sorted(EXAMPLES.glob("*/*.json"))


def read(path: Path) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return envelope


def lake_of(envelopes: list[dict[str, Any]], root: Path) -> LakeFiles:
    """Write every event to a lake file of its own."""
    paths = []
    for number, envelope in enumerate(envelopes):
        event = CloudEvent.parse(envelope)
        path = root / Folder.of(event).key([event.id])
        path = path.with_name(f"{number}-{path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(f"{event.detail}\n".encode()))
        paths.append(path)
    return LakeFiles("acme", root / "tenant=acme", tuple(paths))


def test_a_report_takes_the_name_of_the_default_pipeline_from_its_event(tmp_path: Path) -> None:
    """The lake has the pipeline's event, and the example opportunity before it is won."""
    default, (event,) = Pipeline.publish_default("acme")
    created = read(EXAMPLES / "opportunities" / "PipelineCreated.v1.json") | {
        "subject": f"pipeline/{default.id}",
        "data": event.model_dump(mode="json", exclude_none=True),
    }
    before_won = [path for path in OPPORTUNITY_EVENTS if path.stem != "OpportunityWon.v1"]
    wanted = ReportParameters.model_validate({"report": "pipeline_by_stage"})
    report = compute(lake_of([created, *map(read, before_won)], tmp_path), wanted)
    assert [row[:2] for row in report.rows] == [("Sales", "Negotiation")]


def test_a_report_shows_a_changed_default_pipeline(tmp_path: Path) -> None:
    before, (created,) = Pipeline.publish_default("acme")
    stages = [one.model_copy(update={"name": f"{one.name}!"}) for one in before.stages]
    fields = PipelineFields(name="Direct", stages=stages[::-1])
    change = before.update(fields)
    (updated,) = change.events
    example = read(EXAMPLES / "opportunities" / "PipelineCreated.v1.json")
    events = [
        example
        | {
            "id": str(ULID()),
            "type": type(event).__name__,
            "sequence": str(number),
            "subject": "pipeline/default",
            "data": event.model_dump(mode="json", exclude_none=True),
        }
        for number, event in enumerate((created, updated), 1)
    ]
    before_won = [path for path in OPPORTUNITY_EVENTS if path.stem != "OpportunityWon.v1"]
    wanted = ReportParameters.model_validate({"report": "pipeline_by_stage"})
    report = compute(lake_of([*events, *map(read, before_won)], tmp_path), wanted)
    assert [row[:2] for row in report.rows] == [("Direct", "Negotiation!")]


@pytest.mark.parametrize("type_", sorted(workflow_starter.types))
def test_the_workflow_starter_reads_requests_and_ends_of_reports(type_: str) -> None:
    (path,) = EXAMPLES.glob(f"reporting/{type_}.v1.json")
    event = CloudEvent.parse(read(path))
    run = ReportedRun.model_validate(event.data["current"])
    assert event.subject == f"report/{run.id}"


@pytest.mark.parametrize("path", OPPORTUNITY_EVENTS, ids=lambda p: p.stem)
def test_reporting_reads_every_event_about_an_opportunity(path: Path) -> None:
    current = read(path)["data"]["current"]
    opportunity = ReportedOpportunity.model_validate(current)
    assert opportunity.status in ("open", "won", "lost")
    assert opportunity.status == {"Won": "won", "Lost": "lost", "Corrected": "lost"}.get(
        path.stem.removeprefix("Opportunity").split(".")[0], "open"
    )
    assert (opportunity.closed_on is not None) == (opportunity.status != "open")
    assert (opportunity.owner_id, opportunity.team_id) == (current["owner_id"], current["team_id"])
    if "amount" in current:
        assert opportunity.amount is not None
        assert opportunity.amount.minor_units == current["amount"]["minor_units"]


@pytest.mark.parametrize("by", GROUPINGS["sales_performance"])
def test_reports_count_the_published_opportunities(by: str, tmp_path: Path) -> None:
    """In every grouping, the totals equal the opportunities in the example events."""
    last: dict[str, dict[str, Any]] = {}
    envelopes = [read(path) for path in ALL_EVENTS]
    for event in map(CloudEvent.parse, envelopes):
        seen = last.get(event.subject)
        if event.subject_type == "opportunity" and (seen is None or seen["n"] < event.sequence):
            last[event.subject] = {"n": event.sequence, **event.data["current"]}
    wanted = ReportParameters.model_validate({"report": "sales_performance", "by": by})
    report = compute(lake_of(envelopes, tmp_path), wanted)
    keys = [column.key for column in report.columns]
    totals = [dict(zip(keys, total, strict=True)) for total in report.totals]
    counted = {status: sum(t[status] for t in totals) for status in ("open", "won", "lost")}
    expected = Counter(opportunity["status"] for opportunity in last.values())
    assert counted == {status: expected[status] for status in counted}
    assert sum(counted.values()), "the examples have opportunities"


@pytest.mark.parametrize("path", ALL_EVENTS, ids=lambda p: p.stem)
def test_every_event_is_stored_in_the_lake(path: Path) -> None:
    event = CloudEvent.parse(read(path))
    key = Folder.of(event).key([event.id])
    context = path.parent.name
    assert key.startswith(f"tenant={event.tenant_id}/context={context}/date={event.time[:10]}/")
