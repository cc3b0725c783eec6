"""The one place where AWS clients are made: one Session, each client once per process."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# Short timeouts and standard retries: a Lambda that waits is a Lambda that is paid for.
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 4}, connect_timeout=2, read_timeout=25
)


@cache
def session() -> boto3.session.Session:
    """The process's only Session: making a second one costs as much as the first."""
    return boto3.session.Session()


@cache
def client(service: str, endpoint_url: str | None = None) -> Any:
    """The client of a service; AWS_ENDPOINT_URL points it at a local platform natively."""
    return session().client(service, endpoint_url=endpoint_url, config=_CONFIG)  # type: ignore[call-overload]
