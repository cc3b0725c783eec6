"""How long `zebros upgrade` takes on the local platform.

`python -m tools.bench.upgrade --home DIR [--records N]`, with a platform that runs in DIR: it makes
one account, stores N copies of it as a release did that had no items for the words of names,
upgrades them, and upgrades again when nothing is older.
"""

import argparse
import json
from itertools import batched
from pathlib import Path
from subprocess import run
from typing import Any

from kernel.domain.ids import new_id
from tools.bench.restore import ZEBROS, timed
from zebros.client.connection import DEFAULT_TENANT, Connection

RECORDS = 10_000
_BATCH = 25
"""Items of one BatchWriteItem (DynamoDB's limit)."""


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--records", type=int, default=RECORDS)
    options = parser.parse_args()
    timed(f"store {options.records:,} accounts", lambda: _store(options.home, options.records))
    timed("upgrade", lambda: _upgrade(options.home))
    timed("upgrade, nothing is older", lambda: _upgrade(options.home))


def _store(home: Path, count: int) -> None:
    connection = Connection(home=home)
    body = {"name": "Northern Light Trading"}
    made = connection.client().request("POST", "/accounts", body=body).body
    deployment = connection.deployment()
    client, table = deployment.aws("dynamodb"), deployment.resources.table("CustomersTable")
    key = {"pk": {"S": f"TENANT#{DEFAULT_TENANT}#ACCOUNT#{made['id']}"}, "sk": {"S": "STATE"}}
    item = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    del item["search"]
    for some in batched(range(count), _BATCH, strict=False):
        puts = [{"PutRequest": {"Item": _copy(item, str(made["id"]))}} for _ in some]
        client.batch_write_item(RequestItems={table: puts})


def _copy(item: dict[str, Any], own_id: str) -> dict[str, Any]:
    """The item of another account, whose document has no id of its own."""
    other = new_id()
    return {
        name: {"S": value["S"].replace(own_id, other)} if "S" in value else value
        for name, value in item.items()
    }


def _upgrade(home: Path) -> dict[str, Any]:
    """Upgrade everything, also what an earlier upgrade has read to its end."""
    words = ["--home", str(home), "--json", "upgrade", "--check", "--rate", "100000"]
    done = run([*ZEBROS, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
