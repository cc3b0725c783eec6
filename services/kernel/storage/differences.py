"""Logs stored records that differ from their model, and those that cannot be read at all.

Nothing of a value is logged: only the record, the names of its fields and the kinds of errors.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kernel.domain.errors import UnreadableRecord
from kernel.runtime.log import logger
from kernel.runtime.metrics import DIFFERING_RECORDS
from kernel.storage.table import Item


def log_differences(key: str, differences: Mapping[str, str]) -> None:
    """Log a record that was read although it differs from its model."""
    _report(key, "read", fields=dict(differences))


def log_unreadable(key: str, error: Exception) -> UnreadableRecord:
    """Log an item of which nothing can be read; returns the problem."""
    _report(key, "unreadable", fault=type(error).__name__)
    _, record_type, record_id = _parts(key)
    return UnreadableRecord(f"The {record_type} {record_id} is stored, but cannot be read.")


def readable[T](read: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
    """What can be read of items; `read` logs the others and raises UnreadableRecord."""
    found = []
    for item in items:
        try:
            found.append(read(item))
        except UnreadableRecord:
            continue
    return found


def _report(key: str, outcome: str, **more: Any) -> None:
    """Log one line, with the metric; `key` is a partition key."""
    tenant, record_type, record_id = _parts(key)
    logger().warning(
        "stored record differs from its model",
        outcome=outcome,
        tenant=tenant,
        record=f"{record_type}/{record_id}",
        **more,
        **DIFFERING_RECORDS.fields(1),
    )


def _parts(key: str) -> tuple[str, str, str]:
    """Tenant, type and id of a record, from its partition key `TENANT#<t>#<TYPE>#<id>`."""
    _, tenant, record_type, record_id = (*key.split("#", 3), "", "", "", "")[:4]
    return tenant, record_type.lower() or "unknown", record_id
