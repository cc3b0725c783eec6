"""Reporting understands the published examples of the facts it starts, files and computes with."""

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.envelope import unseal
from reporting.engine.facts import SOURCES
from reporting.handlers.events import handler as flow
from reporting.handlers.lake import handler as lake
from reporting.incoming import ReportedDeal, RequestedReport
from reporting.lake_writer import Folder

EXAMPLES = Path(__file__).resolve().parents[2] / "events" / "examples"
DEALS = sorted(EXAMPLES.glob("opportunities/Opportunity*.json"))
EVERYTHING = sorted(EXAMPLES.glob("*/*.json"))


def read(path: Path) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return envelope


def test_it_starts_what_is_requested() -> None:
    (type_,) = flow.types
    (path,) = EXAMPLES.glob(f"reporting/{type_}.v1.json")
    fact = unseal(read(path))
    run = RequestedReport.model_validate(fact.data["current"])
    assert fact.subject == f"report/{run.id}"


@pytest.mark.parametrize("path", DEALS, ids=lambda p: p.stem)
def test_it_reads_every_fact_about_a_deal(path: Path) -> None:
    current = read(path)["data"]["current"]
    deal = ReportedDeal.model_validate(current)
    assert deal.status in ("open", "won", "lost")
    assert deal.status == {"Won": "won", "Lost": "lost"}.get(
        path.stem.removeprefix("Opportunity").split(".")[0], "open"
    )
    assert (deal.closed_on is not None) == (deal.status != "open")
    if "amount" in current:
        assert deal.amount is not None
        assert deal.amount.minor_units == current["amount"]["minor_units"]


def test_what_deals_are_grouped_by_is_published() -> None:
    """Each member the engine reads of a record is in an example of a fact about such a record."""
    published = {
        (envelope["subject"].split("/")[0], member)
        for envelope in map(read, EVERYTHING)
        for member in envelope["data"]["current"]
    }
    known = {member for _, member in published}
    for grouping, source in SOURCES.items():
        assert set(source.members) <= known, grouping
        if source.labels:
            assert source.labels in published, grouping


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda p: p.stem)
def test_every_fact_has_a_place_in_the_lake(path: Path) -> None:
    assert lake.types == {"*"}
    fact = unseal(read(path))
    key = Folder.of(fact).key([fact.id])
    context = path.parent.name
    assert key.startswith(f"tenant={fact.tenant_id}/context={context}/date={fact.time[:10]}/")
