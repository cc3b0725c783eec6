"""Brings stored records to the form and the index keys of this release, while the CRM runs.

Lists the keys of the records of each table with a paced Scan, and invokes the maintenance function
of the table's context with them in batches. The place is stored after every batch: an upgrade that
was stopped continues there, and one that was completed has nothing to do until a form changes.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.errors import CliError, NotReady
from zebros.local.home import replace_json
from zebros.operations.scans import UNITS_PER_SECOND, of_tenant, pages

_BATCH = 100
"""Records of one invocation."""


@dataclass(slots=True)
class Counts:
    """What an upgrade has done so far."""

    read: int = 0
    upgraded: int = 0
    unreadable: list[dict[str, str]] = field(default_factory=list)
    """`record` and `reason` of each record that stays as it is."""

    def add(self, result: dict[str, Any]) -> None:
        """Add the result of one invocation."""
        self.read += result["read"]
        self.upgraded += result["upgraded"]
        self.unreadable += result["unreadable"]


@dataclass(slots=True)
class Place:
    """Where an upgrade is, in a file; of another purpose or other forms it begins anew."""

    file: Path
    purpose: dict[str, Any]
    tables: dict[str, Any] = field(default_factory=dict)
    """By table: the key after which to continue; None when it is done."""

    @classmethod
    def read(cls, file: Path, tenant: str | None) -> "Place":
        """The place of the last upgrade of this tenant (None: of all)."""
        place = cls(file, {"forms": current_forms(), "tenant": tenant})
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            if stored["purpose"] == place.purpose:
                place.tables = dict(stored["tables"])
        except (OSError, ValueError, LookupError, TypeError):
            pass  # no place, or none that can be read: the upgrade begins at the start
        return place

    def done(self, table: str) -> bool:
        """Whether a table was read to its end."""
        return table in self.tables and self.tables[table] is None

    def complete(self) -> bool:
        """Whether every table was read to its end: no record is older any more."""
        return all(self.done(one.table) for one in contract().records.values())

    def move(self, table: str, after: dict[str, Any] | None) -> None:
        """Store that a table was upgraded up to a key; None: to its end."""
        self.tables[table] = after
        replace_json(self.file, {"purpose": self.purpose, "tables": self.tables})


def current_forms() -> dict[str, int]:
    """The form that this release stores of each record type, its packing and its index keys."""
    known = contract()
    forms = {name: record.form for name, record in known.records.items()}
    return {**forms, "packing": len(known.dictionaries), "index_keys": known.index_keys}


def upgrade(
    deployment: Deployment,
    place: Place,
    tenant: str | None = None,
    *,
    dry_run: bool = False,
    units_per_second: float = UNITS_PER_SECOND,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Counts]:
    """Upgrade the records of all tables; yields the counts after every batch.

    A dry run begins at the start, counts what would be done, and stores no place. Raises CliError
    when a maintenance function fails; repeating the upgrade continues before the batch that failed.
    """
    counts = Counts()
    known = contract().records.values()
    for table, context in sorted({(one.table, one.context) for one in known}):
        function = f"{context.capitalize()}Maintenance"
        if dry_run or not place.done(table):
            after = None if dry_run else place.tables.get(table)
            found = pages(
                deployment,
                deployment.resources.table(table),
                sort_keys=("STATE",),
                attributes="pk",
                beginning=of_tenant(tenant),
                after=after,
                units_per_second=units_per_second,
                pause=pause,
            )
            for items, last in found:
                keys = [item["pk"]["S"] for item in items]
                for start in range(0, len(keys), _BATCH):
                    batch = keys[start : start + _BATCH]
                    counts.add(_invoke(deployment, function, batch, dry_run=dry_run))
                    yield counts
                if not dry_run:
                    place.move(table, last)
    yield counts


def _invoke(
    deployment: Deployment, function: str, keys: list[str], *, dry_run: bool
) -> dict[str, Any]:
    """Invoke a maintenance function. Raises CliError when it fails."""
    if deployment.resources.find("functions", function) is None:
        raise NotReady(
            f"The deployed stack has no function {function}.",
            hint="It is of an earlier release: deploy this one, then upgrade its records.",
        )
    event = {"command": "upgrade", "keys": keys, "dry_run": dry_run}
    answer = deployment.aws("lambda").invoke(
        FunctionName=deployment.resources.function(function), Payload=json.dumps(event).encode()
    )
    result: dict[str, Any] = json.loads(answer["Payload"].read() or b"null") or {}
    if answer.get("FunctionError") or "read" not in result:
        raise CliError(
            f"{function} failed: {result.get('errorMessage', 'no result')}.",
            hint="Its log has the reason. `zebros upgrade` continues before these records.",
        )
    return result
