"""One table for every context, and the log of stored records that differ."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from kernel.runtime.log import logger


@pytest.fixture(autouse=True)
def everything(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The AWS of every context; yields the DynamoDB client."""
    for variable in ("CONTACTS_TABLE_NAME", "FILES_BUCKET", "LAKE_BUCKET"):
        monkeypatch.setenv(variable, "table")
    boto3.client("s3").create_bucket(Bucket="table")
    return cloud


class Reported:
    """What was logged."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The reports of stored records, oldest first."""
        lines = [json.loads(line) for line in self.text.getvalue().splitlines()]
        return [one for one in lines if one["message"] == "stored record differs from its model"]


@pytest.fixture
def reported() -> Iterator[Reported]:
    """The reports of stored records that differ."""
    log = Reported()
    handler = logging.StreamHandler(log.text)
    handler.setFormatter(logger().registered_formatter)
    logger().addHandler(handler)
    level = logger().log_level
    logger().setLevel(logging.INFO)
    yield log
    logger().setLevel(level)
    logger().removeHandler(handler)
