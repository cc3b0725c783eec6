"""The workflow starter of imports can read the published examples of its events."""

import json
from pathlib import Path
from typing import Any

import pytest

from imports.consumers.workflow import handler as workflow_starter
from imports.incoming import ImportRunRef
from kernel.domain.cloud_events import CloudEvent

EXAMPLES = Path(__file__).resolve().parents[2] / "events" / "examples" / "imports"


def example(type_: str) -> CloudEvent:
    envelope: dict[str, Any] = json.loads((EXAMPLES / f"{type_}.v1.json").read_text("utf-8"))
    return CloudEvent.parse(envelope)


@pytest.mark.parametrize("type_", sorted(workflow_starter.types))
def test_the_workflow_starter_reads_requests_and_ends_of_imports(type_: str) -> None:
    event = example(type_)
    run = ImportRunRef.model_validate(event.data["current"])
    assert event.subject == f"import/{run.id}"
