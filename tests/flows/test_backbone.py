"""The event backbone from outside: a partner's stack, a trace, lag, poison events, redrive."""

import json
import os
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import ROOT, Crm, environment
from tests.flows.figures import record_figure
from zebros.client.api import Client, StaticToken

WINS = int(os.environ.get("ZEBROS_WINS", "400"))


def an_opportunity(crm: Crm, name: str, minor_units: int, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "amount": {"minor_units": minor_units, "currency": "USD"}, **fields}
    answer = crm("POST", "/opportunities", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def win(crm: Crm, deal_id: str) -> None:
    answer = crm("POST", f"/opportunities/{deal_id}/won", {}, headers={"if-match": "*"})
    assert answer.status_code == 200, answer.text


def listed(crm: Crm, **query: str) -> Iterator[dict[str, Any]]:
    """All opportunities of a list."""
    with Client(crm.state["api"], StaticToken(crm.token())) as client:
        yield from client.items("/opportunities", **query)


class Partner:
    """The subscriber's stack, built and deployed by the commands of its README."""

    def __init__(self, crm: Crm, folder: Path) -> None:
        self.crm, self.folder = crm, folder / "examples" / "subscriber"
        for part in ("examples/subscriber", "events/schemas"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns(".aws-sam"))
        crm.sam(self.folder, "build")
        crm.sam(self.folder, "deploy", "--parameter-overrides", f"BusName={crm.state['bus']}")
        stacks = crm.client("cloudformation").describe_stacks(StackName="big-wins")["Stacks"]
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks[0]["Outputs"]}

    def kept(self) -> Counter[str]:
        """How often each opportunity was stored."""
        pages = self.crm.client("dynamodb").get_paginator("scan")
        found = pages.paginate(TableName=self.outputs["TableName"])
        return Counter(item["opportunity_id"]["S"] for page in found for item in page["Items"])

    def loses_its_queue(self) -> dict[str, str]:
        """Delete its queue; returns the attributes to create it again."""
        url = self.outputs["QueueUrl"]
        found = self.crm.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        self.crm.sqs.delete_queue(QueueUrl=url)
        names = ("VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy", "Policy")
        return {name: found["Attributes"][name] for name in names}

    def has_its_queue_again(self, attributes: dict[str, str]) -> None:
        """Create the queue again, and send it the events that could not be delivered."""
        url, dead_letters = self.outputs["QueueUrl"], self.outputs["DeadLettersUrl"]
        self.crm.sqs.create_queue(QueueName=url.rsplit("/", 1)[1], Attributes=attributes)
        source, destination = (
            self.crm.sqs.get_queue_attributes(QueueUrl=one, AttributeNames=["QueueArn"])
            for one in (dead_letters, url)
        )
        self.crm.sqs.start_message_move_task(
            SourceArn=source["Attributes"]["QueueArn"],
            DestinationArn=destination["Attributes"]["QueueArn"],
        )

    def listens(self, enabled: bool) -> None:
        """Disable or enable its consumer; events wait in its queue meanwhile."""
        functions = self.crm.client("lambda")
        name = self.outputs["FunctionName"]
        (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


@pytest.fixture(scope="module")
def partner(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> Partner:
    return Partner(crm, tmp_path_factory.mktemp("partner"))


def test_a_partner_gets_exactly_the_wins_above_its_amount(crm: Crm, partner: Partner) -> None:
    amounts = [1, 499_999, 500_000, 500_001, 700_000, 9_000_000]
    deals = {a: an_opportunity(crm, f"Deal {a}", a)["id"] for a in amounts}
    late = an_opportunity(crm, "Won while the queue was down", 800_000)["id"]
    lost = an_opportunity(crm, "Big but lost", 9_000_000)["id"]
    euros = crm(
        "POST",
        "/opportunities",
        {"name": "Euros", "amount": {"minor_units": 9_000_000, "currency": "EUR"}},
    ).json()["id"]
    for opportunity in [*list(deals.values())[:5], euros]:
        win(crm, opportunity)
    crm("POST", f"/opportunities/{lost}/lost", {"reason": "x"}, headers={"if-match": "*"})
    crm.settle()
    assert partner.kept() == {deals[500_001]: 1, deals[700_000]: 1}

    partner.listens(False)
    win(crm, deals[9_000_000])
    time.sleep(1)
    assert deals[9_000_000] not in partner.kept()
    partner.listens(True)
    crm.settle()
    wanted = {deals[a]: 1 for a in amounts if a > 500_000}
    assert partner.kept() == wanted, (
        "events that arrived while its consumer was disabled are not lost"
    )

    attributes = partner.loses_its_queue()
    win(crm, late)
    crm.until(lambda: crm.waiting(partner.outputs["DeadLettersUrl"]) == 1)
    assert late not in partner.kept()
    partner.has_its_queue_again(attributes)
    crm.settle()
    wanted[late] = 1
    assert partner.kept() == wanted, "events that arrived while its queue was missing are not lost"

    since = datetime.fromtimestamp(time.time() - 3600, UTC).isoformat()
    crm.zebros("events", "replay", "--from", since)
    crm.settle()
    assert partner.kept() == wanted, "a replay stores nothing twice"
    lines = crm.log_lines(partner.outputs["FunctionName"], "duplicate")
    assert {line["replayed"] for line in lines} == {True}, "replayed events are marked"


def test_a_win_is_one_trace(crm: Crm) -> None:
    opportunity = an_opportunity(crm, "Traced deal", 123_400)
    win(crm, opportunity["id"])
    crm.settle()
    story = crm.zebros.json("events", "trace", opportunity["id"])
    text = json.dumps(story)
    record_figure(crm.zebros("events", "trace", opportunity["id"]).stdout)
    for part in ("OpportunityWon", "timeline", "board", "inbox", "jsonl.gz"):
        assert part in text, part
    timeline = crm("GET", f"/timeline/opportunity/{opportunity['id']}").json()["items"]
    assert timeline[0]["text"] == "Won: Traced deal, USD 1,234.00"
    inbox = crm("GET", "/notifications").json()["items"]
    assert inbox[0]["text"] == "Won: Traced deal, USD 1,234.00"


def test_lag_over_many_wins_is_measured(crm: Crm) -> None:
    """Commit to consumer, from the event's time to the timeline's log line."""
    items = [
        {"name": f"Lag {i}", "external_ids": {"lag": str(i)}, "owner_id": "reader"}
        for i in range(WINS)
    ]
    ids: list[str] = []
    for first in range(0, WINS, 100):
        answer = crm("POST", "/opportunities/batch", {"items": items[first : first + 100]})
        ids += [result["id"] for result in answer.json()["results"]]
    crm.settle()
    started = time.time()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda opportunity: win(crm, opportunity), ids))
    seconds = time.time() - started
    crm.settle()
    lines = crm.log_lines(crm.state["functions"]["ActivitiesEvents"], "OpportunityWon", started)
    wanted = set(ids)
    applied = {
        line["subject"].split("/")[1]: line
        for line in lines
        if line.get("outcome") == "applied" and line["subject"].split("/")[1] in wanted
    }
    assert applied.keys() == wanted
    # In pages, because reading each alone takes as long as winning it.
    won_at = {deal["id"]: deal["updated_at"] for deal in listed(crm, owner_id="reader")}
    assert won_at.keys() == wanted
    lags = []
    for deal_id, line in applied.items():
        at = datetime.fromisoformat(line["timestamp"])
        lags.append((at - datetime.fromisoformat(won_at[deal_id])).total_seconds())
    cuts = statistics.quantiles(lags, n=100)
    record_figure(
        f"{WINS} wins in {seconds:.1f} s ({WINS / seconds:.0f}/s); commit to timeline: "
        f"p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, max {max(lags):.2f} s"
    )


def test_a_poison_event_goes_to_the_dead_letter_queue_blocks_no_other_event_and_is_redriven(
    crm: Crm,
) -> None:
    queues = crm.state["resources"]["queues"]
    queue, dead = queues["ActivitiesEventsQueue"], queues["ActivitiesEventsDeadLetters"]
    normal = crm.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    # Five attempts take seconds instead of minutes.
    crm.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    try:
        crm.sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"detail": {"id": "poison"}}))
        opportunity = an_opportunity(crm, "Behind the poison", 100)
        crm.until(lambda: crm.waiting(dead) == 1, 60)
        entries = crm("GET", f"/timeline/opportunity/{opportunity['id']}").json()["items"]
        assert [e["type"] for e in entries] == ["OpportunityCreated"]
        crm.zebros("events", "redrive", "ActivitiesEvents")
        crm.until(lambda: crm.waiting(dead) == 0)
    finally:
        crm.sqs.set_queue_attributes(QueueUrl=queue, Attributes=normal["Attributes"])
        crm.sqs.purge_queue(QueueUrl=queue)
        crm.sqs.purge_queue(QueueUrl=dead)


def test_the_tests_run_without_settings_of_aws() -> None:
    assert not [name for name in environment() if name.startswith("AWS_")]
    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"
