"""The pipeline a map names: found by its name, or made."""

import hashlib
from typing import Any

from zebros.client.api import Client
from zebros.errors import BadInput
from zebros.loading.maps import Pipeline


def ensure_pipeline(client: Client, wanted: Pipeline) -> str:
    """The id of the tenant's pipeline of that name, made when there is none.

    Raises BadInput when there is one that lacks a stage the map counts on.
    """
    for pipeline in client.items("/pipelines"):
        if pipeline["name"] == wanted.name:
            _check(pipeline, wanted)
            return str(pipeline["id"])
    body = wanted.model_dump()
    # The same definition is the same request: two loads that start together make one pipeline.
    key = "pipeline-" + hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()[:40]
    return str(client.post("/pipelines", body, key=key)["id"])


def _check(found: dict[str, Any], wanted: Pipeline) -> None:
    there = {stage["key"]: stage.get("kind", "open") for stage in found["stages"]}
    wrong = [stage.key for stage in wanted.stages if there.get(stage.key) != stage.kind]
    if wrong:
        raise BadInput(
            f"The CRM has a pipeline {wanted.name!r}, but not as the map says: "
            f"{', '.join(wrong)} is missing or of another kind; it has {', '.join(there)}.",
            hint="Give the map's pipeline another name, or use the stages that are there.",
        )
