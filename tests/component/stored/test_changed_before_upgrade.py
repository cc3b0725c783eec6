"""A record of an earlier release is changed before it is upgraded, and is upgraded nevertheless.

Accounts and contacts of the first release have no search entries, and texts that must be unique
have no items. A change writes what it changes; only the upgrade writes all of them.
"""

import base64
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from kernel.storage import restoring
from kernel.storage import upgrade as upgrading
from kernel.storage.maintenance import Maintenance
from kernel.storage.records import RecordStore
from tests.component.stored.kinds import KINDS, TENANT, Kind

FOUND_BY = {
    "account": ("/accounts?name_prefix=ltd", {"name": "Umbra Ltd"}),
    "contact": ("/contacts?name_prefix=holm", {"first_name": "Ida", "last_name": "Holm"}),
}


def maintenance(kind: Kind) -> Maintenance:
    module = importlib.import_module(f"{kind.context}.handlers.maintenance")
    return module.handler  # type: ignore[no-any-return]


def upgrade(kind: Kind, record_id: str) -> Any:
    keys = [kind.store.key(TENANT, record_id)]
    return maintenance(kind)({"command": "upgrade", "keys": keys, "dry_run": False}, None)


def store_older(kind: Kind, **fields: Any) -> str:
    """The example as a release without search entries stored it."""
    example = kind.example().with_changes(**fields)
    item = kind.store.item(example, kind.store.documents.encode(None, example))
    kind.store.table.put({name: value for name, value in item.items() if name != "search"})
    return example.id


def change(kind: Kind, record_id: str) -> None:
    answer = kind.api("PATCH", f"{kind.path}/{record_id}", kind.patch, {"if-match": "*"})
    assert answer.status == 200, answer.text


def change_what_was_read(kind: Kind, record_id: str) -> None:
    etag = kind.api("GET", f"{kind.path}/{record_id}").headers["etag"]
    answers = [
        kind.api("PATCH", f"{kind.path}/{record_id}", kind.patch, {"if-match": etag}).status
        for _ in range(2)
    ]
    assert answers == [412, 200], "an upgrade changes no ETag, so the request succeeds as it was"


def archive(kind: Kind, record_id: str) -> None:
    for step in ("archive", "restore"):
        answer = kind.api("POST", f"{kind.path}/{record_id}/{step}", {}, {"if-match": "*"})
        assert answer.status == 200, answer.text


def restore(kind: Kind, **fields: Any) -> dict[str, Any]:
    """`zebros restore` to a time when the record had these fields."""
    earlier = kind.example().with_changes(**fields)
    item = kind.store.item(earlier, kind.store.documents.encode(None, earlier))
    doc = base64.b64encode(item["doc"]).decode()
    event = {
        "command": "restore",
        "records": [{"record": item["pk"], "doc": doc}],
        "run": "restore-customers-1",
        "began": None,
        "dry_run": False,
    }
    return maintenance(kind)(event, None)


def bring_back(kind: Kind, record_id: str) -> None:
    """The record had another owner."""
    assert restore(kind, owner_id="bob", **FOUND_BY[kind.name][1])["restored"] == 1


def repair(kind: Kind, record_id: str) -> None:
    """A restore finds the right record without its index keys."""
    item = kind.store.table.get(kind.store.key(TENANT, record_id), "STATE", consistent=True)
    assert item is not None
    kind.store.table.put({name: one for name, one in item.items() if not name.startswith("gsi")})
    restore(kind, **FOUND_BY[kind.name][1])


@pytest.mark.parametrize("changed", [change, archive, bring_back])
@pytest.mark.parametrize("name", FOUND_BY)
def test_an_older_record_that_was_changed_gets_its_search_entries(
    name: str, changed: Callable[[Kind, str], None]
) -> None:
    kind = KINDS[name]
    query, names = FOUND_BY[name]
    record_id = store_older(kind, **names)
    changed(kind, record_id)
    assert upgrade(kind, record_id)["upgraded"] == 1
    assert [one["id"] for one in kind.api("GET", query).json["items"]] == [record_id]
    assert upgrade(kind, record_id)["upgraded"] == 0


@pytest.mark.parametrize("name", FOUND_BY)
def test_an_older_record_that_changes_during_its_upgrade_gets_its_search_entries(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = KINDS[name]
    query, names = FOUND_BY[name]
    record_id = store_older(kind, **names)
    write, changes = upgrading._write, [change, archive]

    def meanwhile(*written: Any) -> None:
        if changes:
            changes.pop()(kind, record_id)
        write(*written)

    monkeypatch.setattr(upgrading, "_write", meanwhile)
    assert upgrade(kind, record_id)["upgraded"] == 1
    assert not changes
    assert [one["id"] for one in kind.api("GET", query).json["items"]] == [record_id]


def upgraded_first(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, kind: Kind, record_id: str
) -> None:
    """The upgrade is between a writer's read and its write, which `method` of `owner` makes."""
    original, left = getattr(owner, method), [upgrade]

    def later(*arguments: Any) -> Any:
        if left:
            assert left.pop()(kind, record_id)["upgraded"] == 1
        return original(*arguments)

    monkeypatch.setattr(owner, method, later)


@pytest.mark.parametrize(
    ("owner", "method", "changed"),
    [
        (RecordStore, "save", change),
        (RecordStore, "save", change_what_was_read),
        (RecordStore, "save", archive),
        (restoring._Restorer, "_actions", bring_back),
        (restoring._Restorer, "_repair", repair),
    ],
)
@pytest.mark.parametrize("name", FOUND_BY)
def test_what_was_begun_before_the_upgrade_leaves_nothing_to_upgrade(
    name: str,
    owner: type,
    method: str,
    changed: Callable[[Kind, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = KINDS[name]
    query, names = FOUND_BY[name]
    record_id = store_older(kind, **names)
    upgraded_first(monkeypatch, owner, method, kind, record_id)
    changed(kind, record_id)
    assert upgrade(kind, record_id)["upgraded"] == 0
    assert [one["id"] for one in kind.api("GET", query).json["items"]] == [record_id]


def test_the_code_of_an_older_product_that_was_changed_is_unique() -> None:
    kind = KINDS["product"]
    record_id = store_older(kind, code="LIC-1")
    change(kind, record_id)
    assert upgrade(kind, record_id)["upgraded"] == 1
    again = kind.api("POST", "/products", {"name": "Other", "code": "lic-1"})
    assert again.status == 409
    assert upgrade(kind, record_id)["upgraded"] == 0


@pytest.mark.parametrize("name", [*FOUND_BY, "product"])
def test_a_change_of_a_current_record_leaves_nothing_to_upgrade(name: str) -> None:
    kind = KINDS[name]
    example = kind.example()
    kind.store.table.put(kind.store.item(example, kind.store.documents.encode(None, example)))
    change(kind, example.id)
    assert upgrade(kind, example.id)["upgraded"] == 0
