"""The bill of hand-made systems, and of the templates in every phase and region role."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.template.stack import PHASES, ROOT
from tests.unit.zebros.costs.design import rule, system, usage
from zebros.cloudformation import System, resolve
from zebros.costs import Bill, Prices, Usage, monthly, projection
from zebros.costs.bill import charges, rounded
from zebros.costs.charges import PRICED, Design
from zebros.costs.unpriced import ALWAYS_LEFT_OUT, FREE, LEFT_OUT
from zebros.errors import BadInput

PRICES = Prices.load()
SYSTEMS = [*((name, "primary") for name in PHASES), ("enterprise", "secondary")]
"""A second region needs the phase enterprise."""
QUEUES = usage(
    rules={"queues": rule(calls="events", factor=5)},
    requests_per_message=1,
    pollers=1,
    empty_receives=1,
)
QUEUE: Any = ("AWS::SQS::Queue", {})
ADDRESS: Any = ("AWS::EC2::EIP", {})


@cache
def phase(name: str, role: str = "primary") -> tuple[System, Usage, Bill]:
    """The templates' system of a phase, its load and its bill."""
    assumed = Usage.load(name, role)
    found = resolve(ROOT / "template.yaml", {"Phase": name, **assumed.parameters})
    return found, assumed, monthly(found, assumed, PRICES)


def test_charges_of_all_resources_are_added_up_by_item() -> None:
    bill = monthly(system(A=QUEUE, B=QUEUE, C=ADDRESS), QUEUES, PRICES)
    addresses, requests = bill.lines
    assert (requests.price.item, requests.quantity) == ("sqs.requests", 4_000_000)
    assert (requests.amount, requests.resources) == (Decimal("1.60"), ("A", "B"))
    assert (addresses.amount, addresses.resources) == (Decimal("3.65"), ("C",))
    assert bill.total == Decimal("5.25")
    assert list(bill.parts.items()) == [
        ("Network", Decimal("3.65")),
        ("SQS", Decimal("1.60")),
    ]


def test_tiers_apply_to_the_sum_of_all_resources() -> None:
    load = usage(users=30_000, response_kb=1)  # 300 million requests an API
    api: Any = ("AWS::ApiGateway::RestApi", {})
    lines = monthly(system(A=api, B=api), load, PRICES).lines
    amounts = {line.price.item: line.amount for line in lines}
    assert amounts["api_gateway.rest_requests"] == Decimal("1165.50") + 267 * Decimal("2.80")


def test_what_is_not_used_is_no_line() -> None:
    bill = monthly(system(Bus=("AWS::Events::EventBus", {})), usage(role="secondary"), PRICES)
    assert (bill.lines, bill.total) == ((), 0)


def test_amounts_are_whole_cents_and_add_up() -> None:
    assert rounded(Decimal("16.425")) == Decimal("16.43")
    assert rounded(Decimal("0.0049")) == Decimal("0.00")
    for name in PHASES:
        bill = phase(name)[2]
        assert bill.total == sum(line.amount for line in bill.lines) == sum(bill.parts.values())
        assert all(line.amount == rounded(line.amount) for line in bill.lines)


def test_emitted_metrics_are_charged_to_the_account() -> None:
    function: Any = ("AWS::Lambda::Function", {})
    load = usage(rules={"functions": rule(factor=1, cpu_ms=1, wait_ms=1)}, custom_metrics=40)
    lines = {one.price.item: one for one in monthly(system(F=function), load, PRICES).lines}
    assert lines["cloudwatch.metrics"].amount == 12
    assert lines["cloudwatch.metrics"].resources == ("(account)",)


def test_a_bill_states_only_the_assumptions_that_it_used() -> None:
    bill = monthly(system(A=("AWS::SNS::Topic", {})), usage(topic_messages=5), PRICES)
    assert [one.name for one in bill.assumptions] == ["topic_messages"]


def test_a_type_that_is_left_out_is_named_under_exclusions() -> None:
    bill = monthly(system(Plan=("AWS::ARCRegionSwitch::Plan", {})), usage(), PRICES)
    assert bill.exclusions[:-1] == ALWAYS_LEFT_OUT
    assert "ARC Region switch" in bill.exclusions[-1]
    assert monthly(system(A=ADDRESS), usage(), PRICES).exclusions == ALWAYS_LEFT_OUT


def test_a_type_that_nobody_has_priced_is_an_error() -> None:
    with pytest.raises(BadInput) as caught:
        monthly(system(Hose=("AWS::KinesisFirehose::DeliveryStream", {})), usage(), PRICES)
    assert caught.value.message == (
        "Hose cannot be priced: there is no pricing function for "
        "AWS::KinesisFirehose::DeliveryStream."
    )


def test_an_item_without_a_price_is_an_error() -> None:
    cluster: Any = ("AWS::DAX::Cluster", {"NodeType": "dax.r9.huge", "ReplicationFactor": 3})
    with pytest.raises(BadInput, match=r"prices\.toml has no price for dax\.dax\.r9\.huge\."):
        monthly(system(Cluster=cluster), usage(), PRICES)


def test_a_type_is_priced_or_free_or_left_out() -> None:
    assert not set(PRICED) & FREE
    assert not set(PRICED) & set(LEFT_OUT)
    assert not FREE & set(LEFT_OUT)


@pytest.mark.parametrize(("name", "role"), SYSTEMS)
def test_every_resource_of_the_templates_has_a_price(name: str, role: str) -> None:
    found, _, bill = phase(name, role)
    assert (bill.phase, bill.role) == (name, role)
    assert bill.total > 0
    priced = {one for line in bill.lines for one in line.resources}
    for kind in ("AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::Logs::LogGroup"):
        assert set(found.of_type(kind)) <= priced, kind


def test_the_fence_costs_its_reads_and_an_alarm() -> None:
    load = Usage.load("enterprise")
    regions = {"ReplicaRegion": "us-west-2", "WitnessRegion": "us-east-2"}
    found = resolve(ROOT / "template.yaml", {"Phase": "enterprise", **load.parameters, **regions})
    design = Design(found, load)
    made = [one for one in charges("FenceTable", design) if one.quantity >= 1]
    assert [one.item for one in made] == ["dynamodb.read_requests"], "moves alone write it"
    each = made[0].quantity / load.writes
    assert 1 < each < 6, "reads of the processes that one request lets write"
    assert "FenceUnreadAlarm" in found.of_type("AWS::CloudWatch::Alarm")


def test_a_larger_phase_costs_more() -> None:
    totals = [phase(name)[2].total for name in PHASES]
    assert totals == sorted(totals)
    assert totals[0] < 60, "a first stack stays small and cheap"


def test_the_memory_of_the_templates_is_what_is_charged() -> None:
    """startup to growth: 256 to 512 MB for most functions, 100 instead of 25 users."""

    def seconds(bill: Bill) -> Decimal:
        items = ("lambda.duration", "lambda.provisioned_duration")
        lines = [one for one in bill.lines if one.price.item in items]
        assert lines
        return sum((one.quantity for one in lines), Decimal(0))

    growth, load, bill = phase("growth")
    small = resolve(ROOT / "template.yaml", {"Phase": "startup", **load.parameters})
    assert seconds(monthly(small, load, PRICES)) < seconds(bill)
    assert len(growth.of_type("AWS::Lambda::Function")) > 15


def test_the_year_to_come_starts_with_this_month_and_adds_stored_data() -> None:
    found, load, bill = phase("growth")
    months = projection(found, load, PRICES)
    assert len(months) == 12
    assert months[0] == bill.total
    assert list(months) == sorted(set(months))
    last = monthly(found, load.after(11), PRICES)
    assert months[-1] == last.total
    grown = {
        line.price.item
        for line, before in zip(last.lines, bill.lines, strict=True)
        if line.amount != before.amount
    }
    assert "dynamodb.storage" in grown
    assert not {item for item in grown if item.startswith(("lambda.", "fargate.", "sqs."))}


def test_every_assumption_of_the_file_is_used_by_some_resource() -> None:
    """Together with the hand-made resources of the other tests, which need each of their own."""
    code = "".join(
        path.read_text(encoding="utf-8") for path in (Path(ROOT) / "zebros" / "costs").glob("*.py")
    )
    for name in Usage.load("growth").assumptions:
        assert f'["{name}"]' in code, name
