"""Every row has one outcome, whatever fails in the network, the API or the process."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from tests.unit.zebros.loading.fake_crm import FakeCrm, Fault, problem
from zebros.errors import ApiError, BadInput, NotReady
from zebros.loading import map_files
from zebros.loading.csv_files import inspect
from zebros.loading.journal import Counts, Journal
from zebros.loading.load import Load, next_allowed
from zebros.loading.mapper import Mapper
from zebros.loading.record_types import RECORD_TYPES
from zebros.loading.references import References

ACCOUNTS = RECORD_TYPES["accounts"]
MAP = """
[fields]
name = "name"
"external_ids.crm" = "id"
employees = "staff"
parent_account_id = { column = "parent", by = "external_ids.crm" }
"""


def csv(tmp_path: Path, lines: list[str]) -> Path:
    file = tmp_path / "data.csv"
    file.write_text("\n".join(["id,name,staff,parent", *lines]) + "\n", encoding="utf-8")
    return file


def accounts(count: int) -> list[str]:
    return [f"{number},Account {number},{number}," for number in range(1, count + 1)]


def new_load(tmp_path: Path, crm: FakeCrm, file: Path, **more: Any) -> Load:
    map_file = tmp_path / "map.toml"
    map_file.write_text(MAP, encoding="utf-8")
    mapper = Mapper(map_files.read_map(map_file, ACCOUNTS), ACCOUNTS, inspect(file), (tmp_path,))
    client = crm.client()
    journal = Journal(tmp_path / "journal")
    return Load(client, mapper, journal, References(client), pause=lambda _: None, **more)


def finish(load: Load) -> tuple[Counts, dict[int, str]]:
    try:
        load.run()
        return load.journal.counts(), {one.row: one.reason for one in load.journal.rejects()}
    finally:
        load.journal.close()


def test_every_row_is_loaded_in_batches_of_a_hundred(tmp_path: Path) -> None:
    crm = FakeCrm()
    counts, rejects = finish(new_load(tmp_path, crm, csv(tmp_path, accounts(250))))
    assert (counts.created, counts.rejected, rejects) == (250, 0, {})
    assert crm.requests.count(("POST", "/accounts/batch")) == 3
    assert len(crm.records["accounts"]) == 250


def test_bad_rows_are_rejected_and_the_others_loaded(tmp_path: Path) -> None:
    crm = FakeCrm(reject=lambda item: "name is taken" if item["employees"] == 7 else "")
    lines = accounts(100)
    lines[41] = "42,Ragged"
    counts, rejects = finish(new_load(tmp_path, crm, csv(tmp_path, lines)))
    assert counts == Counts(created=98, updated=0, unchanged=0, rejected=2)
    assert rejects == {8: "name is taken", 43: "it has 2 values, the header has 4"}


def test_a_second_load_updates_and_creates_nothing(tmp_path: Path) -> None:
    crm = FakeCrm()
    file = csv(tmp_path, accounts(30))
    first = new_load(tmp_path, crm, file)
    first.run()
    first.journal.discard()
    counts, _ = finish(new_load(tmp_path, crm, file))
    assert counts == Counts(created=0, updated=30)
    assert len(crm.records["accounts"]) == 30


def test_the_second_row_with_an_external_id_is_rejected(tmp_path: Path) -> None:
    lines = [*accounts(150), "3,Again,3,"]
    counts, rejects = finish(new_load(tmp_path, FakeCrm(), csv(tmp_path, lines)))
    assert counts.created == 150
    assert rejects == {152: "external_ids: crm:3 is already the id of row 4"}


def test_a_row_may_refer_to_a_later_row_of_the_same_file(tmp_path: Path) -> None:
    crm = FakeCrm()
    lines = ["1,Child,1,150", *[f"{n},Account {n},1," for n in range(2, 151)], "151,Orphan,1,999"]
    counts, rejects = finish(new_load(tmp_path, crm, csv(tmp_path, lines)))
    records = crm.records["accounts"]
    assert records["crm:1"]["parent_account_id"] == records["crm:150"]["id"]
    assert counts == Counts(created=151)
    absent = "parent_account_id: no account has the external id crm:999"
    assert rejects == {152: f"{absent}; the row is loaded without it"}


def test_a_reference_is_looked_up_once(tmp_path: Path) -> None:
    crm = FakeCrm()
    crm.records["accounts"] = {"crm:boss": {"id": "BOSS", "version": 1}}
    lines = [f"{n},Account {n},1,boss" for n in range(50)]
    counts, _ = finish(new_load(tmp_path, crm, csv(tmp_path, lines)))
    assert counts.created == 50
    assert crm.requests.count(("GET", "/accounts")) == 1
    assert crm.records["accounts"]["crm:7"]["parent_account_id"] == "BOSS"


def flaky(*numbers: int, status: int = 503) -> Fault:
    """Rejects the requests with these numbers."""

    def fault(_request: httpx.Request, number: int) -> httpx.Response | None:
        return problem(status, "not-ready") if number in numbers else None

    return fault


def test_a_busy_api_gets_the_request_again_with_the_same_key(tmp_path: Path) -> None:
    keys: list[str] = []

    def fault(request: httpx.Request, number: int) -> httpx.Response | None:
        keys.append(request.headers["Idempotency-Key"])
        return problem(429, "busy") if number < 4 else None

    counts, _ = finish(new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(10))))
    assert counts.created == 10
    assert len(set(keys)) == 1
    assert len(keys) == 4


def test_a_lost_response_creates_nothing_twice(tmp_path: Path) -> None:
    crm = FakeCrm()
    lost: list[str] = []

    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        if not lost:
            lost.append("once")
            crm.batch(request)  # carried out, but the response is lost
            raise httpx.ReadTimeout("too late", request=request)
        return None

    crm.fault = fault
    counts, _ = finish(new_load(tmp_path, crm, csv(tmp_path, accounts(10))))
    assert counts == Counts(created=10)


@pytest.mark.parametrize("status", [409, 412, 500, 503])
def test_items_that_may_succeed_later_are_sent_again_without_the_others(
    tmp_path: Path, status: int
) -> None:
    calls: list[int] = []

    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        items = json.loads(request.content)["items"]
        calls.append(len(items))
        if len(calls) > 1:
            return None
        results = [
            {"index": n, "status": status if n in (2, 5) else 201, "id": f"X{n}", "version": 1}
            for n in range(len(items))
        ]
        return httpx.Response(207, json={"results": results})

    counts, rejects = finish(new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(10))))
    assert calls == [10, 2]
    assert (counts.created, rejects) == (10, {})


@pytest.mark.parametrize("status", [500, 503])
def test_an_item_that_keeps_failing_is_rejected_and_the_others_loaded(
    tmp_path: Path, status: int
) -> None:
    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        items = json.loads(request.content)["items"]
        failed = {"status": status, "problem": {"detail": "It failed."}}
        results = [
            {"index": n, "status": 201, "id": f"X{n}", "version": 1}
            | (failed if item["external_ids"]["crm"] == "3" else {})
            for n, item in enumerate(items)
        ]
        return httpx.Response(207, json={"results": results})

    counts, rejects = finish(new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(10))))
    assert counts == Counts(created=9, rejected=1)
    assert list(rejects.values()) == ["It failed."]


def test_a_slow_api_gets_fewer_requests_at_the_same_time_and_a_fast_one_more() -> None:
    assert [next_allowed(8, 8, 30), next_allowed(4, 8, 30), next_allowed(1, 8, 30)] == [4, 2, 1]
    assert [next_allowed(2, 8, 0.1), next_allowed(8, 8, 0.1), next_allowed(3, 8, 5)] == [3, 8, 3]


def test_a_record_that_did_not_change_is_counted_as_unchanged(tmp_path: Path) -> None:
    def fault(_request: httpx.Request, _number: int) -> httpx.Response | None:
        results = [
            {"index": 0, "status": 200, "id": "A", "version": 1},
            {"index": 1, "status": 200, "id": "B", "version": 4, "changed": False},
            {"index": 2, "status": 200, "id": "C", "version": 4},
        ]
        return httpx.Response(207, json={"results": results})

    counts, _ = finish(new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(3))))
    assert counts == Counts(updated=1, unchanged=2)


def test_a_record_created_by_a_lost_response_is_counted_as_created(tmp_path: Path) -> None:
    def fault(_request: httpx.Request, _number: int) -> httpx.Response | None:
        before, after = ULID.from_timestamp(1.0), ULID.from_timestamp(time.time() + 1)
        results = [
            {"index": 0, "status": 200, "id": str(before), "version": 1},
            {"index": 1, "status": 200, "id": str(after), "version": 1},
            {"index": 2, "status": 200, "id": str(after), "version": 2},
        ]
        return httpx.Response(207, json={"results": results})

    counts, _ = finish(new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(3))))
    assert counts == Counts(created=1, updated=1, unchanged=1)


def test_a_batch_too_large_is_halved_until_it_fits(tmp_path: Path) -> None:
    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        return problem(413, "too-large") if len(json.loads(request.content)["items"]) > 30 else None

    crm = FakeCrm(fault)
    counts, _ = finish(new_load(tmp_path, crm, csv(tmp_path, accounts(100))))
    assert counts.created == 100


def test_a_rejected_request_stops_the_load_and_loaded_rows_remain(tmp_path: Path) -> None:
    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        items = json.loads(request.content)["items"]
        expired = any(item["external_ids"]["crm"] == "201" for item in items)
        return problem(403, "forbidden") if expired else None

    load = new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(300)), in_flight=1)
    with pytest.raises(ApiError, match="forbidden"):
        load.run()
    assert load.journal.counts() == Counts(created=200)
    load.journal.close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_sender_without_the_right_stops_the_load_and_a_later_one_continues(
    tmp_path: Path, status: int
) -> None:
    rejection = {"title": "Not allowed", "status": status, "detail": "Your role may not."}

    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        items = json.loads(request.content)["items"]
        results = [{"index": n, "status": status, "problem": rejection} for n in range(len(items))]
        answer = httpx.Response(207, json={"results": results})
        # The API stores such an answer under the request's key.
        crm.answers[request.headers["Idempotency-Key"]] = (request.content.decode(), answer)
        return answer

    crm = FakeCrm(fault)
    file = csv(tmp_path, accounts(250))
    load = new_load(tmp_path, crm, file, in_flight=1)
    with pytest.raises(ApiError, match="Your role may not") as rejected:
        load.run()
    assert (rejected.value.status, rejected.value.exit_code) == (status, 1)
    assert load.journal.counts() == Counts()
    assert list(load.journal.rejects()) == []
    load.journal.close()
    assert len(crm.requests) <= 2  # not one for each batch

    crm.fault = flaky()
    counts, rejects = finish(new_load(tmp_path, crm, file))
    assert (counts.created, rejects) == (250, {})


def test_a_record_that_the_sender_may_not_change_is_rejected(tmp_path: Path) -> None:
    rejection = {"type": "urn:zebros:problem:forbidden-act", "detail": "It is another user's."}
    crm = FakeCrm()

    def fault(_request: httpx.Request, _number: int) -> httpx.Response | None:
        result = {"index": 0, "status": 403, "problem": rejection}
        return httpx.Response(207, json={"results": [result]})

    crm.fault = fault
    counts, rejects = finish(new_load(tmp_path, crm, csv(tmp_path, accounts(1))))
    assert (counts.created, rejects) == (0, {2: "It is another user's."})


@given(
    kills=st.lists(st.integers(min_value=1, max_value=9), max_size=3),
    count=st.integers(min_value=1, max_value=420),
)
def test_every_row_has_one_outcome_although_the_load_is_killed(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int], count: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("load")
    crm = FakeCrm(reject=lambda item: "odd" if int(item["external_ids"]["crm"]) % 10 == 3 else "")
    lines = accounts(count)
    lines[0] = "1,Child of the last,1," + str(count)
    file = csv(tmp_path, lines)
    for after in kills:
        before = len(crm.requests)
        crm.fault = lambda request, number, before=before, after=after: (
            problem(403, "forbidden") if number > before + after else None
        )
        try:
            finish(new_load(tmp_path, crm, file))
        except ApiError:
            continue
        break
    crm.fault = flaky()
    counts, rejects = finish(new_load(tmp_path, crm, file))
    odd = sum(1 for number in range(1, count + 1) if number % 10 == 3)
    loaded = len(crm.records.get("accounts", {}))
    assert counts.rows == count
    assert loaded == count - odd
    assert counts.created + counts.updated == loaded
    assert {row - 1 for row, reason in rejects.items() if reason == "odd"} == {
        number for number in range(1, count + 1) if number % 10 == 3
    }


def test_a_second_load_of_the_same_file_at_the_same_time_is_rejected(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with pytest.raises(BadInput, match="being loaded already"):
        Journal(tmp_path / "journal")
    journal.close()


def test_a_damaged_journal_is_reported_with_the_option_to_start_again(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(BadInput) as rejected:
        Journal(tmp_path / "journal")
    assert "--fresh" in rejected.value.hint


def test_an_api_that_does_not_answer_stops_the_load(tmp_path: Path) -> None:
    def fault(request: httpx.Request, _number: int) -> httpx.Response | None:
        raise httpx.ConnectError("rejected", request=request)

    load = new_load(tmp_path, FakeCrm(fault), csv(tmp_path, accounts(10)))
    with pytest.raises(NotReady, match=r"Nothing answers at crm\.test"):
        load.run()
    load.journal.close()
