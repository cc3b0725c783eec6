"""AWS clients: of the local platform, or of the account in which a CRM is deployed."""

import os
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 4}, connect_timeout=2, read_timeout=25
)
_LOCAL = Config(s3={"addressing_style": "path"})
"""The local platform has no host names for buckets."""


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def use_no_account() -> None:
    """Let no client use the credentials of a real account: a local platform needs none."""
    os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")  # noqa: S106
    os.environ.pop("AWS_PROFILE", None)


@cache
def client(service: str, endpoint: str | None = None, *, region: str | None = None) -> Any:
    """The client of a service; with `endpoint`, that of the local platform.

    `region` is another one than the environment's.
    """
    config = _CONFIG.merge(_LOCAL) if endpoint else _CONFIG
    return _session().create_client(
        service, region_name=region, endpoint_url=endpoint, config=config
    )
