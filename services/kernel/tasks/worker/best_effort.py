"""Actions whose failure must not fail a task."""

from collections.abc import Callable

from kernel.runtime.faults import describe
from kernel.runtime.log import logger


def best_effort[T](action: str, call: Callable[[], T]) -> T | None:
    """The result of the call, or None when it failed; the error is logged."""
    try:
        return call()
    except Exception as fault:
        logger().warning("worker action failed", action=action, fault=describe(fault))
        return None
