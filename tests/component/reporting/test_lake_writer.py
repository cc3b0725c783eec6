"""The lake writer against S3 in process (moto)."""

import gzip
import json
from typing import Any

import pytest

from kernel.domain.ids import new_id
from reporting.consumers.lake import handler
from reporting.lake.cache import LakeCache
from reporting.lake.storage import S3LakeReader
from tests.component.kernel.queues import body, event, lambda_event
from tests.component.reporting.conftest import LAKE


def keys(s3: Any) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket=LAKE).get("Contents", [])]


def lines(s3: Any, key: str) -> list[Any]:
    text = gzip.decompress(s3.get_object(Bucket=LAKE, Key=key)["Body"].read()).decode()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def write(*envelopes: dict[str, Any], replayed: bool = False) -> Any:
    return handler(lambda_event([body(one, replayed) for one in envelopes]), None)


def test_events_are_stored_by_tenant_context_and_day(buckets: Any) -> None:
    deals = [event("acme", "opportunity/a", n, value=n) for n in (1, 2)]
    foreign = event("globex", "opportunity/b", 1)
    account = {**event("acme", "account/c", 1), "source": "zebros.customers"}
    # Half past midnight in Berlin is the day before in UTC.
    early = {**event("acme", "opportunity/d", 1), "time": "2026-02-01T00:30:00.000+01:00"}
    assert write(*deals, foreign, account, early) == {"batchItemFailures": []}
    folders = {key.rpartition("/")[0]: key for key in keys(buckets)}
    assert set(folders) == {
        "tenant=acme/context=opportunities/date=2026-01-31",
        "tenant=globex/context=opportunities/date=2026-01-31",
        "tenant=acme/context=customers/date=2026-01-31",
    }
    acme = lines(buckets, folders["tenant=acme/context=opportunities/date=2026-01-31"])
    assert acme == [*deals, early], "complete, unchanged envelopes in the order of their ids"


def test_the_metadata_of_a_file_describes_its_events(buckets: Any) -> None:
    first = {**event("acme", "opportunity/a", 1), "time": "2026-01-31T09:30:00.000Z"}
    last = {**event("acme", "opportunity/a", 2), "time": "2026-01-31T11:00:00.000Z"}
    write(last, first)
    (key,) = keys(buckets)
    head = buckets.head_object(Bucket=LAKE, Key=key)
    assert head["ContentEncoding"] == "gzip"
    assert head["ContentType"] == "application/x-ndjson"
    assert head["Metadata"] == {
        "count": "2",
        "first-time": "2026-01-31T09:30:00.000Z",
        "last-time": "2026-01-31T11:00:00.000Z",
    }


def test_a_repeated_batch_rewrites_the_same_file(
    buckets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [event("acme", "opportunity/a", n) for n in range(1, 6)]
    write(*batch)
    (key,) = keys(buckets)
    before = buckets.head_object(Bucket=LAKE, Key=key)["ETag"]
    monkeypatch.setattr("gzip.time.time", lambda: 2e9)  # later
    write(*batch[::-1], batch[2])
    assert keys(buckets) == [key]
    assert buckets.head_object(Bucket=LAKE, Key=key)["ETag"] == before, "byte for byte"
    assert lines(buckets, key) == batch, "a duplicate is written once"
    write(*batch[:2])
    assert len(keys(buckets)) == 2, "another tenant has another file; readers count each id once"


def test_file_names_sort_by_time_and_are_valid_for_the_cache(buckets: Any, tmp_path: Any) -> None:
    for n in (1, 2, 3):
        write(event("acme", "opportunity/a", n))
    assert [lines(buckets, key)[0]["sequence"] for key in keys(buckets)] == ["1", "2", "3"]
    cache = LakeCache(S3LakeReader(buckets, LAKE), tmp_path)
    with cache.files("acme", ("opportunities",)) as files:
        assert len(files.paths) == 3
        for path in files.paths:
            assert gzip.decompress(path.read_bytes()), "the cache returns the written file"


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenantid": "../globex"},
        {"tenantid": "acme/context=x"},
        {"tenantid": ""},
        {"source": "zebros.../x"},
        {"time": "yesterday"},
        {"time": "2026-01-31T09:30:00"},
        {"id": "../../x"},
        {"id": None},
        {"data": "text"},
        {"data": {"current": {"name": "\ud800"}}},
        {"time": "2026-01-31\u00e909:30:00+00:00"},
        {"sequence": "many"},
    ],
    ids=str,
)
def test_a_poison_event_does_not_affect_the_others(buckets: Any, wrong: dict[str, Any]) -> None:
    good = event("acme", "opportunity/a", 1)
    poison = {**event("acme", "opportunity/b", 1), **wrong}
    invocation = lambda_event([body(poison), body(good)])
    failed = invocation["Records"][0]["messageId"]
    assert handler(invocation, None) == {"batchItemFailures": [{"itemIdentifier": failed}]}
    (key,) = keys(buckets)
    assert lines(buckets, key) == [good]


def test_a_malformed_message_does_not_affect_the_others(buckets: Any) -> None:
    good = event("acme", "opportunity/a", 1)
    invocation = lambda_event(["{", "[]", '"x"', "{}", body(good)])
    answer = handler(invocation, None)
    assert len(answer["batchItemFailures"]) == 4
    assert len(keys(buckets)) == 1


def test_only_the_events_of_a_file_that_cannot_be_written_are_delivered_again(
    buckets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reporting.bootstrap import lake

    original = lake()._s3.put_object

    def put(**given: Any) -> Any:
        if "tenant=globex" in given["Key"]:
            raise OSError("no answer")
        return original(**given)

    monkeypatch.setattr(lake()._s3, "put_object", put)
    invocation = lambda_event(
        [body(event(tenant, f"opportunity/{new_id()}", 1)) for tenant in ("acme", "globex", "acme")]
    )
    failed = invocation["Records"][1]["messageId"]
    assert handler(invocation, None) == {"batchItemFailures": [{"itemIdentifier": failed}]}
    assert len(keys(buckets)) == 1


def test_replayed_events_are_stored_too(buckets: Any) -> None:
    write(event("acme", "opportunity/a", 1), replayed=True)
    assert len(keys(buckets)) == 1


def test_the_lake_writer_consumes_every_event(buckets: Any) -> None:
    unknown = {**event("acme", "invoice/a", 1), "type": "InvoicePaid", "source": "zebros.invoices"}
    write(unknown)
    (key,) = keys(buckets)
    assert key.startswith("tenant=acme/context=invoices/")
