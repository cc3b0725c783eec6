"""Finds the pipeline that a map names, or creates it."""

import hashlib
from typing import Any

from zebros.client.api import Client
from zebros.errors import BadInput
from zebros.loading.map_model import Pipeline


def ensure_pipeline(client: Client, pipeline: Pipeline) -> str:
    """The id of the tenant's pipeline with that name, which is created if necessary.

    Raises BadInput when the existing pipeline lacks a stage of the map.
    """
    if (existing := find_pipeline(client, pipeline)) is not None:
        return existing
    # The key depends on the definition: two loads that start together create one pipeline.
    key = "pipeline-" + hashlib.sha256(pipeline.model_dump_json().encode()).hexdigest()[:40]
    return str(client.post("/pipelines", pipeline.model_dump(), key=key)["id"])


def find_pipeline(client: Client, pipeline: Pipeline) -> str | None:
    """The id of the tenant's pipeline with that name; None when there is none.

    Raises BadInput when it lacks a stage of the map.
    """
    for existing in client.items("/pipelines"):
        if existing["name"] == pipeline.name:
            _check(existing, pipeline)
            return str(existing["id"])
    return None


def _check(existing: dict[str, Any], pipeline: Pipeline) -> None:
    kinds = {stage["key"]: stage.get("kind", "open") for stage in existing["stages"]}
    wrong = [stage.key for stage in pipeline.stages if kinds.get(stage.key) != stage.kind]
    if wrong:
        raise BadInput(
            f"The CRM has a pipeline {pipeline.name!r}, but it differs from the map: "
            f"{', '.join(wrong)} is missing or of another kind; it has {', '.join(kinds)}.",
            hint="Give the map's pipeline another name, or use the stages of the existing one.",
        )
