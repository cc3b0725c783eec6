"""The board can read the published examples of the events it counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.positions import Memory
from kernel.storage.table import Add
from opportunities.consumers.board import count
from opportunities.consumers.board import handler as board
from opportunities.incoming import BoardOpportunity

EXAMPLES = Path(__file__).resolve().parents[2] / "events" / "examples" / "opportunities"
TYPES = sorted(path.name.split(".")[0] for path in EXAMPLES.glob("Opportunity*.json"))


def example(type_: str) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads((EXAMPLES / f"{type_}.v1.json").read_text("utf-8"))
    return envelope


def test_the_board_consumes_every_event_about_an_opportunity() -> None:
    """An event that it did not consume would be a gap in the sequence."""
    assert board.record_types == {"opportunity"}
    assert {example(type_)["subject"].split("/")[0] for type_ in TYPES} == board.record_types


@pytest.mark.parametrize("type_", TYPES)
def test_the_board_reads_the_stage_and_amount_of_an_opportunity(type_: str) -> None:
    current = example(type_)["data"]["current"]
    opportunity = BoardOpportunity.model_validate(current)
    assert opportunity.pipeline_id == current["pipeline_id"] == "default"
    kinds = {"OpportunityWon": "won", "OpportunityLost": "lost", "OpportunityCorrected": "lost"}
    assert opportunity.stage == current["stage"]
    assert current["status"] == kinds.get(type_, "open")
    assert (opportunity.stage in ("won", "lost")) == (type_ in kinds)
    assert opportunity.amount is not None, "every opportunity of the examples has an amount"
    assert opportunity.amount.model_dump() == current["amount"]
    assert opportunity.amount.minor_units > 0
    assert opportunity.archived_at is None


def test_the_example_opportunity_is_always_counted_in_one_column() -> None:
    """From creation to win: after every event it is in one column, with its amount."""
    story = sorted((example(type_) for type_ in TYPES), key=lambda e: int(e["sequence"]))
    memory: Memory = {}
    columns: dict[str, tuple[int, int]] = {}
    for envelope in story:
        for action in count(CloudEvent.parse(envelope), memory):
            assert isinstance(action, Add)
            deals, units = columns.get(action.sk, (0, 0))
            columns[action.sk] = (
                deals + action.amounts["opportunities"],
                units + action.amounts["minor_units"],
            )
        current = envelope["data"]["current"]
        here = f"STAGE#{current['stage']}#{current['amount']['currency']}"
        assert {sk: sums for sk, sums in columns.items() if sums != (0, 0)} == {
            here: (1, current["amount"]["minor_units"])
        }
    assert "STAGE#won#USD" in columns
