"""How long `zebros restore` takes on the local platform.

`python -m tools.bench.restore --home DIR [--records N]`, with a platform that runs in DIR and that
may be damaged: it makes N opportunities, changes a tenth of them, restores them, restores them
again when nothing differs, deletes every item of their table, and restores that.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run
from typing import Any

import httpx

from zebros.client.connection import Connection

RECORDS = 10_000
_BATCH = 100
ZEBROS = [sys.executable, "-c", "import sys; from zebros.cli import main; sys.exit(main())"]


class Bench:
    """One running platform."""

    def __init__(self, home: Path) -> None:
        self._home, self._connection = home, Connection(home=home)
        self._client = self._connection.client()
        self._deployment = self._connection.deployment()
        self._run = f"{time.time():.0f}"

    def write(self, count: int, units: int) -> None:
        """Create opportunities, or change the amount of the first ones."""
        for first in range(0, count, _BATCH):
            listed = [
                {
                    "name": f"Deal {number}",
                    "external_ids": {"bench": f"{self._run}-{number}"},
                    "amount": {"minor_units": units + number, "currency": "USD"},
                }
                for number in range(first, min(count, first + _BATCH))
            ]
            self._client.request("POST", "/opportunities/batch", body={"items": listed})

    def settle(self) -> None:
        """Wait until every event was consumed."""
        quiet = 0
        while quiet < 5:
            found = httpx.get(f"{self._deployment.endpoint}/_zebros/backlog", timeout=60).json()
            quiet = quiet + 1 if not found["streams"] and not found["queues"] else 0
            time.sleep(0.2)

    def lose_table(self) -> None:
        """Delete every item of the table of opportunities."""
        client = self._deployment.aws("dynamodb")
        table = self._deployment.resources.table("OpportunitiesTable")
        for page in client.get_paginator("scan").paginate(
            TableName=table, ProjectionExpression="pk, sk"
        ):
            for first in range(0, len(page["Items"]), 25):
                keys = page["Items"][first : first + 25]
                some = [{"DeleteRequest": {"Key": key}} for key in keys]
                client.batch_write_item(RequestItems={table: some})

    def restore(self, at: str) -> dict[str, Any]:
        """Restore the opportunities."""
        words = ["--home", str(self._home), "--json", "restore", "opportunities", "--to", at]
        done = run([*ZEBROS, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def timed(name: str, work: Callable[[], Any]) -> None:
    """Print how long something takes, and the figures of its result."""
    began = time.monotonic()
    found = work()
    figures = {k: v for k, v in (found or {}).items() if isinstance(v, int) and v}
    print(f"{name}: {time.monotonic() - began:.1f} s {figures or ''}", flush=True)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--records", type=int, default=RECORDS)
    options = parser.parse_args()
    bench, count = Bench(options.home), options.records
    timed(f"create {count:,} opportunities", lambda: bench.write(count, 100))
    bench.settle()
    time.sleep(1.1)
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    time.sleep(0.1)
    timed(f"change {count // 10:,}", lambda: bench.write(count // 10, 5_000))
    bench.settle()
    timed("restore, a tenth differs", lambda: bench.restore(at))
    bench.settle()
    timed("restore, nothing differs", lambda: bench.restore(at))
    timed("delete every item of the table", bench.lose_table)
    timed("restore, everything is lost, and rebuild the board", lambda: bench.restore(at))
    bench.settle()
    timed("restore again", lambda: bench.restore(at))


if __name__ == "__main__":
    main()
