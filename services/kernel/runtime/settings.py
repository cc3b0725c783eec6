"""A function's environment variables as named tuples; only here is `os.environ` read.

A field `table_name` is the variable TABLE_NAME; a field without a default must be set. Each context
declares the settings of its functions in its own `settings.py`. A frozen dataclass would do the
same, but to define one takes four times as long, and every cold start defines a dozen of these.
"""

import os
from typing import Any, NamedTuple


class SettingsError(RuntimeError):
    """A variable is missing or has a wrong value; the message names it."""


def read_settings[S: tuple[Any, ...]](model: type[S]) -> S:
    """Read the variables that a named tuple declares. Raises SettingsError."""
    values: dict[str, Any] = {}
    defaults = _defaults(model)
    for name, kind in model.__annotations__.items():
        variable = name.upper()
        text = os.environ.get(variable, "")
        if not text:
            if name not in defaults:
                raise SettingsError(f"The environment variable {variable} is not set.")
            continue
        values[name] = _number(variable, text) if kind is int else text
    return model(**values)


def missing_variables(*models: type[tuple[Any, ...]]) -> list[str]:
    """The required variables that are not set, each once, in order."""
    required = [
        name.upper()
        for model in models
        for name in model.__annotations__
        if name not in _defaults(model)
    ]
    return [variable for variable in dict.fromkeys(required) if not os.environ.get(variable)]


def _defaults(model: type[tuple[Any, ...]]) -> dict[str, Any]:
    defaults: dict[str, Any] = model._field_defaults  # type: ignore[attr-defined]  # of a named tuple
    return defaults


def _number(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        message = f"The environment variable {variable} must be a whole number, not {text!r}."
        raise SettingsError(message) from None


class PlatformSettings(NamedTuple):
    """The variables that AWS or the local emulator sets."""

    aws_endpoint_url: str = ""
    """Empty on AWS."""
    powertools_service_name: str = ""
    aws_lambda_function_name: str = "zebros"


class CapacitySettings(NamedTuple):
    """The size of a function or of an ECS task; 0 where the process is neither."""

    aws_lambda_function_memory_size: int = 0
    """In MB."""
    task_memory_megabytes: int = 0
    task_cpu_units: int = 0
    """1,024 are one vCPU."""


class DiskSettings(NamedTuple):
    """The local disk of a worker, or of a function that works as one."""

    work_folder: str = ""
    """For caches and temporary files; by default in the system's temporary folder."""
    cache_megabytes: int = 0
    """The size of each job's cache in the work folder; 0 means the job's default."""
    temporary_megabytes: int = 0
    """What a job may use during a task; 0 means the job's default."""


class CursorSettings(NamedTuple):
    """For functions that page through lists."""

    cursor_secret_arn: str


class CacheSettings(NamedTuple):
    """For functions that use the cache."""

    cache_endpoint: str = ""
    """`valkeys://host:port` with TLS, `valkey://host:port` without; empty where there is none."""
    cache_secret_arn: str = ""
    """The secret that is the cache's password; empty for a server without one."""


class DaxSettings(NamedTuple):
    """For functions that read tables through DAX."""

    dax_endpoint: str = ""
    """`daxs://host`; empty where there is none."""


class FenceSettings(NamedTuple):
    """For functions of a system with two regions, of which one writes."""

    fence_table_name: str = ""
    """Empty in a system with one region, which always writes."""
    region_role: str = ""
    """`primary` or `secondary`, as the region was deployed."""
    aws_region: str = ""
    """AWS sets it."""


class OriginSettings(NamedTuple):
    """For functions behind the API: which web pages may call it."""

    allowed_origin: str = ""
    """`https://app.example.com`; `*` for all, empty for none."""


class QuotaSettings(NamedTuple):
    """For functions behind the API: what one tenant may use."""

    tenant_requests_per_second: int = 0
    """0: no quota."""
    tenant_burst: int = 0
    """Requests at once after a pause."""


class ConsumerSettings(NamedTuple):
    """For functions that read a queue."""

    queue_url: str = ""
    """The consumer's own queue; empty where gaps need not be checked."""
    gap_grace_seconds: int = 60
    """How long an event may wait for an earlier one before the gap is reported."""


class RelaySettings(NamedTuple):
    """For relays."""

    bus_name: str
