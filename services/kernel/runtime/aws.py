"""The only place where AWS clients are made: one session, and each client once per process.

It uses botocore's session: the clients are the same as boto3's, and a cold start without boto3 is
a quarter shorter (docs/adr/0004).
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from kernel.runtime.settings import FenceSettings, PlatformSettings, read_settings

if TYPE_CHECKING:
    from kernel.runtime.fence import Fence

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

_FENCED = frozenset({"dynamodb", "events"})
"""Services whose requests the fence guards."""


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
    made = session().create_client(service, endpoint_url=endpoint_url, config=config)
    if service in _FENCED and _has_fence():
        # Not at the top: a system with one region must not load it.
        from kernel.runtime.fence import guard

        guard(made, service, fence())
    return made


@cache
def _has_fence() -> bool:
    return bool(read_settings(FenceSettings).fence_table_name)


def write_epoch() -> int:
    """The epoch of the fence in which this process writes; 0 in a system with one region.

    Raises ReadOnlyRegion.
    """
    return fence().epoch() if _has_fence() else 0


@cache
def fence() -> "Fence":
    """The process's fence (docs/adr/0048); it waits for its record for a second at most."""
    return fence_of(read_settings(FenceSettings).fence_table_name)


def fence_of(table_name: str) -> "Fence":
    """The fence with the record in a table. It guards no client of a process that names none."""
    from kernel.runtime.fence import Fence, read_record

    settings = read_settings(FenceSettings)
    dynamodb = session().create_client("dynamodb", config=_TABLES.merge(_IMPATIENT))
    return Fence(
        settings.aws_region,
        lambda: read_record(dynamodb, table_name),
        is_primary=settings.region_role == "primary",
    )
