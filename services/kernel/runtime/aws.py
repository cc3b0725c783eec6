"""The only place where AWS clients are made: one session, and each client once per process.

It uses botocore's session: the clients are the same as boto3's, and a cold start without boto3 is
a quarter shorter (docs/adr/0004).
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

from kernel.runtime.settings import PlatformSettings, read_settings

# Timeouts are short because a waiting function is billed. A fixed user agent, because botocore
# builds the default one for every request, which takes a tenth of a call's time.
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 4},
    connect_timeout=2,
    read_timeout=25,
    user_agent=f"zebros-crm Botocore/{botocore.__version__}",
)
# For what a request can do without: it must not wait for more than a second.
_IMPATIENT = Config(connect_timeout=0.3, read_timeout=0.7, retries={"total_max_attempts": 1})
# Only kernel/storage/table.py sends requests to tables, from typed values; botocore's validation of
# their shape would take another tenth.
_TABLES = _CONFIG.merge(Config(parameter_validation=False))
# Links to files need signature version 4 (the default, version 2, fails with KMS keys) and the
# regional host name of the bucket (the global one redirects, which invalidates the signature).
# A local platform has no host names for buckets.
_LINKS = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
_LOCAL_LINKS = Config(signature_version="s3v4", s3={"addressing_style": "path"})


@cache
def session() -> botocore.session.Session:
    """The process's only session; each session is expensive to make."""
    return botocore.session.get_session()


@cache
def client(service: str, endpoint_url: str | None = None, *, impatient: bool = False) -> Any:
    """The client of a service; botocore itself reads AWS_ENDPOINT_URL for a local platform."""
    config = _TABLES if service == "dynamodb" else _CONFIG
    if impatient:
        config = config.merge(_IMPATIENT)
    if service == "s3":
        local = endpoint_url or read_settings(PlatformSettings).aws_endpoint_url
        config = _CONFIG.merge(_LOCAL_LINKS if local else _LINKS)
    return session().create_client(service, endpoint_url=endpoint_url, config=config)
