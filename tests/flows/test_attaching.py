"""A stack is deleted, and a new one uses the tables, buckets, bus and archive that it has left.

Every step is a command of docs/attaching.md. Where AWS differs: a bucket's name has another form,
and what a restore leaves out of a table is tested in tests/component/zebros/test_attach.py.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import ROOT, RUNNING, Crm, Zebros, up_options
from tests.flows.figures import record_figure
from tests.flows.moving_traffic import Subscriber
from zebros.client.stack import STREAM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ANY = {"if-match": "*"}
REPORT = {"report": "win_rate", "by": "owner"}


def call(crm: Crm, method: str, path: str, body: Any = None) -> Any:
    answer = crm(method, path, body, headers=ANY if method != "GET" else {})
    assert answer.status_code < 300, answer.text
    return answer.json()


class Attached:
    """A CRM whose stack was deleted, and which a new stack has taken over."""

    def __init__(self, zebros: Zebros) -> None:
        self.zebros, self.crm = zebros, Crm(zebros)
        self.subscriber = Subscriber(self.crm)
        self.account = call(self.crm, "POST", "/accounts", {"name": "Kept"})
        deals = [self.deal(f"Deal {number}") for number in range(3)]
        self.deals = [deal["id"] for deal in deals]
        self.pipeline = deals[0]["pipeline_id"]
        call(self.crm, "POST", f"/opportunities/{self.deals[0]}/won", {})
        self.subscriber.receive_all()
        self.before = self.shown()
        self.parameters = self.stack()
        self.delete()
        self.found = zebros.json("attach")
        self.deploy(self.parameters | self.found["parameters"])
        # What a consumer has received when it stops returns only after its visibility timeout.
        self.subscriber.receive_all()
        zebros("down")
        zebros.up(*up_options())
        self.crm.http.close()
        self.crm.sqs.close()
        self.crm = Crm(zebros)
        self.subscriber.crm = self.crm
        self.subscriber.receive_all()

    def deal(self, name: str) -> Any:
        """A new opportunity of the account."""
        body = {
            "name": name,
            "account_id": self.account["id"],
            "amount": {"minor_units": 1000, "currency": "EUR"},
        }
        return call(self.crm, "POST", "/opportunities", body)

    def shown(self) -> dict[str, Any]:
        """What users see."""
        paths = [
            *(f"/accounts/{self.account['id']}", f"/pipelines/{self.pipeline}/board"),
            *(f"/opportunities/{deal}" for deal in self.deals),
            *(f"/timeline/opportunity/{deal}" for deal in self.deals),
            *("/accounts", "/opportunities"),
        ]
        return {path: call(self.crm, "GET", path) for path in paths} | {
            "report": self.crm.report(REPORT)["result"]["rows"]
        }

    def stack(self) -> dict[str, str]:
        """The parameters of the stack."""
        found = self.crm.client("cloudformation").describe_stacks(StackName="zebros")["Stacks"][0]
        return {one["ParameterKey"]: one["ParameterValue"] for one in found["Parameters"]}

    def delete(self) -> None:
        """Delete the stack, as with `aws cloudformation delete-stack`."""
        formation = self.crm.client("cloudformation")
        formation.delete_stack(StackName="zebros")
        formation.get_waiter("stack_delete_complete").wait(
            StackName="zebros", WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )
        assert self.crm.client("lambda").list_functions()["Functions"] == []

    def deploy(self, parameters: dict[str, str]) -> None:
        """The `sam deploy` that the command has printed, with the other parameters."""
        began = time.monotonic()
        built = self.zebros.home / "build" / "template.yaml"
        overrides = [f"{name}={value}" for name, value in parameters.items() if value]
        self.crm.sam(
            ROOT, "deploy", "--template-file", str(built), "--config-file",
            str(ROOT / "samconfig.toml"), "--parameter-overrides", *overrides,
        )  # fmt: skip
        record_figure(f"sam deploy with attached tables: {time.monotonic() - began:.0f} s")

    def published(self, identifier: str) -> Counter[int]:
        """How often each version of a record was published."""
        found = [e for e in self.subscriber.published if e["subject"].endswith(f"/{identifier}")]
        return Counter(int(event["sequence"]) for event in found)


@pytest.fixture(scope="module")
def attached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attached]:
    """A platform of its own, because other tests need the stack that is deleted here."""
    zebros = Zebros(Path(RUNNING) if RUNNING else tmp_path_factory.mktemp("attached") / "home")
    if not RUNNING:
        zebros.up(*up_options())
    try:
        made = Attached(zebros)
        yield made
        made.crm.http.close()
    finally:
        if not RUNNING:
            zebros("down")


def test_everything_that_the_stack_needs_is_found(attached: Attached) -> None:
    found = attached.found
    assert found["problems"] == []
    assert {change.partition(": ")[2] for change in found["changes"]} <= {"deletion protection"}
    assert len([name for name in found["parameters"] if STREAM.fullmatch(name)]) == 9
    assert found["parameters"]["ExistingBus"] == "yes"
    for bucket in ("Lake", "Files"):
        assert (
            attached.crm.state[f"{bucket.lower()}_bucket"]
            == (found["parameters"][f"Existing{bucket}BucketName"])
        )


def test_users_see_what_they_saw_before(attached: Attached) -> None:
    shown = attached.shown()
    assert shown.keys() == attached.before.keys()
    for path, answer in attached.before.items():
        assert shown[path] == answer, path


def test_a_change_is_published_once_and_reaches_every_consumer(attached: Attached) -> None:
    crm, deal = attached.crm, attached.deals[1]
    call(crm, "POST", f"/opportunities/{deal}/won", {})
    new = attached.deal("New")
    attached.subscriber.receive_all()
    assert attached.published(deal)[2] == 1
    assert attached.published(new["id"]) == Counter({1: 1})
    timeline = call(crm, "GET", f"/timeline/opportunity/{deal}")["items"]
    assert len(timeline) == len(attached.before[f"/timeline/opportunity/{deal}"]["items"]) + 1
    board = f"/pipelines/{attached.pipeline}/board"
    assert call(crm, "GET", board) != attached.before[board]
    crm.until(lambda: bool(crm.report(REPORT)["result"]["rows"] != attached.before["report"]))


def test_the_archive_has_the_events_of_both_stacks(attached: Attached) -> None:
    events = attached.crm.client("events")
    archive = events.describe_archive(ArchiveName="zebros-events")
    distinct = {event["id"] for event in attached.subscriber.published}
    assert archive["EventCount"] >= len(distinct)


def test_commands_find_the_attached_tables_and_buckets(attached: Attached) -> None:
    found = attached.crm.state["resources"]
    assert len(found["tables"]) == 9
    assert found["buses"] == {"Bus": "zebros-events"}
    assert found["archives"] == {"BusArchive": "zebros-events"}
    result = attached.zebros.json("--tenant", "acme", "events", "rebuild", "board")
    assert result["rebuilt"] == "board"


def test_a_move_of_phase_leaves_the_attached_tables_as_they_are(attached: Attached) -> None:
    tables = attached.crm.client("dynamodb")

    def described() -> list[Any]:
        names = sorted(attached.crm.state["tables"].values())
        return [tables.describe_table(TableName=name)["Table"] for name in names]

    stable = ("TableId", "BillingModeSummary", "LatestStreamArn", "DeletionProtectionEnabled")
    before = [{key: table.get(key) for key in stable} for table in described()]
    attached.deploy({"Phase": "startup"})
    assert [{key: table.get(key) for key in stable} for table in described()] == before
    assert attached.stack()["Phase"] == "startup"
    new = attached.deal("After the move")
    attached.subscriber.receive_all()
    assert attached.published(new["id"]) == Counter({1: 1})
