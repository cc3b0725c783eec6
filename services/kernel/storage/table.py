"""The only module that writes DynamoDB expressions and knows the wire format.

Attributes are text, whole numbers or bytes. A record's state is one packed JSON document (`doc`)
beside its key attributes, which is faster to read than many attributes (docs/adr/0003, 0008).
"""

import base64
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from kernel.domain.errors import Busy, CrmError

Item = dict[str, Any]
"""Attributes by name: text, whole numbers, and bytes."""
Wire = dict[str, dict[str, Any]]

TRANSACTION_LIMIT = 100
"""Actions in one TransactWriteItems (DynamoDB's limit)."""
READ_LIMIT = 100
"""Keys in one BatchGetItem (DynamoDB's limit)."""


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole item. Raises `error` when a condition fails."""

    item: Item
    absent: bool = False
    """Only if no item has this key; with `unchanged`, also if the item is that one."""
    version: int | None = None
    """Only if the stored item has this `version`."""
    unlike: Item | None = None
    """With `version`: only if the stored item has none of these attributes with their values."""
    unchanged: Item | None = None
    """Only if the stored item still has the attributes of this one."""
    error: CrmError | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class Add:
    """Add whole numbers to attributes of an item; creates the item if it does not exist."""

    pk: str
    sk: str
    amounts: dict[str, int]
    fixed: Item = field(default_factory=dict)
    """Attributes that are set to these values."""
    table: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an item, if it exists. Raises `error` when the condition fails."""

    pk: str
    sk: str
    unchanged: Item | None = None
    """Only if the stored item still has the attributes of this one."""
    error: CrmError | None = None
    table: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Raises `error` unless the item exists and has `version`, if one is given."""

    pk: str
    sk: str
    error: CrmError
    version: int | None = None
    table: str = ""


Action = Put | Add | Delete | Check


@dataclass(frozen=True, slots=True)
class QueryPage:
    """One page of a Query: the items and, if there are more, the key to continue after."""

    items: list[Item]
    last_key: Item | None


class Table:
    """One DynamoDB table. Every method is one call to DynamoDB, and writes are retried.

    `reads`, if there is one, answers `get` and `query` unless they must be consistent: a client
    with these two operations (kernel/storage/dax.py).
    """

    def __init__(self, client: Any, name: str, reads: Any = None) -> None:
        self._client, self.name = client, name
        self._reads = client if reads is None else reads

    def sibling(self, name: str) -> "Table":
        """Another table of the same client; this one if it has that name."""
        return self if name == self.name else Table(self._client, name)

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> Item | None:
        """One item by key: 0.5 read units per 4 KB, 1 when `consistent`."""
        reader = self._client if consistent else self._reads
        response = reader.get_item(
            TableName=self.name, Key=_wire({"pk": pk, "sk": sk}), ConsistentRead=consistent
        )
        return _item(response["Item"]) if "Item" in response else None

    def get_many(self, keys: Sequence[tuple[str, str]], *, consistent: bool = False) -> list[Item]:
        """The items that exist of at most READ_LIMIT keys, in no order; costs as many single reads.

        Keys that DynamoDB leaves unprocessed, because it throttles, are read one by one.
        """
        wires = [_wire({"pk": pk, "sk": sk}) for pk, sk in keys]
        response = self._client.batch_get_item(
            RequestItems={self.name: {"Keys": wires, "ConsistentRead": consistent}}
        )
        items = [_item(wire) for wire in response["Responses"].get(self.name, ())]
        unprocessed = response.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", ())
        for key in map(_item, unprocessed):
            item = self.get(str(key["pk"]), str(key["sk"]), consistent=consistent)
            if item is not None:
                items.append(item)
        return items

    def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        prefix: str | None = None,
        between: tuple[str, str] | None = None,
        limit: int = 25,
        after: Item | None = None,
        newest_first: bool = False,
        consistent: bool = False,
    ) -> QueryPage:
        """One page of a partition in sort-key order, narrowed by `prefix` or `between`."""
        if between is not None and between[0] > between[1]:
            return QueryPage([], None)  # DynamoDB rejects a range whose end is before its start
        name = index or ""
        names, values = {"#p": f"{name}pk"}, {":p": pk}
        condition = "#p = :p"
        if prefix is not None:
            names["#s"], values[":s"] = f"{name}sk", prefix
            condition += " AND begins_with(#s, :s)"
        elif between is not None:
            names["#s"], values[":a"], values[":z"] = f"{name}sk", between[0], between[1]
            condition += " AND #s BETWEEN :a AND :z"
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {k: {"S": v} for k, v in values.items()},
            "Limit": limit,
            "ScanIndexForward": not newest_first,
        }
        if index:
            arguments["IndexName"] = index
        elif consistent:
            arguments["ConsistentRead"] = True
        if after:
            arguments["ExclusiveStartKey"] = _wire(after)
        page = (self._client if consistent else self._reads).query(**arguments)
        last = page.get("LastEvaluatedKey")
        return QueryPage([_item(i) for i in page["Items"]], _item(last) if last else None)

    def put(self, item: Item) -> None:
        """Write one item without a condition or transaction."""
        self._write_one(self._client.put_item, Item=_wire(item))

    def put_if(self, put: Put) -> None:
        """Carry out one Put without a transaction. Raises its `error` when its condition fails."""
        try:
            self._write_one(self._client.put_item, Item=_wire(put.item), **_condition(put))
        except ClientError as fault:
            failed = fault.response["Error"]["Code"] == "ConditionalCheckFailedException"
            if failed and put.error is not None:
                raise put.error from fault
            raise

    def delete(self, pk: str, sk: str) -> None:
        """Delete one item without a transaction."""
        self._write_one(self._client.delete_item, Key=_wire({"pk": pk, "sk": sk}))

    def transact(self, actions: Sequence[Action]) -> None:
        """Carry out all actions or none (one TransactWriteItems).

        Raises the `error` of the first action whose condition failed. Raises Busy when
        the last attempt conflicts with other writers. Other errors are raised unchanged.
        """
        items = [self._action(action) for action in actions]
        for _ in _attempts():
            try:
                self._client.transact_write_items(TransactItems=items)
                return
            except ClientError as fault:
                if fault.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                reasons = [r.get("Code") for r in fault.response.get("CancellationReasons", [])]
                for action, reason in zip(actions, reasons, strict=False):
                    error = getattr(action, "error", None)
                    if reason == "ConditionalCheckFailed" and error is not None:
                        raise error from fault
                if not _RETRYABLE.issuperset(r for r in reasons if r not in (None, "None")):
                    raise

    def _action(self, action: Action) -> dict[str, Any]:
        table = action.table or self.name
        match action:
            case Put():
                return {
                    "Put": {"TableName": table, "Item": _wire(action.item), **_condition(action)}
                }
            case Delete():
                key = _wire({"pk": action.pk, "sk": action.sk})
                return {"Delete": {"TableName": table, "Key": key, **_same(action.unchanged)}}
            case Check():
                return {
                    "ConditionCheck": {
                        "TableName": table,
                        "Key": _wire({"pk": action.pk, "sk": action.sk}),
                        **(_at_version(action.version) or _EXISTS),
                    }
                }
            case Add():
                return {"Update": {"TableName": table, **_update(action)}}

    def add(self, action: Add) -> None:
        """Carry out one Add without a transaction."""
        self._write_one(self._client.update_item, **_update(action))

    def _write_one(self, write: Callable[..., Any], **arguments: Any) -> None:
        """One write without a transaction. Raises Busy when every attempt conflicts."""
        for _ in _attempts():
            try:
                write(TableName=self.name, **arguments)
                return
            except ClientError as fault:
                # The only retryable error that botocore does not retry itself.
                if fault.response["Error"]["Code"] != "TransactionConflictException":
                    raise


_ATTEMPTS = 6
_RETRYABLE = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_EXISTS: dict[str, Any] = {"ConditionExpression": "attribute_exists(pk)"}


def _attempts() -> Iterator[None]:
    """Yield once for each attempt at a write, with pauses. Raises Busy after the last."""
    for attempt in range(_ATTEMPTS):
        yield
        # Full jitter: writers that conflicted retry at different times.
        time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
    raise Busy("Too many changes to the same record at once; send the request again.")


def _condition(put: Put) -> dict[str, Any]:
    if put.absent:
        same = _same(put.unchanged)
        either = f"attribute_not_exists(pk) OR ({same['ConditionExpression']})" if same else ""
        return {**same, "ConditionExpression": either or "attribute_not_exists(pk)"}
    return _at_version(put.version, put.unlike) or _same(put.unchanged)


def _at_version(version: int | None, unlike: Item | None = None) -> dict[str, Any]:
    """The condition that the stored item still has this version; empty for None."""
    if version is None:
        return {}
    expression, names, values = "#v = :v", {"#v": "version"}, {":v": {"N": str(version)}}
    for i, (name, value) in enumerate((unlike or {}).items()):
        expression += f" AND NOT #u{i} = :u{i}"
        names[f"#u{i}"], values[f":u{i}"] = name, _value(value)
    return {
        "ConditionExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _same(item: Item | None) -> dict[str, Any]:
    """The condition that the stored item still has the attributes of this one; empty for None."""
    rest = [(name, value) for name, value in (item or {}).items() if name not in ("pk", "sk")]
    if not rest:
        return {}
    return {
        "ConditionExpression": " AND ".join(f"#s{i} = :s{i}" for i in range(len(rest))),
        "ExpressionAttributeNames": {f"#s{i}": name for i, (name, _) in enumerate(rest)},
        "ExpressionAttributeValues": {f":s{i}": _value(value) for i, (_, value) in enumerate(rest)},
    }


def _update(add: Add) -> dict[str, Any]:
    names = {f"#a{i}": name for i, name in enumerate([*add.amounts, *add.fixed])}
    values: dict[str, Any] = {
        f":a{i}": _value(value)
        for i, value in enumerate([*add.amounts.values(), *add.fixed.values()])
    }
    n = len(add.amounts)
    expression = "ADD " + ", ".join(f"#a{i} :a{i}" for i in range(n))
    if add.fixed:
        expression += " SET " + ", ".join(f"#a{i} = :a{i}" for i in range(n, len(names)))
    return {
        "Key": _wire({"pk": add.pk, "sk": add.sk}),
        "UpdateExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _value(value: str | int | bytes) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    return {"B": value} if isinstance(value, bytes) else {"N": str(value)}


def _wire(item: Item) -> Wire:
    return {name: _value(value) for name, value in item.items()}


def _item(wire: Wire) -> Item:
    item: Item = {}
    for name, value in wire.items():
        if "S" in value:
            item[name] = value["S"]
        elif "N" in value:
            item[name] = int(value["N"])
        else:
            # botocore returns bytes; a stream record in a Lambda event has base64 text.
            raw = value["B"]
            item[name] = raw if isinstance(raw, bytes) else base64.b64decode(raw)
    return item


def from_stream(image: Wire) -> Item:
    """An item from a record of a table's stream."""
    return _item(image)
