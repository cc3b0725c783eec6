"""Records of an earlier form are brought to the current one, in the background."""

import importlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernel.domain.aggregate import Aggregate
from kernel.domain.errors import Busy
from kernel.storage import packing
from kernel.storage.archived import INDEX_KEYS
from kernel.storage.maintenance import COMMANDS, MAX_KEYS, Maintenance
from kernel.storage.packing import unpack
from kernel.storage.records import RecordStore
from tests.component.conftest import published
from tests.component.stored.kinds import KINDS
from tests.component.stored.test_forms import (
    ANN,
    Change,
    Member,
    Person,
    Thing,
    a_store,
    made,
    text_of,
)
from tools.drift import ROOT
from zebros import cli
from zebros.cli import upgrade as command
from zebros.client import aws
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources
from zebros.contract import RecordLocation, contract
from zebros.errors import CliError, NotReady
from zebros.local import supervisor
from zebros.local.home import FORMAT, Home
from zebros.local.supervisor import Options, Supervisor
from zebros.operations import scans
from zebros.operations import upgrade as operations
from zebros.operations.upgrade import Counts, Place

TABLES = {f"{record.table}": "table" for record in contract().records.values()}
FUNCTIONS = {f"{name.capitalize()}Maintenance": name for name in contract().contexts}


def handler(model: type[Aggregate] = Member) -> Maintenance:
    return Maintenance(lambda: (a_store(model),), COMMANDS)


def keys_of(*records: Aggregate) -> list[str]:
    return [f"TENANT#acme#THING#{record.id}" for record in records]


def run(keys: list[str], *, dry_run: bool = False, model: type[Aggregate] = Member) -> Any:
    return handler(model)({"command": "upgrade", "keys": keys, "dry_run": dry_run}, None)


def test_an_older_record_is_rewritten_without_a_change_of_its_version(cloud: Any) -> None:
    things = [made(a_store(Thing), name="Ida Holm"), made(a_store(Thing), name="Bo Lund")]
    person = made(a_store(Person), first="Eva", last="Moe")
    member = made(a_store(Member), first="Eli", last="Dahl", since=2024)
    result = run(keys_of(*things, person, member))
    assert result == {"read": 4, "upgraded": 3, "unreadable": []}
    store = a_store(Member)
    for record in (*things, person, member):
        assert text_of(store, record.id).startswith('{"$schema":3,')
        read = store.get("acme", record.id)
        assert (read.version, read.updated_at) == (1, record.updated_at)
    assert published(cloud) == [], "it is no change"
    again = run(keys_of(*things, person, member))
    assert (again["read"], again["upgraded"]) == (4, 0)


def test_a_dry_run_writes_nothing() -> None:
    thing = made(a_store(Thing), name="Ida Holm")
    assert run(keys_of(thing), dry_run=True)["upgraded"] == 1
    assert "$schema" not in text_of(a_store(Thing), thing.id)


def before_a_write(change: Callable[[], None], times: int) -> None:
    """Make a change before each of so many writes of an upgrade."""
    from kernel.runtime import aws as runtime

    events = runtime.client("dynamodb").meta.events
    left = [times]

    def hook(**_: Any) -> None:
        events.unregister("before-call.dynamodb.PutItem", hook)
        left[0] -= 1
        change()
        if left[0]:
            events.register("before-call.dynamodb.PutItem", hook)

    events.register("before-call.dynamodb.PutItem", hook)


def store_again(thing: Thing) -> None:
    """A change by a function of the earlier release: it leaves the record in the older form."""
    store = a_store(Thing)
    now = store.get("acme", thing.id)
    store.save(ANN, now, Change(now.with_changes(name=f"{now.name}!")))


def test_a_record_that_changes_meanwhile_is_upgraded_as_it_is_then() -> None:
    thing = made(a_store(Thing), name="Ida Holm")
    before_a_write(lambda: store_again(thing), times=3)
    result = run(keys_of(thing))
    assert result == {"read": 1, "upgraded": 1, "unreadable": []}
    read = a_store(Member).get("acme", thing.id)
    assert (read.last, read.version) == ("Holm!!!", 4)
    assert text_of(a_store(Member), thing.id).startswith('{"$schema":3,')


def test_a_record_that_others_keep_changing_ends_the_upgrade_before_it() -> None:
    first, thing = (made(a_store(Thing), name=name) for name in ("Ida Holm", "Bo Lund"))
    run(keys_of(first))
    before_a_write(lambda: store_again(thing), times=6)
    key = keys_of(thing)[0]
    with pytest.raises(Busy, match=f"Other requests keep changing the record {key}."):
        run(keys_of(first, thing))
    assert "$schema" not in text_of(a_store(Thing), thing.id)
    assert run(keys_of(thing))["upgraded"] == 1, "the next one upgrades it"


def test_what_cannot_be_read_stays_and_is_named() -> None:
    store = a_store(Thing)
    thing = made(store, name="Ida Holm")
    (key,) = keys_of(thing)
    for text, reason in (
        ("no JSON", "JSONDecodeError"),
        (
            '{"name":"Ida"}',
            "created_at missing, created_by missing, updated_at missing, updated_by missing",
        ),
        ('{"$schema":9}', "ValueError"),
        ('{"name":["secret"]}', "ValueError"),
    ):
        store.table.put(store.item(thing, text))
        assert run([key])["unreadable"] == [{"record": key, "reason": reason}]
        assert text_of(store, thing.id) == text
    assert run(["TENANT#acme#OTHER#1", "x"])["unreadable"] == [
        {"record": "TENANT#acme#OTHER#1", "reason": "no type of record"},
        {"record": "x", "reason": "no type of record"},
    ]
    assert run(["TENANT#acme#THING#none"])["read"] == 0


def test_index_keys_are_those_of_the_current_form_and_other_attributes_stay() -> None:
    thing = made(a_store(Thing), name="Ida Holm")
    store = RecordStore(
        a_store(Member).table, Member, "thing", lambda m: {"gsi1pk": m.last, "gsi1sk": "x"}
    )
    text = a_store(Thing).documents.encode(None, thing)
    more = {"gsi2pk": "old", "gsi2sk": "old", "later": "kept", "version": 7}
    item = {**a_store(Thing).item(thing, text), **more}
    store.table.put(item)
    maintenance = Maintenance(lambda: (store,), COMMANDS)
    assert maintenance({"command": "upgrade", "keys": keys_of(thing)}, None)["upgraded"] == 1
    after = store.table.get(item["pk"], "STATE", consistent=True)
    assert after is not None
    assert (after["gsi1pk"], after["later"], after["version"]) == ("Holm", "kept", 7)
    assert "gsi2pk" not in after


def test_a_record_of_an_older_dictionary_is_packed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = made(a_store(Thing), name="Ida Holm")
    monkeypatch.setattr(packing, "DICTIONARIES", (*packing.DICTIONARIES, b"another"))
    monkeypatch.setattr(packing, "_CURRENT", len(packing.DICTIONARIES) - 1)
    assert run(keys_of(thing), model=Thing)["upgraded"] == 1
    assert run(keys_of(thing), model=Thing)["upgraded"] == 0
    assert a_store(Thing).get("acme", thing.id).name == "Ida Holm"


@pytest.mark.parametrize(
    "event",
    [
        {"command": "upgrade"},
        {"command": "upgrade", "keys": "x"},
        {"command": "upgrade", "keys": [1]},
        {"command": "upgrade", "keys": ["x"] * (MAX_KEYS + 1)},
        {"command": "drop", "keys": []},
        {},
    ],
)
def test_a_wrong_command_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"keys must|at most|no command"):
        handler()(event, None)


def test_every_context_has_a_maintenance_function() -> None:
    for function, context in FUNCTIONS.items():
        sample = json.loads((ROOT / f"events/requests/{function}.json").read_text(encoding="utf-8"))
        maintenance = importlib.import_module(f"{context}.handlers.maintenance").handler
        assert maintenance(sample, None)["read"] == 0


class Lambda:
    """Invokes maintenance functions in this process."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.fails_after = 10_000
        self.things = False

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        event = json.loads(Payload)
        if len(self.keys) + len(event["keys"]) > self.fails_after:
            error = {"errorMessage": "it failed"}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(error).encode())}
        self.keys += event["keys"]
        function = handler() if self.things else _maintenance_of(FunctionName)
        return {"Payload": io.BytesIO(json.dumps(function(event, None)).encode())}


def _maintenance_of(context: str) -> Maintenance:
    module = importlib.import_module(f"{context}.handlers.maintenance")
    return module.handler  # type: ignore[no-any-return]


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Lambda:
    made = Lambda()
    aws.client.cache_clear()
    monkeypatch.setattr(
        Deployment, "aws", lambda _, name: made if name == "lambda" else aws.client(name)
    )
    return made


@pytest.fixture
def deployment(functions: Lambda, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """One table and one maintenance function, whose records are things."""
    functions.things = True
    location = RecordLocation("customers", "CustomersTable", 3)
    known = contract()
    monkeypatch.setattr(
        operations,
        "contract",
        lambda: replace(known, records={"thing": location}),
    )
    monkeypatch.setattr(scans, "_PAGE", 10)
    monkeypatch.setattr(operations, "_BATCH", 4)
    resources = {"tables": TABLES, "functions": FUNCTIONS}
    return Deployment(Resources(resources), None, "us-east-1")


def things(count: int) -> list[Aggregate]:
    return [made(a_store(Thing), name=f"Ida {number}") for number in range(count)]


def last(steps: Any) -> Counts:
    counts = Counts()
    for counts in steps:  # noqa: B007
        pass
    return counts


def test_all_records_are_upgraded_and_a_second_run_has_nothing_to_do(
    deployment: Deployment, functions: Lambda, tmp_path: Path
) -> None:
    made_things = things(25)
    file = tmp_path / "home" / "upgrade.json"
    pauses: list[float] = []
    counts = last(operations.upgrade(deployment, Place.read(file, None), pause=pauses.append))
    assert (counts.read, counts.upgraded, counts.unreadable) == (25, 25, [])
    assert sorted(functions.keys) == sorted(keys_of(*made_things))
    assert len(pauses) == 2
    assert all(0 <= pause < 1 for pause in pauses)
    again = last(operations.upgrade(deployment, Place.read(file, None)))
    assert again.read == 0
    assert len(functions.keys) == 25, "no table is read again"


def test_an_upgrade_that_was_stopped_continues_where_it_was(
    deployment: Deployment, functions: Lambda, tmp_path: Path
) -> None:
    things(25)
    file = tmp_path / "upgrade.json"
    steps = operations.upgrade(deployment, Place.read(file, None), pause=lambda _: None)
    while next(steps).read < 13:
        pass
    steps.close()
    before = len(functions.keys)
    counts = last(operations.upgrade(deployment, Place.read(file, None), pause=lambda _: None))
    assert counts.read == 15, "the page in which it stopped, and the rest"
    assert counts.upgraded == 25 - before
    for record in a_store(Member).table._client.scan(TableName="table")["Items"]:
        assert unpack(record["doc"]["B"]).startswith('{"$schema":3,')


def test_a_failed_batch_is_repeated_by_the_next_run(
    deployment: Deployment, functions: Lambda, tmp_path: Path
) -> None:
    things(8)
    functions.fails_after = 4
    file = tmp_path / "upgrade.json"
    with pytest.raises(CliError, match="CustomersMaintenance failed: it failed"):
        last(operations.upgrade(deployment, Place.read(file, None)))
    functions.fails_after = 100
    counts = last(operations.upgrade(deployment, Place.read(file, None)))
    assert (counts.read, counts.upgraded) == (8, 4)


def test_only_the_records_of_one_tenant_are_upgraded(
    deployment: Deployment, functions: Lambda, tmp_path: Path
) -> None:
    ours = things(2)
    other = ours[0].model_copy(update={"tenant_id": "acme2"})
    store = a_store(Thing)
    store.table.put(store.item(other, '{"name":"Eva"}'))  # type: ignore[arg-type]
    place = Place.read(tmp_path / "u.json", "acme")
    assert last(operations.upgrade(deployment, place, "acme")).read == 2
    assert sorted(functions.keys) == sorted(keys_of(*ours))
    assert Place.read(tmp_path / "u.json", "acme").done("CustomersTable")
    assert not Place.read(tmp_path / "u.json", None).done("CustomersTable"), "another purpose"


def test_a_new_form_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "u.json"
    Place.read(file, None).move("AccountsTable", None)
    assert Place.read(file, None).done("AccountsTable")
    monkeypatch.setattr(operations, "current_forms", lambda: {"account": 2})
    assert not Place.read(file, None).done("AccountsTable")
    file.write_text("[]", encoding="utf-8")
    assert Place.read(file, None).tables == {}


def test_a_stack_of_an_earlier_release_is_named(functions: Lambda, tmp_path: Path) -> None:
    made(a_store(Thing), name="Ida Holm")
    old = Deployment(Resources({"tables": TABLES}), None, "us-east-1")
    with pytest.raises(NotReady, match="has no function ActivitiesMaintenance"):
        last(operations.upgrade(old, Place.read(tmp_path / "u.json", None)))


class StackInPlace:
    """A deployment that takes no time."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def deploy(self, report: Any) -> None:
        report("Deployed")

    def resources(self) -> Resources:
        return Resources({"tables": TABLES, "functions": FUNCTIONS})

    def outputs(self) -> dict[str, str]:
        return {}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """Start the CRM of a folder without its processes; returns what it said."""

    def started() -> list[str]:
        said: list[str] = []
        local = Supervisor(Home(tmp_path), Options(), said.append)
        try:
            local.start()
        finally:
            local.stop()
        return said

    state = {"task_queue": "", "functions": {}}
    monkeypatch.setattr(supervisor, "Stack", StackInPlace)
    monkeypatch.setattr(supervisor.parts, "state_document", lambda *_: dict(state))
    monkeypatch.setattr(Supervisor, "_ports", lambda *_: (1, 2))
    monkeypatch.setattr(Supervisor, "_start", lambda *_: None)
    return started


def data_of(home: Path) -> Any:
    return json.loads((home / "data.json").read_text(encoding="utf-8"))


def test_up_upgrades_the_records_of_an_earlier_release(
    deployment: Deployment,
    start: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    made_things = things(5)
    (tmp_path / "platform").mkdir()
    (tmp_path / "data.json").write_text(json.dumps({"format": FORMAT}), encoding="utf-8")
    said = start()
    assert said[-2:] == [
        "Upgrading the records of an earlier release",
        "5 of 5 records upgraded, 0 unreadable",
    ]
    for thing in made_things:
        assert text_of(a_store(Member), thing.id).startswith('{"$schema":3,')
    assert data_of(tmp_path) == {
        "format": FORMAT,
        "forms": {"thing": 3, "packing": 1, "index_keys": INDEX_KEYS},
    }
    assert "Upgrading the records of an earlier release" not in start(), "once"


def test_up_of_a_new_folder_upgrades_nothing(
    deployment: Deployment,
    functions: Lambda,
    start: Callable[[], list[str]],
    tmp_path: Path,
) -> None:
    assert start()[-1] == "Deployed"
    assert functions.keys == []
    assert data_of(tmp_path)["forms"] == {"thing": 3, "packing": 1, "index_keys": INDEX_KEYS}


def test_an_upgrade_that_fails_is_repeated_by_the_next_start(
    deployment: Deployment,
    functions: Lambda,
    start: Callable[[], list[str]],
    tmp_path: Path,
) -> None:
    things(5)
    (tmp_path / "platform").mkdir()
    data = {"format": FORMAT, "forms": {"thing": 2, "packing": 1}}
    (tmp_path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    functions.fails_after = 4
    with pytest.raises(CliError, match="CustomersMaintenance failed"):
        start()
    assert data_of(tmp_path) == data
    functions.fails_after = 100
    assert start()[-1] == "1 of 5 records upgraded, 0 unreadable"


@pytest.fixture
def connected(functions: Lambda, monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """The command, connected to one table with every context's maintenance function."""
    resources = Resources({"tables": TABLES, "functions": FUNCTIONS})
    found = Deployment(resources, None, "us-east-1")
    monkeypatch.setattr(Connection, "deployment", lambda self: found)
    return functions


def zebros(home: Path, *words: str) -> int:
    return cli.main(["--home", str(home), "upgrade", *words])


def test_an_upgrade_that_was_completed_reads_nothing_until_it_is_asked_to_check(
    connected: Lambda,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    completed = "An earlier upgrade to these forms was completed; `--check` reads every record"
    things(2)
    assert zebros(tmp_path) == 0
    assert completed not in capsys.readouterr().err
    first = len(connected.keys)
    assert first
    assert zebros(tmp_path) == 0
    assert completed in capsys.readouterr().err
    assert len(connected.keys) == first
    for word in ("--check", "--dry-run"):
        before = len(connected.keys)
        assert zebros(tmp_path, word) == 0
        assert completed not in capsys.readouterr().err
        assert len(connected.keys) == before + first
    monkeypatch.setattr(operations, "current_forms", lambda: {"account": 2})
    assert zebros(tmp_path) == 0
    assert completed not in capsys.readouterr().err


def test_the_command_checks_every_record_and_lists_the_unreadable(
    connected: Lambda, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in KINDS.values():
        wrong = kind.name in ("contact", "task")
        kind.store_as({**kind.document(), "created_by": [] if wrong else "ann"})
    assert zebros(tmp_path, "--check", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    # The tables of all contexts are one here, so each function gets the keys of all.
    assert result["upgraded"] == 0
    reasons = {one["record"]: one["reason"] for one in result["unreadable"]}
    for name in ("contact", "task"):
        key = f"TENANT#acme#{name.upper()}#{KINDS[name].example().id}"
        assert "created_by string_type" in [
            one["reason"] for one in result["unreadable"] if one["record"] == key
        ]
    assert reasons
    assert zebros(tmp_path, "--check") == 0
    assert "unreadable" in capsys.readouterr().out


def test_ctrl_c_stops_the_command(
    connected: Lambda,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        yield Counts(read=5, upgraded=3)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", interrupted)
    assert zebros(tmp_path, "--check") == 130
    assert "The upgrade is stopped; 3 records upgraded." in capsys.readouterr().err


def test_a_tenant_that_is_none_is_refused(connected: Lambda, tmp_path: Path) -> None:
    assert zebros(tmp_path, "--tenant", "a#b") == 65
