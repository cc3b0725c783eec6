"""Global tables: two platforms have replicas of the same tables.

Without this patch: CloudFormation ignores `Replicas` and `MultiRegionConsistency` of a GlobalTable,
and the emulator replicates within one process only, so that no region could be lost.

Fix: each write has a stamp, its time and its region, in its stream record. A replicator
(zebros/local/replicator.py) reads the writes of one platform and sends them to the other, which
stores a write unless the item has one with a later stamp (last writer wins). That is decided
between two requests, so no write of a function comes between. Stamps survive a crash: they are in
the journal, and the stream of a replica is saved in full. Tables with strong consistency are in
strong_tables.py.

GET  /_zebros/replicas?table=NAME         definition, items and their stamps
POST /_zebros/replicas                    create a replica from that
POST /_zebros/replicas/reads              this region's writes since `positions` (table: number)
POST /_zebros/replicas/writes?table=NAME  store `changes` of the other `region`
"""

import copy
import json
import os
import time
from collections import defaultdict
from typing import Any

from zebros.emulator import stamps
from zebros.emulator.patching import module, replace, settle_after
from zebros.emulator.stamps import Stamp

type Key = tuple[str, str]

REGIONS, CONSISTENCY, STRONG = "_global_regions", "_consistency", "STRONG"
"""In a table: its regions, as in the emulator's own global tables, and how they agree."""
_FIRST = "_first_stamps"
"""In a table: the stamps of the items with which the replica was created."""
_TYPE = "AWS::DynamoDB::GlobalTable"
_NEVER: Stamp = (float("-inf"), "")
_PAGE = 500
"""Stream records that one request for changes reads."""


class UnknownTable(LookupError):
    """There is no such table in this region, or it has no replica."""


class Replicas:
    """The replicated tables of one platform."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._last = 0.0
        self._stamps: dict[str, dict[Key, Stamp]] = {}
        self._read: dict[str, int] = {}

    def new_stamp(self) -> Stamp:
        """The stamp of a write of now; each is later than the one before it."""
        self._last = max(time.time(), self._last + 1e-6)
        return (self._last, self.region)

    def definition(self, name: str) -> dict[str, Any]:
        """A table with its items and their stamps."""
        tables, table = module("services.dynamodb"), self._table(name)
        left_out = ("items", tables._INDEX_MEMBERS, _FIRST)
        known = self._known(name)
        return {
            "table": {key: value for key, value in table.items() if key not in left_out},
            "ttl": tables._ttl_settings.get(name),
            "items": [
                [pk, sk, item, known.get((pk, sk), (0.0, ""))[0]]
                for pk, some in table["items"].items()
                for sk, item in some.items()
            ],
            "region": self.region,
        }

    def create(self, given: dict[str, Any]) -> str:
        """Create the replica of a table, unless it is there; returns the ARN of its stream."""
        tables = module("services.dynamodb")
        name: str = given["table"]["TableName"]
        if name in tables._tables:
            return str(tables._tables[name].get("LatestStreamArn", ""))
        table = copy.deepcopy(given["table"])
        table["items"] = defaultdict(dict)
        for pk, sk, item, _ in given["items"]:
            table["items"][pk][sk] = item
        table[_FIRST] = [[pk, sk, at, given["region"]] for pk, sk, _, at in given["items"]]
        arn = table["TableArn"].replace(f":{given['region']}:", f":{self.region}:", 1)
        label = tables._stream_label()
        table |= {
            "TableArn": arn,
            "TableId": tables.new_uuid(),
            "CreationDateTime": int(time.time()),
        }
        table |= {"LatestStreamLabel": label, "LatestStreamArn": f"{arn}/stream/{label}"}
        for index in table.get("GlobalSecondaryIndexes", []):
            index["IndexArn"] = f"{arn}/index/{index['IndexName']}"
        tables._tables[name] = table
        tables._items_replaced(table)
        if given["ttl"]:
            tables._ttl_settings[name] = given["ttl"]
        tables._pitr_settings[name] = True
        return str(table["LatestStreamArn"])

    def changes(self, positions: dict[str, int]) -> dict[str, Any]:
        """The writes of this region to each table from a position on, and the next positions.

        A table that `positions` does not name is read from the beginning of its stream.
        """
        tables = module("services.dynamodb")
        found: dict[str, Any] = {}
        for name, table in list(tables._tables.items()):
            if table.get(REGIONS) and table.get(CONSISTENCY) != STRONG:
                position = max(positions.get(name, 0), tables.stream_start_position(name))
                records = tables.stream_records_since(name, position, _PAGE)
                own = [self._own(one) for one in records if _stamp(one)[1] == self.region]
                found[name] = {"position": position + len(records), "changes": own}
        return {"process": os.getpid(), "tables": found}

    @staticmethod
    def _own(record: dict[str, Any]) -> list[Any]:
        change = record["dynamodb"]
        return [change["Keys"], change.get("NewImage"), _stamp(record)[0]]

    def store(self, name: str, region: str, changes: list[Any]) -> dict[str, int]:
        """Store writes of the other region; of two writes to an item the later one wins."""
        tables, table = module("services.dynamodb"), self._table(name)
        counts = {"stored": 0, "dropped": 0}
        for keys, item, at in changes:
            key = _key(table, keys)
            stamp: Stamp = (float(at), region)
            if self._known(name).get(key, _NEVER) >= stamp:
                counts["dropped"] += 1
                continue
            counts["stored"] += 1
            with stamps.applying(stamp):
                if item is not None:
                    old = tables._set_item(table, *key, item)
                    tables._emit_stream_event(name, "MODIFY" if old else "INSERT", old, item)
                elif (old := tables._remove_item(table, *key)) is not None:
                    tables._emit_stream_event(name, "REMOVE", old, None)
            # Also of a write that leaves no record, because it changes nothing.
            self._stamps[name][key] = stamp
        return counts

    def _known(self, name: str) -> dict[Key, Stamp]:
        """The stamps of the table's items: those of its first items, then those of the stream."""
        tables, table = module("services.dynamodb"), module("services.dynamodb")._tables[name]
        if name not in self._stamps:
            first: list[Any] = table.get(_FIRST, [])
            self._stamps[name] = {(pk, sk): (at, region) for pk, sk, at, region in first}
            self._read[name] = 0
        position = max(self._read[name], tables.stream_start_position(name))
        for record in tables.stream_records_since(name, position, 1 << 60):
            self._stamps[name][_key(table, record["dynamodb"]["Keys"])] = _stamp(record)
            position += 1
        self._read[name] = position
        return self._stamps[name]

    def _table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] | None = module("services.dynamodb")._tables.get(name)
        if table is None or not table.get(REGIONS):
            raise UnknownTable(name)
        return table


def apply(replicas: Replicas) -> None:
    """Keep what templates say of replicas, and put a stamp on each write."""
    tables = module("services.dynamodb")

    def settle(name: str, props: dict[str, Any]) -> None:
        regions = sorted(one["Region"] for one in props.get("Replicas", []))
        table = tables._tables[name]
        table[REGIONS] = regions if len(regions) > 1 else []
        table[CONSISTENCY] = props.get("MultiRegionConsistency", "EVENTUAL")

    def emit(name: str, event: str, old: Any, new: Any, replicate: bool = True) -> Any:
        table = tables._tables.get(name)
        if table is None or not table.get(REGIONS) or table.get(CONSISTENCY) == STRONG:
            return original_emit(name, event, old, new, replicate)
        stamp = stamps.given() or replicas.new_stamp()
        before = tables.stream_end_position(name)
        with stamps.applying(stamp):
            answer = original_emit(name, event, old, new, replicate)
        if tables.stream_end_position(name) > before:
            record = tables._stream_records[name][-1]
            record[stamps.NAME] = list(stamp)
            if stamp[1] == replicas.region:
                # Also when the journal applies it again after a crash.
                record["dynamodb"]["ApproximateCreationDateTime"] = int(stamp[0])
        return answer

    settle_after(_TYPE, settle)
    original_emit = replace(tables, "_emit_stream_event", emit)


def answer(
    replicas: Replicas, method: str, path: str, query: dict[str, list[str]], body: bytes
) -> tuple[int, dict[str, Any]]:
    """Answer a request for one of the endpoints."""
    name = query.get("table", [""])[0]
    with module("core.responses").request_scope(_account(), replicas.region):
        try:
            match method, path:
                case "GET", "replicas":
                    return 200, replicas.definition(name)
                case "POST", "replicas":
                    return 200, {"stream": replicas.create(json.loads(body))}
                case "POST", "replicas/reads":
                    return 200, replicas.changes(json.loads(body)["positions"])
                case "POST", "replicas/writes":
                    given = json.loads(body)
                    return 200, dict(replicas.store(name, given["region"], given["changes"]))
        except UnknownTable:
            return 404, {"error": f"There is no table {name} with a replica."}
        except (KeyError, TypeError, ValueError) as fault:
            return 422, {"error": f"The request is not understood: {fault!r}."}
    return 404, {"error": f"There is no {method} {path}."}


def _account() -> str:
    return str(module("core.responses").get_account_id())


def _stamp(record: dict[str, Any]) -> Stamp:
    """The stamp of a stream record; one from before there were replicas has the region's own."""
    if (found := record.get(stamps.NAME)) is not None:
        return (float(found[0]), str(found[1]))
    return (float(record["dynamodb"]["ApproximateCreationDateTime"]), str(record["awsRegion"]))


def _key(table: dict[str, Any], keys: dict[str, Any]) -> Key:
    tables = module("services.dynamodb")
    pk, sk = (tables._extract_key_val(keys[table[one]]) for one in ("pk_name", "sk_name"))
    return (pk, sk)
