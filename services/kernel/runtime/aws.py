"""The one place where AWS clients are made: one session, each client once per process.

botocore's session and not boto3's: the clients are the same, and leaving out boto3's resource and
S3-transfer layers takes a quarter off every cold start (docs/adr/0004).
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

from kernel.runtime.settings import PlatformSettings, read_settings

# Short timeouts and standard retries: a Lambda that waits is a Lambda that is paid for. A name of
# our own, because the default one is put together anew for every request: a tenth of a call's time.
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 4},
    connect_timeout=2,
    read_timeout=25,
    user_agent=f"zebros-crm Botocore/{botocore.__version__}",
)
# kernel/storage/table.py alone makes requests to tables, from typed values: to check their shape
# again before the service does takes another tenth.
_TABLES = _CONFIG.merge(Config(parameter_validation=False))
# Links to files: signed by today's rules (the default's older ones fail with KMS keys), and with
# the bucket's own region in the name (the global name redirects, which a signature does not bear).
# A local platform has no names for buckets.
_LINKS = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
_LOCAL_LINKS = Config(signature_version="s3v4", s3={"addressing_style": "path"})


@cache
def session() -> botocore.session.Session:
    """The process's only session: making a second one costs as much as the first."""
    return botocore.session.get_session()


@cache
def client(service: str, endpoint_url: str | None = None) -> Any:
    """The client of a service; AWS_ENDPOINT_URL points it at a local platform natively."""
    config = _TABLES if service == "dynamodb" else _CONFIG
    if service == "s3":
        local = endpoint_url or read_settings(PlatformSettings).aws_endpoint_url
        config = _CONFIG.merge(_LOCAL_LINKS if local else _LINKS)
    return session().create_client(service, endpoint_url=endpoint_url, config=config)
