"""What the cache, the quota and DAX cost and save a request, and what they add to a cold start.

A real Valkey or Redis server answers on loopback; its own CPU time does not count. DAX has no
local server: its port is measured with DynamoDB's client behind it, its client as it is imported.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

from tools.bench import valkey_server, warm
from tools.bench.paired import PAIRS, Ratio, calls, processes

BOARD_BUDGET, QUOTA_BUDGET, DAX_BUDGET, IMPORT_BUDGET = 1.0, 1.4, 1.1, 1.5
_STAGES = ("lead", "qualified", "proposal", "negotiation", "won", "lost")
_BARE = 'import botocore.session as s; s.get_session().create_client("dynamodb")'
_VALKEY = "; import kernel.cache.valkey_cache"
_DAX = "; from amazondax import AmazonDaxClient"


def measure(*, pairs: int = PAIRS) -> list[Ratio]:
    """Measure all of it. Raises FileNotFoundError without a server."""
    warm.use_test_environment()
    with valkey_server.running() as endpoint:
        return [*_requests(endpoint, pairs), *_imports(pairs)]


def _imports(pairs: int) -> list[Ratio]:
    """The imports on top of those of a bare client."""
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PYTHONPATH": "services",
    }
    return [
        processes(
            f"{name}, imported",
            [sys.executable, "-c", _BARE],
            [sys.executable, "-c", _BARE + more],
            environment,
            budget=IMPORT_BUDGET,
            pairs=pairs,
        )
        for name, more in (("Valkey's client", _VALKEY), ("DAX's client", _DAX))
    ]


def _requests(endpoint: str, pairs: int) -> list[Ratio]:
    from kernel.cache.connect import cached_reads
    from kernel.cache.port import NoCache
    from kernel.cache.quotas import Quota, TenantQuotas
    from kernel.cache.valkey_cache import ValkeyCache
    from kernel.runtime import aws
    from kernel.storage.dax import DaxReads
    from kernel.web import quotas
    from opportunities import bootstrap
    from opportunities.handlers.api import handler

    client = aws.client("dynamodb")
    warm.stored_opportunity(handler, client)["Query"] = _columns()
    asked = _counted(client)
    none, valkey = NoCache(), ValkeyCache(endpoint, lambda: None)
    board = partial(warm.ask, handler, warm.event("GET", "/pipelines/default/board"), 200)
    one = partial(
        warm.ask, handler, warm.event("GET", f"/opportunities/{warm.OPPORTUNITY['id']}"), 200
    )
    reads = cached_reads()

    def board_with(cache: Any) -> None:
        reads._cache = cache
        board()

    def get_with(limits: Any) -> None:
        with patch.object(quotas, "tenant_quotas", lambda: limits):
            one()

    table = bootstrap._api_table()
    dax = DaxReads(lambda: client, client)

    def get_through(reader: Any) -> None:
        table._reads = reader
        one()

    limits = TenantQuotas(valkey, Quota(1e6, 10**6))
    shown = Counter(
        {
            name: _calls(asked, run)
            for name, run in (
                ("board", lambda: board_with(none)),
                ("board that is not in the cache", lambda: board_with(valkey)),
                ("board from the cache", lambda: board_with(valkey)),
                ("GET with a quota", lambda: get_with(limits)),
            )
        }
    )
    print("calls to DynamoDB: " + ", ".join(f"{name} {count}" for name, count in shown.items()))
    compared: list[tuple[str, Callable[[Any], None], Any, Any, float]] = [
        ("board from the cache", board_with, none, valkey, BOARD_BUDGET),
        ("GET one with a quota in the cache", get_with, None, limits, QUOTA_BUDGET),
        ("GET one through the port of DAX", get_through, client, dax, DAX_BUDGET),
    ]
    ratios = [
        calls(name, partial(run, without), partial(run, having), budget=budget, pairs=pairs)
        for name, run, without, having, budget in compared
    ]
    reads._cache, table._reads = none, client
    return ratios


def _columns() -> bytes:
    """A page of a board's totals, as DynamoDB has them."""
    items = [
        {
            "pk": {"S": "TENANT#acme#BOARD#default"},
            "sk": {"S": f"STAGE#{stage}#EUR"},
            "opportunities": {"N": "12"},
            "minor_units": {"N": "123456700"},
        }
        for stage in _STAGES
    ]
    return json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items)}).encode()


def _counted(client: Any) -> Counter[str]:
    asked: Counter[str] = Counter()
    client.meta.events.register(
        "before-call.dynamodb.*", lambda model, **_: asked.update([model.name])
    )
    return asked


def _calls(asked: Counter[str], run: Callable[[], object]) -> int:
    before = asked.total()
    run()
    return asked.total() - before


if __name__ == "__main__":
    for ratio in measure(pairs=int(sys.argv[1]) if sys.argv[1:] else PAIRS):
        print(ratio.line())
