"""The job against the real API handlers of customers and opportunities, and S3 (moto)."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from imports.model import ImportRun
from kernel.domain.aggregate import Change
from kernel.tasks.job import JobControl, JobFailed
from tests.component.conftest import ApiClient, published
from tests.component.imports.running import (
    Functions,
    a_job,
    a_task,
    accounts,
    all_accounts,
    imported,
    rejected,
    stored,
)

Ask = Callable[..., dict[str, Any]]


def lines(*records: Any) -> bytes:
    return b"".join(
        one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in records
    )


def failed(run: dict[str, Any], functions: Any) -> JobFailed:
    with pytest.raises(JobFailed) as raised:
        a_job(functions).run(a_task(run), JobControl())
    return raised.value


def test_every_line_becomes_a_record(ask: Ask, functions: Functions, cloud: Any) -> None:
    run = ask(accounts(230))
    assert imported(run, functions) == {
        "lines": 230,
        "created": 230,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
    }
    found = all_accounts(functions)
    assert set(found) == {f"a-{number}" for number in range(1, 231)}
    assert sorted(functions.sizes) == [30, 100, 100], "chunks of a hundred"
    assert stored(run) == ["checkpoint.json"], "no rejected lines"
    event = published(cloud)[0]
    assert (event["actor"], event["origin"]) == ("ann", "import")


def test_a_second_import_changes_what_differs(ask: Ask, functions: Functions) -> None:
    imported(ask(accounts(3)), functions)
    changed = [*accounts(2), {"name": "New name", "external_ids": {"erp": "a-3"}}, *accounts(1, 4)]
    outcome = imported(ask(changed), functions)
    assert outcome == {"lines": 4, "created": 1, "updated": 1, "unchanged": 2, "rejected": 0}
    assert all_accounts(functions)["a-3"]["name"] == "New name"
    again = imported(ask(changed), functions)
    assert again == {"lines": 4, "created": 0, "updated": 0, "unchanged": 4, "rejected": 0}


def test_rejected_lines_are_in_their_order(ask: Ask, functions: Functions) -> None:
    run = ask(lines({"name": ""}, b"no object\n", {"colour": "red"}, b"no object\n"))
    assert imported(run, functions)["rejected"] == 4
    assert [one["line"] for one in rejected(run)] == [1, 2, 3, 4]


def test_a_dry_run_counts_and_changes_nothing(ask: Ask, functions: Functions) -> None:
    imported(ask(accounts(1)), functions)
    records = [{"name": "Other", "external_ids": {"erp": "a-1"}}, *accounts(2, 2), {"name": ""}]
    run = ask(records, dry_run=True)
    functions.events.clear()
    outcome = imported(run, functions)
    assert (outcome["created"], outcome["updated"], outcome["rejected"]) == (2, 1, 1)
    assert {one["name"] for one in all_accounts(functions).values()} == {"Account 1"}
    (event,) = functions.events
    assert json.loads(event["body"])["dry_run"] is True
    assert "idempotency-key" not in event["headers"]
    assert [one["line"] for one in rejected(run)] == [4]


def test_wrong_lines_are_rejected_by_themselves(ask: Ask, functions: Functions) -> None:
    content = lines(
        accounts(1)[0],
        b'{"name": "B\xe4r"}\n',
        b"\n  \r\n",
        b'["a list"]\n',
        b'{"name": "cut off\n',
        b'{"name": NaN}\n',
        b'{"name": "' + b"x" * 100_000 + b'"}\n',
        {"name": "No such field", "colour": "red", "external_ids": {"erp": "a-9"}},
        b'{"name":"Last","external_ids":{"erp":"a-2"}}',
    )
    run = ask(content)
    outcome = imported(run, functions)
    assert (outcome["lines"], outcome["created"], outcome["rejected"]) == (8, 2, 6)
    found = rejected(run)
    assert [(one["line"], one["problem"]["status"]) for one in found] == [
        (2, 400),
        (5, 400),
        (6, 400),
        (7, 400),
        (8, 413),
        (9, 422),
    ]
    assert found[0]["record"] == '{"name": "B\ufffdr"}'
    assert found[0]["problem"]["detail"] == "The line is not UTF-8 text."
    assert len(found[4]["record"]) == 1_000, "only the beginning of a line that is no record"
    assert found[5]["record"]["colour"] == "red"
    assert found[5]["problem"]["errors"][0]["field"] == "colour"
    assert set(all_accounts(functions)) == {"a-1", "a-2"}


def test_the_size_of_the_rejected_lines_is_that_of_the_file_a_reader_gets(
    ask: Ask, functions: Functions, bucket: Any
) -> None:
    run = ask([{"name": ""}, *accounts(1)])
    outcome = imported(run, functions)
    key = f"imports/acme/{run['id']}/rejected.jsonl"
    body = gzip.decompress(bucket.get_object(Bucket="files", Key=key)["Body"].read())
    assert outcome["rejected_bytes"] == len(body)


def test_what_only_a_whole_request_shows_rejects_one_line(ask: Ask, functions: Functions) -> None:
    nested = b'{"name":"Deep","custom_fields":' + b"[" * 250 + b"]" * 250 + b"}\n"
    surrogate = b'{"name":"\\ud800","external_ids":{"erp":"s"}}\n'
    run = ask(lines(*accounts(50), nested, *accounts(49, 51), surrogate))
    outcome = imported(run, functions)
    assert (outcome["created"], outcome["rejected"]) == (99, 2)
    assert [one["line"] for one in rejected(run)] == [51, 101]


def test_numbers_arrive_as_they_were_written(ask: Ask, functions: Functions) -> None:
    content = b'{"name":"A","custom_fields":{"n":9007199254740991},"external_ids":{"erp":"n"}}\n'
    imported(ask(content), functions)
    assert all_accounts(functions)["n"]["custom_fields"] == {"n": 9007199254740991}
    wrong = ask(b'{"name":"A","custom_fields":{"n":1.50},"external_ids":{"erp":"f"}}\n')
    assert imported(wrong, functions)["rejected"] == 1
    body = json.loads(functions.events[-1]["body"], parse_float=str)
    assert body["items"][0]["custom_fields"] == {"n": "1.50"}


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: b"\xef\xbb\xbf" + content])
def test_a_file_may_be_compressed_or_begin_with_a_byte_order_mark(
    ask: Ask, functions: Functions, pack: Callable[[bytes], bytes]
) -> None:
    assert imported(ask(pack(lines(*accounts(3)))), functions)["created"] == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b'{"name":"A"}\n' * 5000, mtime=0)[:-20], "gzip"),
        (b"\x1f\x8b\x08 no gzip", "gzip"),
        (b"name;country\nAcme;AT\n", "not JSON Lines"),
        (b'[{"name":"A"},{"name":"B"}]\n', "not JSON Lines"),
    ],
)
def test_a_file_that_cannot_be_read_fails_before_anything_is_imported(
    ask: Ask, functions: Functions, content: bytes, reason: str
) -> None:
    failure = failed(ask(content), functions)
    assert failure.error == "UnreadableFile"
    assert reason in failure.cause
    assert functions.events == []


def test_a_file_that_is_gone_cannot_be_read(ask: Ask, functions: Functions, bucket: Any) -> None:
    run = ask(accounts(1))
    key = f"imports/acme/{run['parameters']['upload_id']}/records.jsonl"
    bucket.delete_object(Bucket="files", Key=key)
    assert failed(run, functions).error == "UnreadableFile"


def test_a_file_has_at_most_a_million_records(
    ask: Ask, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imports.jobs import lines as of_file

    assert of_file.MAX_RECORDS == 1_000_000
    monkeypatch.setattr(of_file, "MAX_RECORDS", 5)
    assert imported(ask(accounts(5)), functions)["created"] == 5
    failure = failed(ask(accounts(6)), functions)
    assert (failure.error, "more than 5 records" in failure.cause) == ("UnreadableFile", True)


def test_a_file_of_blank_lines_imports_nothing(ask: Ask, functions: Functions) -> None:
    assert imported(ask(b"\n\r\n  \n"), functions)["lines"] == 0


def test_two_lines_about_one_record_are_applied_in_their_order(
    ask: Ask, functions: Functions
) -> None:
    records = [
        {"name": f"Name {number}", "external_ids": {"erp": "same"}} for number in range(5)
    ] + accounts(3)
    outcome = imported(ask(records), functions)
    assert (outcome["created"], outcome["updated"]) == (4, 4)
    assert all_accounts(functions)["same"]["name"] == "Name 4"
    assert functions.sizes == [1, 1, 1, 1, 4], "each in a group of its own"


def test_a_line_that_is_there_twice_creates_one_record(ask: Ask, functions: Functions) -> None:
    outcome = imported(ask([*accounts(2), *accounts(2)]), functions)
    assert (outcome["created"], outcome["unchanged"]) == (2, 2)
    assert functions.sizes == [2, 2]


def test_contacts_are_found_by_their_addresses(ask: Ask, functions: Functions) -> None:
    records = [
        {"last_name": "Berg", "emails": ["Eva@acme.com"]},
        {"last_name": "Berger", "emails": ["eva@ACME.com "]},
        {"last_name": "Holt", "emails": ["ivo@acme.com"], "external_ids": {"erp": "1"}},
    ]
    outcome = imported(ask(records, record_type="contacts", match_by="email"), functions)
    assert (outcome["created"], outcome["updated"], outcome["rejected"]) == (2, 1, 0)
    assert functions.sizes == [1, 2]
    contacts = functions.api("customers")("GET", "/contacts?email_prefix=eva@").json["items"]
    assert [one["last_name"] for one in contacts] == ["Berger"]
    assert "external_ids" not in contacts[0], "its address is its identity"


def test_products_and_opportunities_go_to_their_own_context(ask: Ask, functions: Functions) -> None:
    product = {"name": "Box", "code": "B-1", "external_ids": {"erp": "p"}}
    outcome = imported(ask([product], record_type="products"), functions)
    assert (outcome["created"], outcome["rejected"]) == (1, 0)
    deal = {"name": "Big deal", "external_ids": {"erp": "o"}}
    outcome = imported(ask([deal], record_type="opportunities"), functions)
    assert (outcome["created"], outcome["rejected"]) == (1, 0)
    assert [event["path"] for event in functions.events] == [
        "/v1/products/batch",
        "/v1/opportunities/batch",
    ]


def test_a_record_without_an_identity_gets_one_of_its_line(
    ask: Ask, functions: Functions, api: ApiClient
) -> None:
    run = ask([{"name": "A"}, {"name": "B", "external_ids": {}}])
    assert imported(run, functions)["created"] == 2
    upload_id = run["parameters"]["upload_id"]
    assert set(all_accounts(functions)) == {f"{upload_id}-1", f"{upload_id}-2"}
    again = api("POST", "/imports", run["parameters"]).json
    assert imported(again, functions)["unchanged"] == 2, "the same file, once more"


def test_records_are_sent_with_the_rights_of_the_requester(
    ask: Ask, functions: Functions, api: ApiClient, cloud: Any
) -> None:
    theirs = accounts(1)
    imported(ask(theirs), functions)
    rosa = api.as_(user="rosa", roles="sales-representative", team="south")
    run = ask([{**theirs[0], "name": "Mine now"}, *accounts(1, 2)], by=rosa)
    outcome = imported(run, functions)
    assert (outcome["created"], outcome["rejected"]) == (1, 1)
    (one,) = rejected(run)
    assert one["problem"]["type"] == "urn:zebros:problem:forbidden-act"
    assert sorted({event["actor"] for event in published(cloud)}) == ["ann", "rosa"]


def test_a_batch_has_the_claims_of_the_requester(
    ask: Ask, functions: Functions, api: ApiClient
) -> None:
    rosa = api.as_(
        user="rosa",
        roles="sales-manager,read-only",
        name="Rosa",
        team="south",
        plan="premium",
        country="AT",
        time_zone="Europe/Vienna",
    )
    contact = {"last_name": "Berg", "phones": ["0664 1234567"], "external_ids": {"erp": "1"}}
    imported(ask([contact], by=rosa, record_type="contacts"), functions)
    (event,) = functions.events
    claims = event["requestContext"]["authorizer"]
    assert 200 < int(claims.pop("expires")) - time.time() <= 300, "a little ahead"
    assert claims == {
        "tenant": "acme",
        "user": "rosa",
        "roles": "read-only,sales-manager",
        "name": "Rosa",
        "team": "south",
        "plan": "premium",
        "country": "AT",
        "time_zone": "Europe/Vienna",
    }
    found = functions.api("customers")("GET", "/contacts?owner_id=rosa").json["items"]
    assert [one["phones"] for one in found] == [["+436641234567"]], "a number of the country"
    assert found[0]["team_id"] == "south"


def test_who_may_not_change_such_records_is_not_allowed(
    ask: Ask, functions: Functions, api: ApiClient
) -> None:
    rosa = api.as_(user="rosa", roles="sales-representative")
    run = ask([{"name": "Box"}], by=rosa, record_type="products")
    failure = failed(run, functions)
    assert failure.error == "NotAllowed"
    assert "settings" in failure.cause
    assert stored(run) == [], "the lines are right, so none is rejected"


def test_every_event_has_the_correlation_id_of_the_request(
    api: ApiClient, upload: Callable[..., str], functions: Functions, cloud: Any
) -> None:
    body = {"upload_id": upload(lines(*accounts(1))), "record_type": "accounts"}
    run = api("POST", "/imports", body, {"x-correlation-id": "c-77"}).json
    imported(run, functions)
    assert {event["correlationid"] for event in published(cloud)} == {"c-77"}


def test_a_run_that_has_ended_is_not_carried_out(
    ask: Ask, functions: Functions, api: ApiClient
) -> None:
    run = ask(accounts(1))
    api("POST", f"/imports/{run['id']}/cancel")
    assert failed(run, functions).error == "Cancelled"
    assert functions.events == []


def test_a_worker_that_does_not_know_such_records_sends_nothing(
    ask: Ask, functions: Functions
) -> None:
    from imports.bootstrap import repository

    run = ask(accounts(1))

    def change(before: ImportRun) -> Change[ImportRun]:
        unknown = before.parameters.model_copy(update={"match_by": "phone"})
        return Change(before.with_changes(parameters=unknown))

    repository().change("acme", run["id"], change)
    failure = failed(run, functions)
    assert (failure.error, failure.cause) == (
        "BadParameters",
        "match_by must be left out: it is not for accounts",
    )
    assert functions.events == []


def test_progress_counts_lines(ask: Ask, functions: Functions, small: None) -> None:
    steps: list[tuple[float, str]] = []

    class Recorder(JobControl):
        def step(self, fraction: float, text: str) -> None:
            steps.append((round(fraction, 2), text))

    a_job(functions).run(a_task(ask(accounts(100))), Recorder())
    texts = list(dict.fromkeys(text for _, text in steps))
    assert texts[-3:] == ["0 of 100 lines", "40 of 100 lines", "80 of 100 lines"]
    assert [fraction for fraction, _ in steps] == sorted(fraction for fraction, _ in steps)
    sent = dict.fromkeys(step for step in steps if step[1].endswith("lines"))
    assert [fraction for fraction, _ in sent] == [0.02, 0.4, 0.79]
