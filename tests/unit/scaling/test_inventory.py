"""What the controller may change, what it reads of it, and what it costs."""

import pytest

from scaling.events import Setting
from scaling.model.alarm_names import rules_of
from scaling.model.inventory import InventoryError, Resource, parse_inventory
from scaling.model.policy_file import alarms, prices
from scaling.model.readings import Target
from scaling.model.series import source_of
from scaling.model.unit_costs import unit_cost

FUNCTION = Resource(
    "CustomersApi", "fn", {Setting.MEMORY: 256, Setting.CONCURRENCY: 15}, {"executions": "15"}
)


def test_a_text_is_resources_with_their_deployed_settings() -> None:
    found = parse_inventory("CustomersApi fn memory=256 concurrency=15 executions=15;\n A b ;")
    assert found.resources == {"CustomersApi": FUNCTION}, "one without settings is left out"
    assert list(found.targets()) == [
        Target(Setting.MEMORY, "CustomersApi"),
        Target(Setting.CONCURRENCY, "CustomersApi"),
    ]


def test_a_setting_of_zero_does_not_exist() -> None:
    found = parse_inventory("A b memory=256 concurrency=0;")
    assert found.resources["A"].deployed == {Setting.MEMORY: 256}
    assert found.resource(Target(Setting.CONCURRENCY, "A")) is None
    assert found.resource(Target(Setting.MEMORY, "A")) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CustomersApi;", "'CustomersApi': must begin with a logical id and a name"),
        ("A memory=256;", "'A memory=256': must begin with a logical id and a name"),
        ("A b memory=much;", "A: memory must be a whole number, not 'much'"),
        ("A b table_capacity=1 indexes=-1;", "A: indexes must be a whole number, not '-1'"),
        ("A b memory;", "A: 'memory' must be a name, =, and its value"),
    ],
)
def test_a_wrong_text_is_rejected_by_name(text: str, message: str) -> None:
    with pytest.raises(InventoryError, match=message):
        parse_inventory(text)


@pytest.mark.parametrize(
    ("setting", "resource", "usd"),
    [
        # 15 executions x 1/1,024 GB x 2,628,000 s x 0.0000166667
        (Setting.MEMORY, FUNCTION, 0.6416),
        # 0.25 GB x 2,628,000 s x 0.0000166667, and x 0.0000041667
        (Setting.CONCURRENCY, FUNCTION, 10.95),
        (Setting.PROVISIONED, FUNCTION, 2.7375),
        # (0.5 vCPU x 0.04048 + 1 GB x 0.004445) x 730 h
        (Setting.TASKS, Resource("W", "c/s", {}, {"cpu": "512", "ram": "1024"}), 18.02),
        # 3 x (0.00065 + 0.00013) x 730 h
        (Setting.CAPACITY, Resource("T", "t", {}, {"indexes": "2"}), 1.7082),
        # 3 x 0.1264 x 730 h
        (
            Setting.REPLICAS,
            Resource("C", "c", {}, {"shards": "3", "node": "cache.m7g.large"}),
            276.816,
        ),
    ],
)
def test_a_unit_costs_what_the_price_list_says(
    setting: Setting, resource: Resource, usd: float
) -> None:
    assert unit_cost(setting, resource, prices()) == pytest.approx(usd, rel=0.001)


def test_the_cost_of_an_execution_is_that_of_the_memory_now() -> None:
    assert unit_cost(Setting.CONCURRENCY, FUNCTION, prices(), 512) == pytest.approx(21.9, rel=0.001)


@pytest.mark.parametrize(
    ("alarm", "rules"),
    [
        ("ApiThrottles", ("throttles",)),
        ("CustomersTableThrottles", ("table_throttles",)),
        ("ApiLatency", ("api_latency",)),
        ("FunctionMemory", ("function_memory",)),
        ("WorkerCpu", ("worker_cpu",)),
        ("AnalyticsWorkerMemory", ("worker_memory",)),
        ("ImportWorkerCpu", ("worker_cpu",)),
        ("ImportReportQueue", ()),
        ("ReportQueue", ("report_queue",)),
        ("ConcurrentUsers", ("users", "cache_users")),
        ("ReportQueueAge", ()),
        ("ApiErrors", ()),
        ("", ()),
    ],
)
def test_an_alarm_triggers_the_rules_of_its_signal(alarm: str, rules: tuple[str, ...]) -> None:
    assert rules_of(alarm) == rules


def test_every_trigger_has_a_rule() -> None:
    assert sorted(alarms()) == [
        *("ApiLatency", "ConcurrentUsers", "FunctionMemory", "ReportQueue"),
        *("WorkerCpu", "WorkerMemory", "{name}Throttles", "{type}Throttles"),
    ]


def test_a_rule_reads_the_metrics_of_its_resource() -> None:
    memory = source_of("function_memory", FUNCTION, "auth")
    assert memory is not None
    assert memory.series[0].dimensions == (("Function", "customers-api"),)
    assert source_of("function_memory", FUNCTION._replace(name="Authorizer"), "auth") is None
    table = Resource("T", "orders", {}, {"indexes": "2"})
    capacity = source_of("capacity_in_use", table, "auth")
    assert capacity is not None
    assert capacity.of_setting
    assert {one.dimensions[1:] for one in capacity.series} == {
        (),
        (("GlobalSecondaryIndexName", "gsi1"),),
        (("GlobalSecondaryIndexName", "gsi2"),),
    }
    users = source_of("users", table, "auth")
    assert users is not None
    assert users.series[0].dimensions == (("FunctionName", "auth"),)
    throttles = source_of("table_throttles", table, "auth")
    assert throttles is not None
    assert (throttles.combine([1.0, 2.0]), throttles.period) == (3.0, 60)
    assert source_of("no_rule", table, "auth") is None
