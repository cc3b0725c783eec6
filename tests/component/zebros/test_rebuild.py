"""Boards, timelines and counters of inboxes are built again from the lake, beside live traffic."""

import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from kernel.domain.ids import id_before
from kernel.storage.table import Delete, Put, Table
from tests.component.zebros import company as companies
from tests.component.zebros.company import BOARD, LAKE, TIMELINE, Company
from zebros import cli
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError
from zebros.operations import rebuild, rebuilding
from zebros.operations.histories import Histories, History, StoredEvent
from zebros.operations.rebuild_timeline import rebuild_timeline
from zebros.operations.replay import ReplayProgress

ANY = {"if-match": "*"}


def quiet(_text: str, _done: int, _total: int) -> None:
    """No progress is shown."""


@pytest.fixture
def company(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    companies.clients()
    return Company(cloud)


def board_of(company: Company, tenant: str = "acme", **more: Any) -> dict[str, Any]:
    more = {"wait_seconds": 0.0, "pause": lambda _: None, **more}
    return rebuild.rebuild_board(company.stack, tenant, quiet, **more)


def timeline_of(company: Company, tenant: str = "acme", **more: Any) -> dict[str, Any]:
    more = {"wait_seconds": 0.0, "pause": lambda _: None, **more}
    return rebuild_timeline(company.stack, tenant, quiet, **more)


def deal(company: Company, name: str = "Deal", units: int = 100, **more: Any) -> str:
    amount = {"minor_units": units, "currency": "USD"}
    answer = company.deals("POST", "/opportunities", {"name": name, "amount": amount, **more})
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def change(company: Company, deal_id: str, path: str, body: dict[str, Any]) -> None:
    method = "POST" if path else "PATCH"
    answer = company.deals(method, f"/opportunities/{deal_id}{path}", body, ANY)
    assert answer.status == 200, answer.text


def some_deals(company: Company) -> list[str]:
    """Four deals in several columns, and a task about one of them."""
    first, second, third, fourth = (deal(company, f"D{n}", 100 * n) for n in range(1, 5))
    change(company, first, "/won", {})
    change(company, second, "/stage", {"stage": "proposal"})
    change(company, second, "", {"amount": {"minor_units": 5, "currency": "EUR"}})
    change(company, third, "/lost", {"reason": "price"})
    change(company, third, "/reopen", {})
    related = [{"type": "opportunity", "id": fourth}]
    assert company.tasks("POST", "/tasks", {"title": "Call", "related": related}).status == 201
    return [first, second, third, fourth]


def wrong_counter(company: Company) -> None:
    for (pk, sk), item in company.items("BOARD").items():
        if "#lead#" in sk:
            company.client.put_item(
                TableName="table", Item={**item, "opportunities": {"N": "77"}, "x": {"S": pk}}
            )


def no_board(company: Company) -> None:
    company.replace({}, "BOARD")


def another_column(company: Company) -> None:
    pk = {"S": "TENANT#acme#BOARD#default"}
    item = {"pk": pk, "sk": {"S": "STAGE#lead#XXX"}, "opportunities": {"N": "1"}}
    company.client.put_item(TableName="table", Item=item)


def no_positions(company: Company) -> None:
    company.replace({}, "POSITION#board")


def wrong_memory(company: Company) -> None:
    for item in company.items("POSITION#board").values():
        company.client.put_item(TableName="table", Item={**item, "memory": {"S": "{}"}})


def no_ids(company: Company) -> None:
    for item in company.items("POSITION#board", "POSITION#timeline").values():
        del item["recent"]
        company.client.put_item(TableName="table", Item=item)


def nothing(_company: Company) -> None:
    """No damage."""


def both_lost(company: Company) -> None:
    company.replace({}, "BOARD", "POSITION#board")


BOARD_DAMAGES = [
    wrong_counter,
    no_board,
    another_column,
    no_positions,
    wrong_memory,
    both_lost,
    nothing,
]


@pytest.mark.parametrize("damage", BOARD_DAMAGES)
def test_a_damaged_board_is_counted_again(
    company: Company, damage: Callable[[Company], None]
) -> None:
    some_deals(company)
    company.deliver()
    right, shown = company.projections(), company.board()
    damage(company)
    result = board_of(company)
    assert company.projections() == right
    assert company.board() == shown
    assert company.functions.enabled[BOARD]
    assert (result["records"], result["tenant"]) == (4, "acme")
    assert (result["counters_changed"] > 0) == (
        damage in (wrong_counter, no_board, another_column, both_lost)
    )
    assert board_of(company)["positions_replaced"] == 0, "a second run has nothing to do"
    assert board_of(company)["counters_changed"] == 0


def no_timeline(company: Company) -> None:
    company.replace({}, "TIMELINE")


def some_entries_lost(company: Company) -> None:
    for pk, sk in list(company.items("TIMELINE"))[::2]:
        company.client.delete_item(TableName="table", Key={"pk": {"S": pk}, "sk": {"S": sk}})


def changed_entries(company: Company) -> None:
    for item in company.items("TIMELINE").values():
        company.client.put_item(TableName="table", Item={**item, "doc": {"B": b"?"}})


def entries_of_no_event(company: Company) -> None:
    for item in company.items("TIMELINE").values():
        sk = {"S": "2020-01-01T00:00:00.000Z#000000000001#01ARZ3NDEKTSV4RRFFQ69G5FAV"}
        company.client.put_item(TableName="table", Item={**item, "sk": sk})


def no_timeline_positions(company: Company) -> None:
    company.replace({}, "POSITION#timeline")


def whole_table_lost(company: Company) -> None:
    company.replace({}, "TIMELINE", "POSITION#timeline")


TIMELINE_DAMAGES = [
    no_timeline,
    some_entries_lost,
    changed_entries,
    entries_of_no_event,
    no_timeline_positions,
    whole_table_lost,
    no_ids,
    nothing,
]


@pytest.mark.parametrize("damage", TIMELINE_DAMAGES)
def test_a_damaged_timeline_is_written_again(
    company: Company, damage: Callable[[Company], None]
) -> None:
    some_deals(company)
    company.deliver()
    right = company.projections()
    damage(company)
    result = timeline_of(company)
    timelines = {key for key in right if key[0].startswith("TENANT#acme#TIMELINE")}
    assert {k: v for k, v in company.projections().items() if k in timelines} == {
        k: right[k] for k in timelines
    }
    assert company.projections().keys() == right.keys()
    assert company.functions.enabled[TIMELINE]
    assert (result["entries_deleted"] > 0) == (damage is entries_of_no_event)
    assert result["events"] == sum("stream/" not in one["subject"] for one in company.events)
    board_of(company)
    assert company.projections() == right
    assert timeline_of(company)["positions_replaced"] == 0


def entries_after_a_loss(company: Company) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries before, and those of two changes that a lost region's consumer has written."""
    first, *_ = some_deals(company)
    company.deliver()
    before = company.items("TIMELINE")
    for name in ("One", "Two"):
        change(company, first, "", {"name": name})
    company.deliver(TIMELINE)
    after = company.items("TIMELINE")
    return before, {key: item for key, item in after.items() if key not in before}


def test_new_entries_of_events_that_were_lost_with_a_region_are_deleted(company: Company) -> None:
    """The lake of the other region has never had them, and never will."""
    before, lost = entries_after_a_loss(company)
    company.queues[LAKE].clear()
    assert timeline_of(company)["entries_deleted"] == len(lost) == 2
    assert company.items("TIMELINE") == before


def test_new_entries_whose_events_are_on_their_way_to_the_lake_are_kept(company: Company) -> None:
    before, late = entries_after_a_loss(company)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        company.deliver(LAKE)

    assert timeline_of(company, pause=pause)["entries_deleted"] == 0
    assert company.items("TIMELINE") == before | late
    assert waits == [80.0], "they are waited for once"


def test_a_new_entry_of_a_lost_history_is_deleted_although_its_event_arrives_late(
    company: Company,
) -> None:
    entries_after_a_loss(company)
    *_, event = (one for one in company.queues[LAKE] if "opportunity/" in one["subject"])
    later = {**event, "id": id_before(event["id"], -1)}
    company.queues[LAKE].append(later)
    assert timeline_of(company, pause=lambda _: company.deliver(LAKE))["entries_deleted"] == 1
    kept = {sk.rpartition("#")[2] for _, sk in company.items("TIMELINE")}
    assert (later["id"] in kept, event["id"] in kept) == (True, False)


def test_other_items_beside_new_entries_are_left_alone(company: Company) -> None:
    """The projection also knows records to which tasks refer."""
    some_deals(company)
    company.deliver()
    for pk in {pk for pk, _ in company.items("TIMELINE")}:
        item = {"pk": {"S": pk}, "sk": {"S": "POSITION"}}
        company.client.put_item(TableName="table", Item=item)
    before = company.items("TIMELINE")
    assert timeline_of(company)["entries_deleted"] == 0
    assert company.items("TIMELINE") == before


def test_the_events_of_no_new_entry_are_not_waited_for(company: Company) -> None:
    some_deals(company)
    company.deliver()
    waits: list[float] = []
    timeline_of(company, pause=waits.append)
    assert waits == []


def test_another_tenant_is_not_touched(company: Company) -> None:
    some_deals(company)
    company.deals = company.deals.as_(tenant="globex")
    company.tasks = company.tasks.as_(tenant="globex")
    some_deals(company)
    company.deliver()
    right = company.projections()
    company.replace({}, "BOARD", "TIMELINE", "POSITION")
    timeline_of(company, "globex")
    board_of(company, "globex")
    assert company.projections() == {k: v for k, v in right.items() if "#globex#" in k[0]}


def test_events_that_arrive_during_a_rebuild_are_counted_once(company: Company) -> None:
    """Some are in the lake before the counts are exchanged, others after; none is lost."""
    first, second, *_ = some_deals(company)
    company.deliver()
    company.replace({}, "BOARD", "POSITION#board")

    def live(request: dict[str, Any]) -> None:
        number = len(company.functions.requests)
        deal(company, f"Live {number}", 7)
        change(company, first, "", {"amount": {"minor_units": number, "currency": "USD"}})
        company.deliver(*([LAKE] if number == 1 else []), TIMELINE, BOARD)
        assert not company.functions.enabled[BOARD]

    company.functions.before = live
    board_of(company)
    company.functions.before = lambda _: None
    change(company, second, "/won", {})
    company.deliver()
    company.deliver(LAKE)
    settled = company.projections()
    company.replace({}, "BOARD", "POSITION#board")
    company.receive(BOARD, company.events)
    assert company.projections() == settled


def test_the_old_board_is_shown_until_the_counts_are_exchanged(company: Company) -> None:
    some_deals(company)
    company.deliver()
    shown = company.board()
    wrong_counter(company)
    wrong_memory(company)
    old = company.board()
    boards: list[Any] = []
    company.functions.before = lambda _: boards.append(company.board())
    board_of(company)
    boards.append(company.board())
    requests = [
        next(iter(set(one) - {"tenant", "write", "until"})) for one in company.functions.requests
    ]
    exchanged = requests.index("counters")
    assert boards[: exchanged + 1] == [old] * (exchanged + 1)
    assert boards[exchanged + 1 :] == [shown] * (len(boards) - exchanged - 1)
    assert requests == ["ends", "subjects", "clock", "counters", "subjects"]


def test_a_lake_that_is_behind_changes_nothing(company: Company) -> None:
    first, *_ = some_deals(company)
    company.deliver()
    change(company, first, "", {"name": "Renamed"})
    company.deliver(BOARD, TIMELINE)
    no_board(company)
    before = company.projections()
    with pytest.raises(CliError, match=f"lacks events .* opportunity/{first}") as refused:
        board_of(company)
    assert "rebuild lake" in refused.value.hint
    assert company.projections() == before
    assert company.functions.enabled[BOARD]


def lost_with_a_region(company: Company) -> tuple[str, dict[tuple[str, str], Any]]:
    """A deal, the tables and the board without events that the board's consumer has applied.

    One has changed the deal, another has created one.
    """
    first, *_ = some_deals(company)
    company.deliver()
    kept, right = company.items("OPPORTUNITY"), company.projections()
    change(company, first, "", {"amount": {"minor_units": 9_999, "currency": "USD"}})
    deal(company, "Late")
    company.deliver(BOARD)
    company.queues[LAKE].clear()
    company.replace(kept, "OPPORTUNITY")
    assert company.projections() != right
    return first, right


@pytest.mark.parametrize("at_once", [50, 1])
@pytest.mark.parametrize("outbox", [True, False])
def test_a_board_is_counted_without_events_that_were_lost_with_a_region(
    company: Company, monkeypatch: pytest.MonkeyPatch, at_once: int, *, outbox: bool
) -> None:
    monkeypatch.setattr(rebuilding, "_MAX_EVENTS", at_once)
    first, right = lost_with_a_region(company)
    if not outbox:  # its entries expire after a week
        records = company.items("OPPORTUNITY").items()
        kept = {key: item for key, item in records if not key[1].startswith("EVENT#")}
        company.replace(kept, "OPPORTUNITY")
    result = board_of(company)
    assert (result["records"], result["positions_replaced"]) == (4, 1)
    found = company.projections()
    assert {key: item for key, item in found.items() if key in right} == right
    assert all(sk == "POSITION" for _, sk in found.keys() - right.keys()), "that of the lost deal"
    assert board_of(company)["counters_changed"] == 0, "a second run has nothing to do"
    change(company, first, "", {"amount": {"minor_units": 300, "currency": "USD"}})
    company.deliver()
    shown = company.board()
    assert board_of(company)["counters_changed"] == 0
    assert company.board() == shown


def test_an_event_that_replaced_a_lost_one_is_waited_for(company: Company) -> None:
    first, _ = lost_with_a_region(company)
    change(company, first, "", {"name": "Renamed"})
    company.publish()
    with pytest.raises(CliError, match=f"lacks events .* opportunity/{first}"):
        board_of(company)
    assert board_of(company, wait_seconds=30.0, pause=lambda _: company.deliver(LAKE))
    company.deliver()
    shown = company.board()
    assert board_of(company)["counters_changed"] == 0
    assert company.board() == shown


def test_an_event_is_waited_for_of_which_the_lake_has_the_lost_one(company: Company) -> None:
    first, *_ = some_deals(company)
    company.deliver()
    kept = company.items("OPPORTUNITY")
    change(company, first, "", {"amount": {"minor_units": 9_999, "currency": "USD"}})
    company.deliver(BOARD, LAKE)
    company.replace(kept, "OPPORTUNITY")
    change(company, first, "", {"amount": {"minor_units": 300, "currency": "USD"}})
    company.deliver(BOARD)
    shown = company.board()
    with pytest.raises(CliError, match=f"lacks events .* opportunity/{first}"):
        board_of(company)
    assert board_of(company, wait_seconds=30.0, pause=lambda _: company.deliver(LAKE))
    assert company.board() == shown


def test_a_board_is_not_counted_without_a_record_of_which_the_lake_has_no_event(
    company: Company,
) -> None:
    some_deals(company)
    company.deliver()
    late = deal(company, "Late")
    company.deliver(BOARD, TIMELINE)
    no_board(company)
    before = company.projections()
    with pytest.raises(CliError, match=f"lacks events .* opportunity/{late} .1 records in all"):
        board_of(company)
    assert company.projections() == before

    def arrive(_: float) -> None:
        company.deliver(LAKE)

    assert board_of(company, wait_seconds=30.0, pause=arrive)["records"] == 5


def test_a_lost_lake_changes_no_board(company: Company) -> None:
    some_deals(company)
    company.deliver(BOARD, TIMELINE)
    before = company.projections()
    with pytest.raises(CliError, match="4 records in all"):
        board_of(company)
    assert company.projections() == before


def test_a_board_waits_for_events_on_their_way_to_the_lake(company: Company) -> None:
    first, *_ = some_deals(company)
    company.deliver()
    right = company.projections()
    change(company, first, "", {"amount": {"minor_units": 9, "currency": "USD"}})
    company.deliver(BOARD, TIMELINE)
    right = company.projections()
    no_board(company)
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if seconds == 5.0:
            company.deliver(LAKE)

    board_of(company, wait_seconds=60.0, pause=pause)
    assert company.projections() == right
    assert waits.count(5.0) == 1
    assert waits.count(30.0) == 1, "invocations that began before are waited for"
    assert waits.count(80.0) == 1, "events that were published before are waited for"


def test_a_record_that_the_lake_does_not_have_yet_is_counted(company: Company) -> None:
    """The board has applied its only event before it was paused."""
    some_deals(company)
    company.deliver()
    deal(company, "New")
    company.deliver(BOARD, TIMELINE)
    right = company.projections()
    board_of(company, pause=lambda seconds: company.deliver(LAKE) if seconds == 80.0 else None)
    assert company.projections() == right


def test_a_queue_of_the_lake_that_is_not_consumed_changes_nothing(company: Company) -> None:
    some_deals(company)
    company.deliver()
    no_board(company)
    url = company.stack.resources.queues[f"{LAKE}Queue"]
    company.stack.aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
    with pytest.raises(CliError, match="1 events are still on their way"):
        board_of(company)
    assert company.items("BOARD") == {}
    assert company.functions.enabled[BOARD]


def test_a_queue_of_the_lake_that_is_never_empty_is_waited_for_as_long_as_a_batch_takes(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_deals(company)
    company.deliver()
    right = company.projections()
    sqs = company.stack.aws("sqs")
    url = company.stack.resources.queues[f"{LAKE}Queue"]
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="{}")
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    clock, waits = [0.0], []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("zebros.operations.rebuild.time.monotonic", lambda: clock[0])
    board_of(company, pause=pause, wait_seconds=330.0)
    assert company.projections() == right
    assert waits.count(5.0) == 7, "the batching window of 20 s, and 15 s to write"


def test_a_lake_with_a_gap_changes_nothing(company: Company) -> None:
    _, _, third, _ = some_deals(company)
    company.publish()
    gap = (f"opportunity/{third}", "2")
    company.queues[LAKE] = [e for e in company.queues[LAKE] if (e["subject"], e["sequence"]) != gap]
    company.deliver()
    before = company.projections()
    no_board(company)
    with pytest.raises(CliError, match="lacks events of opportunity/"):
        board_of(company)
    assert company.items("BOARD") == {}
    assert company.functions.enabled[BOARD]
    timeline_of(company)
    assert company.items("TIMELINE") == {k: v for k, v in before.items() if "#TIMELINE#" in k[0]}


@pytest.mark.parametrize("request_", ["ends", "subjects"])
def test_an_interrupted_count_changes_nothing_and_the_consumer_continues(
    company: Company, request_: str
) -> None:
    some_deals(company)
    company.deliver()
    both_lost(company)
    before = company.projections()

    def interrupt(request: dict[str, Any]) -> None:
        if request_ in request:
            raise KeyboardInterrupt

    company.functions.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        board_of(company)
    assert company.projections() == before
    assert company.functions.enabled[BOARD]


def test_a_run_that_was_killed_is_completed_by_the_next(company: Company) -> None:
    """Between counts and positions; the mapping is still stopped."""
    some_deals(company)
    company.deliver()
    right = company.projections()
    both_lost(company)

    def die(request: dict[str, Any]) -> None:
        if request.get("write"):
            raise SystemError("killed")

    company.functions.before = die
    with pytest.raises(CliError, match="the consumer stays stopped: killed") as stopped:
        board_of(company)
    assert "Run the command again" in stopped.value.hint
    assert not company.functions.enabled[BOARD]
    company.functions.before = lambda _: None
    deal(company)
    company.deliver()
    board_of(company)
    assert company.functions.enabled[BOARD]
    company.deliver()
    settled = company.projections()
    company.replace({}, "BOARD", "POSITION#board")
    company.receive(BOARD, company.events)
    assert company.projections() == settled
    assert settled.keys() > right.keys()


def test_an_invocation_that_nobody_waits_for_replaces_no_counters_later(company: Company) -> None:
    """Its caller got no answer and sent it again, and the consumer has continued since."""
    some_deals(company)
    company.deliver()
    wrong_counter(company)
    company.functions.repeated = 1
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        if any("counters" in one for one in company.functions.requests):
            pauses.append(seconds)
            assert not company.functions.enabled[BOARD] or seconds < 1, "the mapping is starting"

    board_of(company, pause=pause)
    assert pauses[0] == pytest.approx(rebuilding.EXCHANGE_S + 1, abs=1)
    deal(company)
    company.deliver()
    settled = company.projections()
    (late,) = [one for one in company.functions.requests if "counters" in one]
    assert late["until"] == pytest.approx(time.time() + rebuilding.EXCHANGE_S, abs=5)
    board = rebuilding.ProjectionFunction(company.stack, "board", "acme", lambda _: None)
    with pytest.raises(CliError, match="may not be replaced any more"):
        board.ask(counters=late["counters"], until=time.time())
    assert company.projections() == settled


def test_counters_that_others_change_meanwhile_are_not_replaced(company: Company) -> None:
    some_deals(company)
    company.deliver()
    right = company.projections()
    wrong_counter(company)
    query, changed = Table.query, list[Any]()

    def query_then_change(self: Table, *arguments: Any, **more: Any) -> Any:
        page = query(self, *arguments, **more)
        if not changed and page.items and "opportunities" in page.items[0]:
            changed.extend(page.items)
            for item in page.items:
                self.put(item | {"opportunities": 1_000})
        return page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "query", query_then_change)
        board_of(company)
    assert changed
    assert company.projections() == right, "read again, and replaced then"


def test_a_run_after_one_that_was_killed_waits_for_what_that_has_sent(company: Company) -> None:
    some_deals(company)
    company.deliver()
    company.functions.enabled[BOARD] = False
    pauses: list[float] = []
    board_of(company, pause=pauses.append)
    assert rebuilding.EXCHANGE_S in pauses
    assert company.functions.enabled[BOARD]


def test_dead_letters_are_redriven_first(company: Company) -> None:
    sqs = company.stack.aws("sqs")
    url = company.stack.resources.queues[f"{LAKE}DeadLetters"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    for build in (board_of, timeline_of):
        with pytest.raises(BadInput, match="ReportingLake has 1 dead-letter") as refused:
            build(company)
        assert "redrive ReportingLake" in refused.value.hint


def test_a_history_of_any_length_is_sent_in_parts(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_MAX_EVENTS", 4)
    monkeypatch.setattr("zebros.operations.rebuild_timeline._KEPT_KEYS", 3)
    first, *_ = some_deals(company)
    for number in range(11):
        change(company, first, "", {"amount": {"minor_units": number, "currency": "USD"}})
    company.deliver()
    right = company.projections()
    company.replace({}, "BOARD", "TIMELINE", "POSITION")
    board_of(company)
    timeline_of(company)
    assert company.projections() == right
    entries_of_no_event(company)
    timelines = {pk for pk, _ in company.items("TIMELINE")}
    assert timeline_of(company)["entries_deleted"] == len(timelines)
    assert company.projections() == right
    sent = [one["subjects"] for one in company.functions.requests if "subjects" in one]
    assert max(sum(len(part["events"]) for part in parts) for parts in sent) == 4


def test_many_timelines_are_compared_in_parts(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zebros.operations.rebuild_timeline._KEPT_KEYS", 4)
    for number in range(5):
        deal(company, f"D{number}")
    company.deliver()
    timeline_of(company)
    requests = company.functions.requests
    assert [len(one["compare"]) for one in requests if "compare" in one] == [2, 2, 2], (
        "five deals and their pipeline; each is a query and a sort key to keep"
    )


@pytest.mark.parametrize("deals", [3, 12])
def test_a_timeline_costs_a_query_and_an_event_a_write(
    company: Company, monkeypatch: pytest.MonkeyPatch, deals: int
) -> None:
    for number in range(deals):
        change(company, deal(company, f"D{number}"), "", {"region": "North"})
    company.deliver()
    timelines = {pk for pk, _ in company.items("TIMELINE")}
    query, transact = Table.query, Table.transact
    queries, writes = list[str](), list[Any]()

    def counted_query(self: Table, pk: str, **more: Any) -> Any:
        queries.append(pk)
        return query(self, pk, **more)

    def counted_transact(self: Table, actions: Any) -> None:
        writes.append(actions)
        transact(self, actions)

    monkeypatch.setattr(Table, "query", counted_query)
    monkeypatch.setattr(Table, "transact", counted_transact)
    result = timeline_of(company)
    assert len(timelines) == deals + 1, "that of the pipeline too"
    assert sorted(queries) == sorted(timelines)
    assert sum(map(len, writes)) == result["events"] == 2 * deals + 1
    assert len(writes) == 1


def test_entries_of_any_age_that_no_event_explains_are_deleted_at_once(company: Company) -> None:
    before, _ = entries_after_a_loss(company)
    company.queues[LAKE].clear()
    entries_of_no_event(company)
    forged = len({pk for pk, _ in before})
    assert timeline_of(company)["entries_deleted"] == 2 + forged
    assert company.items("TIMELINE") == before


def test_old_entries_are_deleted_however_many_new_ones_are_not_explained(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later run finds the new entries that do not fit into an answer."""
    monkeypatch.setattr("kernel.messaging.rebuilding._MAX_FOUND", 1)
    some_deals(company)
    company.deliver()
    timelines = sorted({pk for pk, _ in company.items("TIMELINE")})
    before = company.items("TIMELINE")
    entries_of_no_event(company)
    function = rebuilding.ProjectionFunction(company.stack, "timeline", "acme")
    ranges = [{"pk": pk, "first": "", "last": "3", "keep": []} for pk in timelines]
    answer = function.ask(compare=ranges, horizon="2021")
    assert answer["deleted"] == len(timelines) > 2
    assert answer["found"] == [list(min(before))]
    assert company.items("TIMELINE") == before


def test_entries_without_an_event_are_deleted_together(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_deals(company)
    company.deliver()
    pk = min(pk for pk, _ in company.items("TIMELINE"))
    for number in range(250):
        company.client.put_item(
            TableName="table", Item={"pk": {"S": pk}, "sk": {"S": f"2020#{number:03}"}}
        )
    transact, deletions = Table.transact, list[int]()

    def counted(self: Table, actions: Any) -> None:
        deletions.extend([len(actions)] if isinstance(actions[0], Delete) else [])
        transact(self, actions)

    monkeypatch.setattr(Table, "transact", counted)
    assert timeline_of(company)["entries_deleted"] == 250
    assert deletions == [100, 100, 50]


def test_a_restored_table_is_followed_by_board_and_timeline(company: Company) -> None:
    first, second, *_ = some_deals(company)
    company.deliver()
    records = company.items("OPPORTUNITY")
    change(company, first, "", {"name": "Lost name"})
    change(company, first, "/reopen", {})
    change(company, second, "/won", {})
    company.deliver()
    company.replace(records, "OPPORTUNITY")
    change(company, first, "", {"name": "New name", "region": "North"})
    change(company, second, "", {"region": "North"})
    company.deliver()
    columns = {one["stage"]: one["count"] for one in company.board()["columns"]}
    assert (columns["won"], columns["proposal"]) == (1, 1), "the board follows by itself"
    assert "Reopened" in str(entries(company, first))
    surviving = [one for one in company.events if not is_lost(one, company)]
    assert len(company.events) - len(surviving) == 3
    timeline_of(company)
    assert "Reopened" not in str(entries(company, first))
    settled = company.projections()
    company.replace({}, "BOARD", "TIMELINE", "POSITION")
    for name in (BOARD, TIMELINE):
        company.receive(name, surviving)
    assert company.projections() == settled


def entries(company: Company, deal_id: str) -> list[Any]:
    return list(company.tasks("GET", f"/timeline/opportunity/{deal_id}").json["items"])


def is_lost(event: dict[str, Any], company: Company) -> bool:
    """Whether a later event of its record has the same or a lower sequence."""
    return any(
        other["subject"] == event["subject"]
        and int(other["sequence"]) <= int(event["sequence"])
        and other["id"][:10] > event["id"][:10]
        for other in company.events
    )


WORK = ("new", "move", "move", "win", "deliver", "deliver", "rebuild", "back")


@pytest.mark.parametrize("seed", range(6))
def test_random_work_restores_and_rebuilds_end_in_the_state_of_a_fresh_projection(
    company: Company, seed: int
) -> None:
    chance = random.Random(seed)
    deals = [deal(company, f"D{n}", n) for n in range(3)]
    snapshot = None
    for _ in range(25):
        match chance.choice(
            ["new", "move", "move", "win", "deliver", "deliver", "rebuild", "back"]
        ):
            case "new":
                deals.append(deal(company, "New", chance.randint(1, 99)))
            case "move":
                stage = chance.choice(["lead", "proposal", "negotiation"])
                path = f"/opportunities/{chance.choice(deals)}/stage"
                company.deals("POST", path, {"stage": stage}, ANY)
            case "win":
                company.deals("POST", f"/opportunities/{chance.choice(deals)}/won", {}, ANY)
            case "deliver":
                names = chance.sample([BOARD, TIMELINE], chance.randint(1, 2))
                company.publish()
                for name in names:
                    chance.shuffle(company.queues[name])
                company.deliver(LAKE, *names)
            case "rebuild":
                company.deliver(LAKE)
                chance.choice([board_of, timeline_of])(company)
            case "back" if snapshot is None:
                company.publish()
                snapshot = company.items("OPPORTUNITY"), list(deals)
            case _ if snapshot is not None:
                company.publish()
                records, deals = snapshot[0], list(snapshot[1])
                company.replace(records, "OPPORTUNITY")
                snapshot = None
                # What a restore ends with: one event about every record.
                for one in deals:
                    change(company, one, "", {"name": f"Restored {chance.random()}"})
    company.deliver()
    company.deliver()
    timeline_of(company)
    board_of(company)
    settled = company.projections()
    surviving = [one for one in company.events if not is_lost(one, company)]
    company.replace({}, "BOARD", "TIMELINE", "POSITION")
    for name in (BOARD, TIMELINE):
        company.receive(name, surviving)
    assert company.projections() == settled


def test_a_timeline_of_one_record_is_written_again(company: Company) -> None:
    first, *_ = some_deals(company)
    company.deliver()
    right = company.projections()
    no_timeline(company)
    result = timeline_of(company, subject=f"opportunity/{first}")
    assert (result["records"], result["events"]) == (1, 2)
    found = {pk for pk, _ in company.items("TIMELINE")}
    assert found == {f"TENANT#acme#TIMELINE#opportunity#{first}"}
    unknown = "opportunity/01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with pytest.raises(BadInput, match=f"has no events about {unknown}"):
        timeline_of(company, subject=unknown)
    timeline_of(company)
    assert company.projections() == right


def test_wrong_counters_of_inboxes_are_corrected(company: Company) -> None:
    for owner in ("ann", "ann", "ann", "bob"):
        change(company, deal(company, owner_id=owner), "/won", {})
    company.deliver()
    company.deliver()
    ann = company.inbox.as_(user="ann")
    first, *_ = ann("GET", "/notifications").json["items"]
    assert ann("POST", f"/notifications/{first['id']}/read", {}).status == 200
    company.deliver()

    def counts() -> list[int]:
        users = [company.inbox.as_(user=user) for user in ("ann", "bob")]
        return [int(one("GET", "/notifications/unread-count").json["unread"]) for one in users]

    assert counts() == [2, 1]
    for key, item in company.items("UNREAD").items():
        assert key[1] == "COUNT"
        company.client.put_item(TableName="table", Item={**item, "unread": {"N": "40"}})
    assert counts() == [40, 40]
    pauses: list[float] = []
    result = rebuild.rebuild_inbox(company.stack, "acme", quiet, pause=pauses.append)
    assert result == {"tenant": "acme", "users": 2, "counters_changed": 2}
    assert (counts(), pauses) == ([2, 1], [2.0])
    result = rebuild.rebuild_inbox(company.stack, "acme", quiet, pause=pauses.append)
    assert (result["counters_changed"], pauses) == (0, [2.0])


def test_a_counter_that_changes_meanwhile_is_left_alone(company: Company) -> None:
    change(company, deal(company, owner_id="ann"), "/won", {})
    company.deliver()
    company.deliver()
    ((_, item),) = company.items("UNREAD").items()

    def set_to(number: int) -> None:
        company.client.put_item(TableName="table", Item={**item, "unread": {"N": str(number)}})

    set_to(40)
    result = rebuild.rebuild_inbox(company.stack, "acme", quiet, pause=lambda _: set_to(41))
    assert result["counters_changed"] == 0
    company.functions.before = lambda request: set_to(42 if "correct" in request else 41)
    result = rebuild.rebuild_inbox(company.stack, "acme", quiet, pause=lambda _: None)
    assert result["counters_changed"] == 0
    assert company.items("UNREAD").popitem()[1]["unread"] == {"N": "42"}


def test_a_counter_is_corrected_once_although_the_correction_is_sent_twice(
    company: Company,
) -> None:
    from notifications.bootstrap import counters

    change(company, deal(company, owner_id="ann"), "/won", {})
    company.deliver()
    company.deliver()
    put_if, answers = Table.put_if, list[bool]()

    def meanwhile(self: Table, put: Put) -> None:
        """The same correction by the invocation that was sent before."""
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Table, "put_if", put_if)
            answers.append(counters().correct("acme", "ann", 1, 7))
        put_if(self, put)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "put_if", meanwhile)
        answers.append(counters().correct("acme", "ann", 1, 7))
    assert answers == [True, False]
    assert counters().count("acme", "ann") == 7
    assert counters().correct("acme", "bob", 0, 2)
    assert counters().count("acme", "bob") == 2


def test_a_function_refuses_partitions_of_another_tenant(company: Company) -> None:
    for request in (
        {"counters": [{"pk": "TENANT#globex#BOARD#default", "items": {}}], "until": 0},
        {
            "compare": [{"pk": "TENANT#acme2#TIMELINE#a#1", "first": "", "last": "x", "keep": []}],
            "horizon": "x",
        },
        {"delete": [["TENANT#acme2#TIMELINE#a#1", "x"]]},
    ):
        with pytest.raises(CliError, match="not of the tenant"):
            rebuilding.ProjectionFunction(company.stack, "board", "acme").ask(**request)


def stored(sequence: int, millisecond: int) -> StoredEvent:
    return StoredEvent(f"{millisecond:010d}{sequence:016d}", sequence, 2, b"")


def test_the_history_with_the_last_event_survives() -> None:
    common = [stored(n, n) for n in range(1, 6)]
    lost = [stored(n, n) for n in range(6, 10)]
    new = [stored(n, 100 + n) for n in range(6, 8)]
    history = History.of("s", [*new, *lost, *common])
    assert history.surviving == (*common, *new)
    assert history.lost == tuple(lost)
    assert (history.has_gap, history.highest) == (False, 9)
    assert History.of("s", lost).has_gap
    one_change = [stored(2, 1), stored(1, 1), stored(3, 1)]
    assert [one.sequence for one in History.of("s", one_change).surviving] == [1, 2, 3]


def test_histories_are_grouped_by_subject_and_each_event_is_stored_once(tmp_path: Any) -> None:
    histories = Histories(tmp_path / "x.sqlite")
    events = [
        {"subject": f"{kind}/{n}", "id": f"{n:026d}", "sequence": "1", "data": "é"}
        for kind in ("opportunity", "task")
        for n in (2, 1)
    ]
    for _ in range(2):
        histories.add(events, ["opportunity"])
    found = list(histories)
    assert [one.subject for one in found] == ["opportunity/1", "opportunity/2"]
    assert [one.surviving[0].envelope for one in found] == [events[1], events[0]]
    assert histories.count() == 2
    histories.close()


def command(
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: str,
) -> tuple[int, str, str]:
    """Run `zebros events rebuild`; returns the exit code, the result and what else was printed."""
    monkeypatch.setattr(Connection, "deployment", lambda _: company.stack)
    for function in (rebuild.rebuild_counters, rebuild_timeline, rebuild.rebuild_inbox):
        monkeypatch.setitem(function.__kwdefaults__, "pause", lambda _: None)
    monkeypatch.setattr("zebros.cli.rebuild.time.sleep", lambda _: None)
    code = cli.main(["events", "rebuild", *words])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


def test_the_command_prints_what_it_did(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_deals(company)
    company.deals = company.deals.as_(tenant="globex")
    deal(company)
    company.deliver()
    both_lost(company)

    def ask(*words: str) -> tuple[int, str, str]:
        return command(company, monkeypatch, capsys, *words)

    assert ask("board")[:2] == (
        0,
        "acme: 4 records read, 9 events applied, 4 positions replaced, 3 counters changed.\n",
    )
    code, out, _ = ask("board", "--all-tenants", "--json")
    assert (code, json.loads(out)) == (
        0,
        {
            "rebuilt": "board",
            "results": [
                {
                    "tenant": tenant,
                    "records": records,
                    "events": events,
                    "positions_replaced": replaced,
                    "counters_changed": changed,
                }
                for tenant, records, events, replaced, changed in (
                    ("acme", 4, 9, 0, 0),
                    ("globex", 1, 1, 1, 1),
                )
            ],
        },
    )
    assert "0 entries deleted" in ask("timeline")[1]
    assert (
        ask("inbox", "--tenant", "globex")[1] == "globex: 0 users compared, 0 counters changed.\n"
    )
    code, _, err = ask("board", "--subject", "opportunity/1")
    assert (code, "A board is built as a whole." in err) == (65, True)
    assert ask("reports")[0] == 2


def test_the_command_waits_for_the_lake_before_it_reads_timelines(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_deals(company)
    company.deliver()
    url = company.stack.resources.queues[f"{LAKE}Queue"]
    company.stack.aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
    code, _, err = command(company, monkeypatch, capsys, "timeline", "--wait", "0")
    assert (code, "1 events are still on their way" in err) == (1, True)


def test_a_lost_lake_is_written_again_from_the_archive(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_deals(company)
    company.deliver()
    right = company.projections()
    for one in company.s3.list_objects_v2(Bucket="lake")["Contents"]:
        company.s3.delete_object(Bucket="lake", Key=one["Key"])
    url = company.stack.resources.queues[f"{LAKE}Queue"]
    sqs = company.stack.aws("sqs")
    asked: list[Any] = []

    def replayed(_: Any, start: datetime, end: datetime, consumer: str, __: Any) -> Any:
        """In place of the archive, which moto replays to all rules."""
        asked.append((end - start, consumer))
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        yield ReplayProgress("again", "COMPLETED", 1.0)

    def pause(_seconds: float) -> None:
        company.receive(LAKE, company.events)
        sqs.purge_queue(QueueUrl=url)

    monkeypatch.setattr("zebros.operations.replay.replay", replayed)
    result = rebuild.rebuild_lake(company.stack, quiet, pause=pause)
    assert asked == [(timedelta(days=365), LAKE)]
    assert result == {"replay": "again", "tenants": ["acme"]}
    company.replace({}, "BOARD", "TIMELINE", "POSITION")
    board_of(company)
    timeline_of(company)
    assert company.projections() == right
