"""The form of every cached value: with a new form, an entry needs a new version."""

import hashlib
import json

from pydantic import TypeAdapter

from kernel.storage.records import Page
from opportunities.model.pipelines import Pipeline
from opportunities.repository.boards import BoardColumn
from opportunities.repository.cached import BOARD, PIPELINE, PIPELINES

FORMS = {
    "pipeline v3": "96aee35edcb2",
    "pipelines v4": "bf88975557e5",
    "board v1": "5fb4627aef94",
}
"""Kind and version, and the digest of the form that they had when they were released."""


def digest(form: object) -> str:
    schema = TypeAdapter(form).json_schema()
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:12]


def test_a_changed_form_has_a_new_version() -> None:
    now = {
        f"{entry.kind} v{entry.version}": digest(form)
        for entry, form in (
            (PIPELINE, Pipeline),
            (PIPELINES, Page[Pipeline]),
            (BOARD, list[BoardColumn]),
        )
    }
    assert now == FORMS, "raise the entry's version, and write its new digest here"
