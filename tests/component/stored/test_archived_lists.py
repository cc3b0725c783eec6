"""Every type of record that a restore of its context may have archived is found and used again."""

from datetime import UTC, datetime

import pytest

from tests.component.stored.kinds import KINDS, Kind

NAMES = ("account", "contact", "opportunity", "product", "task")
ANY = {"if-match": "*"}


@pytest.mark.parametrize("kind", [KINDS[name] for name in NAMES], ids=NAMES)
def test_an_archived_record_is_listed_and_restored(kind: Kind) -> None:
    record = kind.example().with_changes(archived_at=datetime(2026, 6, 1, tzinfo=UTC))
    kind.store.table.put(kind.store.item(record, kind.store.documents.encode(None, record)))

    def listed(archived: str) -> bool:
        query = f"{kind.filter or '?limit=25'}&archived={archived}"
        answer = kind.api("GET", f"{kind.path}{query}")
        assert answer.status == 200, answer.text
        return record.id in [one["id"] for one in answer.json["items"]]

    assert [listed(a) for a in ("exclude", "only", "include")] == [False, True, True]
    restored = kind.api("POST", f"{kind.path}/{record.id}/restore", None, ANY)
    assert restored.status == 200, restored.text
    assert [listed(a) for a in ("exclude", "only", "include")] == [True, False, True]
