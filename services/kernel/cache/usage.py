"""How the cache was used, as fields for the log line of the request that used it."""

from typing import Any

from kernel.cache.connect import cached_reads
from kernel.runtime.metrics import CACHE_HITS, CACHE_MISSES


def cache_usage(context: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The metrics of the reads since the last call, and hits and misses by kind of value.

    Both are empty when nothing was read. Whoever calls it writes one line for each of its requests.
    """
    if not cached_reads.cache_info().currsize:  # a function that reads nothing makes no cache
        return [], {}
    hits, misses = cached_reads().taken()
    if not hits and not misses:
        return [], {}
    metrics = [
        CACHE_HITS.fields(hits.total(), context),
        CACHE_MISSES.fields(misses.total(), context),
    ]
    return metrics, {"cache": {"hits": dict(hits), "misses": dict(misses)}}
