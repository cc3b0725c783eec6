"""Boards and pipelines through a real cache: what it saves, how old it may be, whose it is."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from kernel.domain.aggregate import Change
from kernel.domain.clock import utc_now
from kernel.domain.principal import system_request
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.repository.boards import count_change
from opportunities.repository.cached import BOARD, PIPELINE, PIPELINES
from tests.component.conftest import ApiClient, outside
from tests.component.customers.conftest import path_of
from tests.component.kernel.valkey_server import PASSWORD, Server, running_server, server
from tests.component.opportunities.conftest import ANY, STAGES
from tests.component.test_budgets import Meter
from tests.component.test_metrics import Log, log

__all__ = ["log", "running_server", "server"]


@pytest.fixture
def api(cloud: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    from opportunities.handlers.api import handler

    secret = outside("secretsmanager").create_secret(Name="cache", SecretString=PASSWORD)
    monkeypatch.setenv("CACHE_ENDPOINT", server.url)
    monkeypatch.setenv("CACHE_SECRET_ARN", secret["ARN"])
    return ApiClient(handler)


def count_one(tenant: str = "acme", pipeline: str = "default") -> None:
    """The board's projection has counted one more opportunity in the stage `won`."""
    from opportunities.bootstrap import table

    table().transact([count_change(tenant, pipeline, "won", "USD", 1, 100)])


def won(api: ApiClient, pipeline: str = "default") -> int:
    columns = api("GET", f"/pipelines/{pipeline}/board").json["columns"]
    return int(next(column["count"] for column in columns if column["kind"] == "won"))


def expire(server: Server, kind: str) -> None:
    """Let the values of a kind expire, as they do after their seconds."""
    found = [key for key in server.stored() if f":{kind}:v" in key]
    assert found
    for key in found:
        server.run("DEL", key)


def test_a_board_is_read_from_the_table_once_in_five_seconds(
    api: ApiClient, server: Server
) -> None:
    count_one()
    meter = Meter()
    assert [won(api) for _ in range(4)] == [1] * 4
    assert meter.taken() == {"GetItem": 1, "Query": 1}, "the pipeline and its counts"
    count_one()
    assert won(api) == 1, "up to five seconds old"
    key = "zebros:acme:board:v1:default"
    assert sorted(server.stored()) == [key, f"zebros:acme:pipeline:v{PIPELINE.version}:default"]
    assert 0 < server.run("PTTL", key) <= 5000
    expire(server, "board")
    assert won(api) == 2


def test_a_pipeline_is_read_from_the_table_once_in_a_minute(api: ApiClient, server: Server) -> None:
    pipeline = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json
    path = f"/pipelines/{pipeline['id']}"
    meter = Meter()
    answers = [api("GET", path) for _ in range(3)]
    assert [one.json for one in answers] == [pipeline] * 3
    assert {one.headers["etag"] for one in answers} == {'"1"'}
    assert meter.taken() == {"GetItem": 1}
    assert (
        0
        < server.run("PTTL", f"zebros:acme:pipeline:v{PIPELINE.version}:{pipeline['id']}")
        <= 60_000
    )


def test_a_new_pipeline_is_in_the_list_at_once(api: ApiClient, server: Server) -> None:
    assert len(api("GET", "/pipelines").json["items"]) == 1
    meter = Meter()
    assert len(api("GET", "/pipelines").json["items"]) == 1
    assert meter.taken() == {}
    api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES})
    assert [one["name"] for one in api("GET", "/pipelines").json["items"]] == ["Sales", "Renewals"]
    assert 0 < server.run("PTTL", f"zebros:acme:pipelines:v{PIPELINES.version}") <= 10_000


@pytest.mark.parametrize("own", [False, True])
def test_a_change_of_a_pipeline_is_shown_at_once(api: ApiClient, own: bool) -> None:
    path = "/pipelines/default"
    if own:
        path = path_of(api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}))

    def names() -> tuple[str, str, set[str]]:
        listed = {one["name"] for one in api("GET", "/pipelines").json["items"]}
        board = api("GET", f"{path}/board").json["name"]
        return api("GET", path).json["name"], board, listed - {"Sales"}

    names()
    assert api("PATCH", path, {"name": "Direct"}, ANY).status == 200
    assert names() == ("Direct", "Direct", {"Direct"})


def test_a_restored_pipeline_is_shown_at_once(api: ApiClient) -> None:
    from opportunities.bootstrap import pipelines

    path = path_of(api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}))
    repository = pipelines()._pipelines
    before = repository.get("acme", path.rpartition("/")[2])
    change = Change(before.as_created_later(utc_now(), lost=False))
    repository.save(UnitOfWork(system_request("acme")), before, change)
    assert api("GET", path).json["archived_at"]
    assert len(api("GET", "/pipelines").json["items"]) == 1
    assert api("POST", f"{path}/restore", headers=ANY).status == 200
    assert api("GET", path).json.get("archived_at") is None
    assert len(api("GET", "/pipelines").json["items"]) == 2


def test_other_pages_of_the_list_are_not_cached(api: ApiClient, server: Server) -> None:
    for number in range(3):
        api("POST", "/pipelines", {"name": f"P{number}", "stages": STAGES})
    first = api("GET", "/pipelines?limit=2").json
    second = api("GET", f"/pipelines?limit=2&cursor={first['next_cursor']}").json
    assert [one["name"] for one in first["items"] + second["items"]] == ["Sales", "P0", "P1", "P2"]
    assert server.stored() == []


def test_another_tenant_never_gets_a_cached_value(api: ApiClient, server: Server) -> None:
    pipeline = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json
    path = f"/pipelines/{pipeline['id']}"
    count_one()
    assert (api("GET", path).status, won(api)) == (200, 1)
    other = api.as_(tenant="globex")
    assert other("GET", path).status == 404
    assert other("GET", f"{path}/board").status == 404
    assert won(other) == 0
    assert len(other("GET", "/pipelines").json["items"]) == 1


def test_a_caller_without_the_right_gets_nothing_from_the_cache(api: ApiClient) -> None:
    won(api)
    assert api.as_(roles="")("GET", "/pipelines/default/board").status == 403


def test_a_decision_reads_the_table_although_the_pipeline_is_cached(api: ApiClient) -> None:
    pipeline = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json
    api("GET", f"/pipelines/{pipeline['id']}")
    meter = Meter()
    body = {"name": "Deal", "pipeline_id": pipeline["id"]}
    assert api("POST", "/opportunities", body).status == 201
    reads = [one for one in meter.requests if "Key" in one]
    assert [one["ConsistentRead"] for one in reads] == [True]


@pytest.mark.parametrize("disturbance", ["killed", "slow", "flushed", "old entries"])
def test_users_get_the_same_answers_without_the_cache(
    api: ApiClient, server: Server, disturbance: str
) -> None:
    pipeline = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json
    paths = ("/pipelines", f"/pipelines/{pipeline['id']}", f"/pipelines/{pipeline['id']}/board")
    expected = [api("GET", path).json for path in paths]
    if disturbance == "killed":
        server.kill()
    elif disturbance == "slow":
        server.proxy.delay_s = 0.5
    elif disturbance == "flushed":
        server.run("FLUSHALL")
    else:
        for key in server.stored():
            server.run("SET", key, f'["{key}", {time.time() + 3}, 0]\n{{"earlier": "form"}}')
    for _ in range(3):
        answers = [api("GET", path) for path in paths]
        assert [one.status for one in answers] == [200] * 3
        assert [one.json for one in answers] == expected
    assert api("GET", "/pipelines/01ARZ3NDEKTSV4RRFFQ69G5FAV").status == 404


def test_hits_and_misses_are_measured_by_kind(api: ApiClient, log: Log) -> None:
    for _ in range(2):
        won(api)
    api("GET", "/pipelines")
    lines = log.metrics("CacheHits")
    assert [line["cache"] for line in lines] == [
        {"hits": {}, "misses": {"pipeline": 1, "board": 1}},
        {"hits": {"pipeline": 1, "board": 1}, "misses": {}},
        {"hits": {}, "misses": {"pipelines": 1}},
    ]
    assert lines == log.metrics("CacheMisses")


def test_a_board_under_load_is_never_older_than_its_bound(
    api: ApiClient, log: Log, record_property: Callable[[str, object], None]
) -> None:
    """Three tenants, for longer than a board lives; each board changes twice a second."""
    users = {tenant: api.as_(tenant=tenant) for tenant in ("acme", "globex", "initech")}
    counted: dict[str, list[float]] = {tenant: [] for tenant in users}
    won(api.as_(tenant="first"))  # the first request of a process takes seconds
    oldest, ends = 0.0, time.monotonic() + 1.5 * BOARD.seconds
    while (now := time.monotonic()) < ends:
        for tenant, user in users.items():
            if not counted[tenant] or now - counted[tenant][-1] > 0.5:
                count_one(tenant)
                counted[tenant].append(time.monotonic())
            asked, seen = time.monotonic(), won(user)
            assert user("GET", "/pipelines").status == 200
            if seen < len(counted[tenant]):  # it lacks this change and all later ones
                oldest = max(oldest, asked - counted[tenant][seen])
    lines = [line["cache"] for line in log.metrics("CacheHits")]
    for kind in ("board", "pipelines"):
        hits = sum(line["hits"].get(kind, 0) for line in lines)
        reads = hits + sum(line["misses"].get(kind, 0) for line in lines)
        record_property(
            "figure",
            f"{kind} under load: {hits} of {reads} reads from the cache "
            f"({hits / reads:.0%})" + (f", at most {oldest:.1f} s old" if kind == "board" else ""),
        )
        assert hits > 0.8 * reads, kind
    assert 0 < oldest <= BOARD.seconds


def test_the_bounds_are_those_of_the_document() -> None:
    bounds = {entry.kind: entry.seconds for entry in (BOARD, PIPELINE, PIPELINES)}
    assert bounds == {"board": 5, "pipeline": 60, "pipelines": 10}
