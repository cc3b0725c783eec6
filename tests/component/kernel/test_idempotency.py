"""Idempotency-Key: repeated and concurrent requests have one effect and one answer."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.clock import utc_now
from kernel.domain.ids import new_id
from kernel.runtime import aws
from kernel.storage import idempotency
from kernel.storage.idempotency import LEASE_SECONDS, TTL_SECONDS
from tests.component.conftest import Answer, ApiClient, examples, opportunity_events, published

KEY = {"idempotency-key": "k-1"}
BODY = {"name": "Once"}


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from opportunities.handlers.api import handler

    return ApiClient(handler)


def create(api: ApiClient, key: dict[str, str] = KEY, body: Any = None) -> Answer:
    return api("POST", "/opportunities", body or BODY, key)


def slug(answer: Answer) -> str:
    return str(answer.json.get("type", "")).removeprefix("urn:zebros:problem:")


@contextmanager
def once_at(event: str, act: Callable[[], Any], nth: int = 1) -> Iterator[None]:
    """Call `act` at the next (or nth) such call to DynamoDB, and only then."""
    calls: list[int] = []

    def hook(**_: Any) -> None:
        calls.append(1)
        if len(calls) == nth:
            act()

    events = aws.client("dynamodb").meta.events
    events.register(event, hook)
    try:
        yield
    finally:
        events.unregister(event, hook)
    assert calls, "the call happened"


def lost() -> None:
    raise ReadTimeoutError(endpoint_url="x")


class Died(BaseException):
    """The process was killed."""


def died() -> None:
    raise Died


def collided() -> None:
    """The error of a write while a transaction has locked the item."""
    raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": ""}}, "x")


def test_a_retry_by_the_url_of_a_domain_is_the_same_request(api: ApiClient, cloud: Any) -> None:
    """With a domain, API Gateway passes paths with the stage: `/v1/opportunities`."""
    first = create(api)
    again = api("POST", "/v1/opportunities", BODY, KEY)
    assert (again.status, again.text) == (201, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(opportunity_events(cloud)) == 1


def test_two_concurrent_requests_with_one_key_have_one_effect(api: ApiClient, cloud: Any) -> None:
    inner: list[Answer] = []
    # The second request runs from beginning to end while the first one is about to commit.
    with once_at("before-call.dynamodb.TransactWriteItems", lambda: inner.append(create(api))):
        outer = create(api)
    assert inner[0].status == 201
    assert (outer.status, outer.text) == (201, inner[0].text)
    assert outer.headers["idempotency-replayed"] == "true"
    assert len(opportunity_events(cloud)) == 1


def test_a_concurrent_request_gets_the_answer_before_it_is_stored(
    api: ApiClient, cloud: Any
) -> None:
    inner: list[Answer] = []

    def unanswered() -> None:
        with once_at("before-call.dynamodb.PutItem", lost):
            inner.append(create(api))

    with once_at("before-call.dynamodb.TransactWriteItems", unanswered):
        outer = create(api)
    assert (outer.status, outer.text) == (201, inner[0].text)
    assert len(opportunity_events(cloud)) == 1


@pytest.mark.parametrize(
    ("moment", "nth"),
    [("before-call.dynamodb.TransactWriteItems", 1), ("before-call.dynamodb.GetItem", 2)],
    ids=["both saw the same version", "one saw the change of the other"],
)
def test_two_concurrent_transitions_with_one_key_get_no_version_conflict(
    api: ApiClient, cloud: Any, moment: str, nth: int
) -> None:
    opportunity = create(api)
    path, headers = (
        f"/opportunities/{opportunity.json['id']}/won",
        {"idempotency-key": "k-2", **opportunity.etag},
    )
    inner: list[Answer] = []
    with once_at(moment, lambda: inner.append(api("POST", path, {}, headers)), nth):
        outer = api("POST", path, {}, headers)
    assert (inner[0].status, outer.status, outer.text) == (200, 200, inner[0].text)
    assert [f["type"] for f in opportunity_events(cloud)] == [
        "OpportunityCreated",
        "OpportunityWon",
    ]


def batch(api: ApiClient, *names: str) -> Answer:
    items = [{"name": name, "external_ids": {"crm": name}} for name in names]
    return api("POST", "/opportunities/batch", {"items": items}, KEY)


@pytest.mark.parametrize(
    ("second", "status"), [(("c", "d"), 422), (("a", "b"), 207)], ids=["another", "the same"]
)
def test_two_concurrent_batches_with_one_key_have_one_effect(
    api: ApiClient, cloud: Any, second: tuple[str, ...], status: int
) -> None:
    inner: list[Answer] = []
    with once_at(
        "before-call.dynamodb.TransactWriteItems", lambda: inner.append(batch(api, "a", "b"))
    ):
        outer = batch(api, *second)
    assert (inner[0].status, outer.status) == (207, status)
    assert len(opportunity_events(cloud)) == 2
    again = batch(api, "a", "b")
    assert (again.status, again.text) == (207, inner[0].text), "the first answer was stored"


def died_at_once(**_: Any) -> None:
    raise Died


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let time pass for the keys."""
    now = time.time() + seconds
    monkeypatch.setattr(idempotency.time, "time", lambda: now)


@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_batch_that_crashed_is_carried_out_again_when_its_process_is_dead(
    api: ApiClient, cloud: Any, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The first transaction stores the key; each item has one of its own."""
    calls: list[int] = []

    def die_from_then_on(**_: Any) -> None:
        calls.append(1)
        if len(calls) > written:
            raise Died

    monkeypatch.setattr("kernel.web.batch._THREADS", 1)
    events = aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.TransactWriteItems", die_from_then_on)
    events.register("before-call.dynamodb.PutItem", died_at_once)
    with pytest.raises(Died):
        batch(api, "a", "b")
    events.unregister("before-call.dynamodb.TransactWriteItems", die_from_then_on)
    events.unregister("before-call.dynamodb.PutItem", died_at_once)
    assert len(opportunity_events(cloud)) == written - 1
    early = batch(api, "a", "b")
    assert (early.status, slug(early)) == (409, "idempotency-key-in-use")
    assert LEASE_SECONDS - 5 <= int(early.headers["retry-after"]) <= LEASE_SECONDS
    later(monkeypatch, LEASE_SECONDS + 1)
    again = batch(api, "a", "b")
    assert again.status == 207
    created = [200] * (written - 1) + [201] * (3 - written)
    assert [one["status"] for one in again.json["results"]] == created
    assert len(opportunity_events(cloud)) == 2, "nothing is made twice"
    repeated = batch(api, "a", "b")
    assert (repeated.status, repeated.text) == (207, again.text), "its answer is stored"


def test_a_batch_is_taken_over_by_one_retry_only(
    api: ApiClient, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The key is claimed by the first transaction; the item's own is the second.
    with once_at("before-call.dynamodb.TransactWriteItems", died, 2), pytest.raises(Died):
        batch(api, "a")
    later(monkeypatch, LEASE_SECONDS + 1)
    inner: list[Answer] = []
    with once_at("before-call.dynamodb.TransactWriteItems", lambda: inner.append(batch(api, "a"))):
        outer = batch(api, "a")
    assert (inner[0].status, outer.status, outer.text) == (207, 207, inner[0].text)
    assert [one["status"] for one in outer.json["results"]] == [201], "it was not carried out twice"


def test_a_batch_may_crash_more_than_once(
    api: ApiClient, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for attempt in range(1, 4):
        later(monkeypatch, attempt * (LEASE_SECONDS + 1))
        with once_at("before-call.dynamodb.PutItem", died), pytest.raises(Died):
            batch(api, "a", "b")
    monkeypatch.undo()
    assert slug(batch(api, "a", "b")) == "idempotency-key-in-use", "each claim begins anew"
    assert len(opportunity_events(cloud)) == 2


def test_a_claim_is_longer_than_a_function_of_an_api_runs() -> None:
    from tests.template.stack import functions

    timeouts = {n: one["Timeout"] for n, one in functions().items() if n.endswith("Api")}
    assert max(timeouts.values()) < LEASE_SECONDS


def test_a_batch_whose_answer_is_too_large_is_not_carried_out_again(
    api: ApiClient, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_MAX_ANSWER_BYTES", 10)
    assert batch(api, "a", "b").status == 207
    later(monkeypatch, LEASE_SECONDS + 1)
    assert slug(batch(api, "a", "b")) == "idempotency-key-in-use"


@pytest.mark.parametrize("character", ["\N{GRINNING FACE}", "\x01", "ä"])
def test_the_largest_response_is_stored(api: ApiClient, character: str) -> None:
    large = {**BODY, "custom_fields": {f"f{i}": character * 500 for i in range(50)}}
    made = create(api, body=large)
    again = create(api, body=large)
    assert (made.status, again.status, again.text) == (201, 201, made.text)


@pytest.mark.parametrize(
    ("roles", "status"),
    [
        ("sales-manager,read-only", 201),
        ("administrator,sales-manager,read-only", 201),
        ("read-only", 403),
        ("", 403),
    ],
)
def test_a_caller_who_lost_a_role_does_not_get_the_stored_response(
    api: ApiClient, roles: str, status: int
) -> None:
    made = create(api.as_(roles="read-only,sales-manager"))
    again = create(api.as_(roles=roles))
    assert (made.status, again.status) == (201, status)
    assert ("Once" in again.text) == (status == 201)


def test_many_simultaneous_requests_have_one_effect(api: ApiClient, cloud: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: create(api), range(6)))
    assert {a.status for a in answers} <= {201, 409}
    assert {slug(a) for a in answers if a.status == 409} <= {"idempotency-key-in-use"}
    made = {a.json["id"] for a in answers if a.status == 201}
    assert len(made) == 1
    assert [f["subject"] for f in opportunity_events(cloud)] == [f"opportunity/{made.pop()}"]


@pytest.mark.parametrize(
    ("moment", "effects", "retried"),
    [
        ("before-call.dynamodb.GetItem", 0, 201),
        ("before-call.dynamodb.TransactWriteItems", 0, 201),
        # The request was carried out, but its answer was lost: the retry gets that of its event.
        ("after-call.dynamodb.TransactWriteItems", 1, 201),
        ("before-call.dynamodb.PutItem", 1, 201),
        ("after-call.dynamodb.PutItem", 1, 201),
    ],
)
def test_a_crash_leaves_the_record_and_its_key_or_neither(
    api: ApiClient, cloud: Any, moment: str, effects: int, retried: int
) -> None:
    with once_at(moment, died), pytest.raises(Died):
        create(api)
    assert len(opportunity_events(cloud)) == effects
    again = create(api)
    assert again.status == retried
    shown = api("GET", again.location)
    assert (again.text, again.headers["etag"]) == (shown.text, shown.headers["etag"])
    assert again.headers.get("idempotency-replayed") == ("true" if effects else None)
    assert len(opportunity_events(cloud)) == 1


def test_the_answer_of_a_crashed_request_is_the_one_of_then(api: ApiClient, cloud: Any) -> None:
    made: list[Answer] = []
    with once_at("before-call.dynamodb.PutItem", lost):
        made.append(create(api))
    (first,) = made
    path = first.location
    assert api("PATCH", path, {"name": "Changed"}, first.etag).status == 200
    again = create(api)
    assert (again.status, again.text) == (201, first.text)
    for header in ("etag", "location", "content-type"):
        assert again.headers[header] == first.headers[header]


def test_every_post_is_answered_from_its_event(api: ApiClient, cloud: Any) -> None:
    """Each is sent twice; the answer of the first is never stored."""
    stages = [
        {"key": "open", "name": "Open", "probability": 40},
        {"key": "won", "name": "Won", "probability": 100, "kind": "won"},
        {"key": "lost", "name": "Lost", "probability": 0, "kind": "lost"},
    ]
    deal = create(api).location
    requests: list[tuple[str, Any]] = [
        ("/pipelines", {"name": "P", "stages": stages}),
        ("/products", {"name": "P"}),
        (f"{deal}/stage", {"stage": "proposal"}),
        (f"{deal}/owner", {"owner_id": "bob"}),
        (f"{deal}/lost", {"reason": "Price"}),
        (f"{deal}/reopen", {}),
        (f"{deal}/won", {}),
    ]
    for path, body in requests:
        headers = {"idempotency-key": new_id(), "if-match": "*"}
        with once_at("before-call.dynamodb.PutItem", lost):
            first = api("POST", path, body, headers)
        again = api("POST", path, body, headers)
        assert first.status in (200, 201), first.text
        assert (again.status, again.text) == (first.status, first.text)
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["idempotency-replayed"] == "true"


def test_a_crashed_request_whose_event_is_gone_stays_in_use(api: ApiClient, cloud: Any) -> None:
    with once_at("before-call.dynamodb.PutItem", lost):
        made = create(api)
    pk = f"TENANT#acme#OPPORTUNITY#{made.json['id']}"
    key = {"pk": {"S": pk}, "sk": {"S": f"EVENT#{1:012d}"}}
    cloud.delete_item(TableName="table", Key=key)
    again = create(api)
    assert (again.status, slug(again)) == (409, "idempotency-key-in-use")
    assert again.headers["retry-after"] == "1"
    assert "read the record" in again.json["detail"]


def test_a_stored_answer_that_cannot_be_read_is_made_from_the_event(
    api: ApiClient, cloud: Any
) -> None:
    made = create(api)
    for item in cloud.scan(TableName="table")["Items"]:
        if item["sk"]["S"] == "IDEMPOTENCY":
            pk = f"TENANT#acme#OPPORTUNITY#{made.json['id']}"
            more = {"table": {"S": "table"}, "record": {"S": pk}, "sequence": {"N": "1"}}
            cloud.put_item(TableName="table", Item={**item, "answer": {"B": b"x"}, **more})
    assert create(api).text == made.text


def test_a_response_that_conflicts_with_another_transaction_is_stored(
    api: ApiClient, cloud: Any
) -> None:
    with once_at("before-call.dynamodb.PutItem", collided):
        made = create(api)
    again = create(api)
    assert (made.status, again.status, again.text) == (201, 201, made.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(opportunity_events(cloud)) == 1


def test_a_committed_request_is_answered_even_when_its_response_cannot_be_stored(
    api: ApiClient, cloud: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with once_at("before-call.dynamodb.PutItem", lost):
        made = create(api)
    assert (made.status, made.json["name"]) == (201, "Once")
    assert "answer not stored" in caplog.text
    again = create(api)
    assert (again.status, again.text) == (201, made.text)
    assert len(opportunity_events(cloud)) == 1


@examples(10)
@given(
    st.lists(
        st.sampled_from(
            [
                None,
                "before-call.dynamodb.TransactWriteItems",
                "after-call.dynamodb.TransactWriteItems",
            ]
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_caller_that_retries_until_it_gets_an_answer_makes_one_record(
    api: ApiClient, cloud: Any, moments: list[str | None]
) -> None:
    tenant, key = api.as_(tenant=f"t{new_id().lower()}"), {"idempotency-key": new_id()}
    statuses: list[int] = []
    for moment in moments:
        committed = bool(statuses) and statuses[-1] in (201, 409)
        if moment is None or committed:
            statuses.append(create(tenant, key).status)
        else:
            with once_at(moment, lost):
                statuses.append(create(tenant, key).status)
            if moment.startswith("after"):
                statuses.append(create(tenant, key).status)
    mine = [f for f in opportunity_events(cloud) if f["tenantid"] == tenant.claims["tenant"]]
    answered = {201, 409} & set(statuses)
    assert len(mine) == (1 if answered else 0)
    listed = tenant("GET", "/opportunities").json["items"]
    assert len(listed) == len(mine)


def test_a_rejected_request_may_be_fixed_and_sent_again(api: ApiClient, cloud: Any) -> None:
    wrong = create(api, body={"name": ""})
    assert wrong.status == 422
    assert create(api).status == 201, "a request without effect stores no key"
    assert len(opportunity_events(cloud)) == 1


@pytest.mark.parametrize(
    ("who", "status"),
    [({}, 422), ({"user": "bob"}, 201), ({"tenant": "globex"}, 201)],
)
def test_a_key_belongs_to_one_user(api: ApiClient, who: dict[str, str], status: int) -> None:
    create(api)
    assert create(api.as_(**who), body={"name": "Other"}).status == status


def test_a_key_is_valid_for_one_request_only(api: ApiClient, cloud: Any) -> None:
    opportunity = create(api)
    path = f"/opportunities/{opportunity.json['id']}"
    for other in (
        create(api, body={"name": "Once", "tags": ["x"]}),
        api("POST", f"{path}/won", {}, {**KEY, **opportunity.etag}),
        api("POST", "/products", BODY, KEY),
    ):
        assert (other.status, slug(other)) == (422, "idempotency-key-reused")
    assert len(opportunity_events(cloud)) == 1


def test_a_transition_with_a_key_happens_once(api: ApiClient, cloud: Any) -> None:
    opportunity = create(api)
    path, headers = (
        f"/opportunities/{opportunity.json['id']}/won",
        {"idempotency-key": "k-2", **opportunity.etag},
    )
    won = api("POST", path, {}, headers)
    again = api("POST", path, {}, headers)
    assert (won.status, again.status, again.text) == (200, 200, won.text)
    assert again.headers["etag"] == won.headers["etag"] == '"2"'
    assert api("POST", path, {}, opportunity.etag).status == 412, (
        "without the key it is a new request"
    )
    assert [f["type"] for f in opportunity_events(cloud)] == [
        "OpportunityCreated",
        "OpportunityWon",
    ]


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256, "a\x7f"])
def test_a_malformed_key_is_rejected(api: ApiClient, cloud: Any, key: str) -> None:
    answer = create(api, {"idempotency-key": key})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert published(cloud) == []


def test_a_key_is_stored_hashed_for_a_day(api: ApiClient, cloud: Any) -> None:
    create(api, {"idempotency-key": "very-secret"})
    items = cloud.scan(TableName="table")["Items"]
    (kept,) = (i for i in items if i["sk"]["S"] == "IDEMPOTENCY")
    assert abs(int(kept["ttl"]["N"]) - utc_now().timestamp() - TTL_SECONDS) < 60
    assert kept["pk"]["S"].startswith("TENANT#acme#IDEMPOTENCY#")
    assert "very-secret" not in str(kept)


def test_only_a_post_stores_a_key(api: ApiClient, cloud: Any) -> None:
    assert api("GET", "/opportunities", None, KEY).status == 200
    opportunity = create(api)
    path = f"/opportunities/{opportunity.json['id']}"
    assert api("PATCH", path, {"name": "x"}, {**KEY, **opportunity.etag}).status == 200
    items = cloud.scan(TableName="table")["Items"]
    assert sum(i["sk"]["S"] == "IDEMPOTENCY" for i in items) == 1
