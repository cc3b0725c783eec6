"""Records and events that each release has stored are read by this one, and by its APIs."""

import base64
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from kernel.domain.aside import aside_of
from kernel.storage.documents import NUMBER
from kernel.storage.packing import unpack
from kernel.storage.table import Item
from tests.component.conftest import ApiClient
from tests.component.stored.conftest import Reported
from tests.component.stored.kinds import KINDS
from tools import stored
from zebros.contract import contract

RELEASES = sorted(path.name for path in stored.FOLDER.iterdir())
FILES = sorted(stored.FOLDER.glob("*/records/*.json"))
EACH = pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parts[-3]}-{f.stem}")
CONSUMERS = [
    "activities.consumers.timeline",
    "opportunities.consumers.board",
    "notifications.consumers.inbox",
]

UNRELEASED = {"import", "person", "scaling_action", "tenant_usage"}
"""Types of records that the release of this version does not have yet."""


def items(file: Path) -> list[Item]:
    found = json.loads(file.read_text(encoding="utf-8"))
    return [{**item, "doc": base64.b64decode(item["doc"])} for item in found]


def test_every_type_of_record_is_tried_in_these_tests() -> None:
    assert set(KINDS) == set(contract().records)


def test_the_next_release_stores_a_sample_of_every_type(
    everything: Any, reported: Reported
) -> None:
    """`tools.release` writes what this renders; types that no release has are read from it."""
    files = stored.render()
    samples = {Path(name).stem: text for name, text in files.items() if "records/" in name}
    assert set(samples) == set(KINDS)
    for name in UNRELEASED:
        store = KINDS[name].store
        for item in json.loads(samples[name]):
            record = store.from_item({**item, "doc": base64.b64decode(item["doc"])})
            assert (record.version, aside_of(record)) == (item["version"], None)
            assert not record.model_extra
            again = store.documents.encode(record, record)
            assert json.loads(again) == json.loads(unpack(base64.b64decode(item["doc"])))
    assert reported.lines == []


def test_the_release_of_this_version_is_stored() -> None:
    assert stored.version() in RELEASES, "run `python -m tools.release`"


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_has_every_type_of_record_that_it_had_tables_for(release: str) -> None:
    kinds = {file.stem for file in FILES if file.parts[-3] == release}
    assert kinds, release
    assert kinds <= set(KINDS), "a record type that is gone needs a decision about its records"
    if release == stored.version():
        assert kinds == set(KINDS) - UNRELEASED


@EACH
def test_a_record_of_every_release_is_read_without_a_difference(
    file: Path, reported: Reported
) -> None:
    store = KINDS[file.stem].store
    for item in items(file):
        record = store.from_item(item)
        assert record.version == item["version"]
        assert aside_of(record) is None
        assert not record.model_extra, "a field was removed or renamed without a new form"
    assert reported.lines == []


@EACH
def test_nothing_of_a_record_is_lost_when_it_is_stored_again(file: Path) -> None:
    """A form may change what a document looks like; its own release stores the same again."""
    store = KINDS[file.stem].store
    for item in items(file):
        text = unpack(item["doc"])
        record = store.from_item(item)
        again = store.documents.encode(record, record)
        if store.documents.is_current(text):
            assert json.loads(again) == json.loads(text)
        else:
            assert json.loads(again)[NUMBER] == store.documents.number


@EACH
def test_the_api_lists_shows_and_changes_a_record_of_every_release(
    file: Path, reported: Reported
) -> None:
    kind = KINDS[file.stem]
    for item in items(file):
        kind.store.table.put(item)
        record = kind.store.from_item(item)
        owner = getattr(record, "assignee_id", None) or record.owner_id or "ann"
        api = ApiClient(kind.api.handler, tenant=record.tenant_id, user=owner)
        closed = kind.name == "task" and record.status == "completed"
        filter_ = "?status=closed" if closed else "" if kind.name == "task" else kind.filter
        listed = api("GET", f"{kind.path}{filter_}")
        shown = record.archived_at is None
        assert (record.id in [one["id"] for one in listed.json["items"]]) == shown
        if kind.gets:
            assert api("GET", f"{kind.path}/{record.id}").json["version"] == record.version
        if kind.patch and shown:
            path = f"{kind.path}/{record.id}"
            changed = api("PATCH", path, kind.patch, {"if-match": f'"{record.version}"'})
            assert changed.status == 200, changed.text
            assert changed.json["version"] in (record.version, record.version + 1)
    assert reported.lines == []


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("release", RELEASES)
def test_consumers_apply_the_events_of_every_release(release: str, consumer: str) -> None:
    events = json.loads((stored.FOLDER / release / "events.json").read_text(encoding="utf-8"))
    handler = importlib.import_module(consumer).handler
    kinds = getattr(handler, "record_types", KINDS)
    consumed = [event for event in events if event["subject"].partition("/")[0] in kinds]
    assert consumed
    for number, event in enumerate(consumed):
        # Each is the first event of a subject of its own, so that none waits for another.
        subject = f"{event['subject'].partition('/')[0]}/01JZEBR0S{number:017d}"
        detail = {**event, "id": f"01JZEBR1S{number:017d}", "subject": subject, "sequence": "1"}
        record = {"messageId": "1", "body": json.dumps({"detail": detail})}
        assert handler({"Records": [record]}, None) == {"batchItemFailures": []}, event["type"]
