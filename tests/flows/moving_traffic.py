"""Traffic on a deployed system whose stack is being moved: what was sent, answered and published.

Nothing is sent twice here to hide a failure: a request with another status than the expected one,
or without an answer, stays in the log.
"""

import itertools
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.flows.conftest import Crm

_FINISHED_S = 90
_LAST_ANSWER_S = 60
_READERS = 4
_QUIET = 5
TENANT = "globex"
COLLECTIONS = ("accounts", "opportunities", "tasks")
_MINE = {
    "accounts": "owner_id=admin",
    "opportunities": "owner_id=admin",
    "tasks": "assignee_id=rep",
}
"""A list that contains everything that was written here."""


def body_of(collection: str, number: int) -> dict[str, Any]:
    """A new record of a collection."""
    if collection == "accounts":
        return {"name": f"Account {number}", "region": "Zürich, 東京 and São Paulo"}
    if collection == "opportunities":
        amount = {"minor_units": 100 * number, "currency": "EUR"}
        return {"name": f"Deal {number}", "amount": amount, "expected_close_on": "2027-03-31"}
    return {"title": f"Task {number}", "assignee_id": "rep", "due_on": "2027-02-28"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, and how it ended."""

    kind: str
    request: str
    wanted: int
    status: int | None
    """None without an answer; `text` is then the error."""
    text: str
    milliseconds: float

    @property
    def failed(self) -> bool:
        """Whether the answer is not the expected one."""
        return self.status != self.wanted


@dataclass(slots=True)
class Record:
    """A record as the API answered last."""

    path: str
    key: str
    """The Idempotency-Key with which it was created."""
    created: dict[str, Any]
    """The body with which it was created."""
    answered: dict[str, Any]
    """The answer to that, which the same key gets again."""
    current: dict[str, Any]
    etag: str

    @property
    def version(self) -> int:
        """The number of changes, the creation included."""
        return int(self.current["version"])


@dataclass
class Traffic:
    """Clients of one CRM, each in a thread with its own connection."""

    crm: Crm
    sent: list[Sent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Answers with the expected status and the wrong content."""
    records: dict[str, Record] = field(default_factory=dict)
    """What was written, by id; written by one thread at a time."""
    reports: list[str] = field(default_factory=list)
    """The ids of the reports that were completed."""

    def load(self, each: int) -> None:
        """Create `each` records of every collection, which are read from then on."""
        numbers = range(each)
        with ThreadPoolExecutor(_READERS) as several, httpx.Client(timeout=60) as http:
            made = [
                several.submit(self._create, http, collection, number)
                for collection in COLLECTIONS
                for number in numbers
            ]
            for one in made:
                one.result()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests during the block; every one is answered when it ends."""
        stop = threading.Event()
        loaded = list(self.records.values())
        parts: tuple[tuple[Callable[..., None], Any, float], ...] = (
            (self._write, itertools.count(len(self.records)), 0.1),
            (self._read, loaded, 0.1),
            (self._list, itertools.cycle(COLLECTIONS), 0.3),
            (self._repeat, itertools.cycle(loaded), 0.3),
            (self._report, None, 5),
        )

        def client(step: Callable[..., None], state: Any, pause: float) -> None:
            with httpx.Client(timeout=60) as http:
                while not stop.is_set():
                    step(http, state)
                    stop.wait(pause)

        with ThreadPoolExecutor(len(parts)) as threads:
            clients = [threads.submit(client, *part) for part in parts]
            try:
                yield
            finally:
                stop.set()
                for one in clients:
                    one.result(_LAST_ANSWER_S + _FINISHED_S)

    def differences(self) -> list[str]:
        """Every record that is not as it was answered last, read one by one."""
        with ThreadPoolExecutor(_READERS) as several, httpx.Client(timeout=60) as http:
            compared = several.map(
                lambda one: self._difference(http, "verify", one), list(self.records.values())
            )
            return [fault for fault in compared if fault]

    def listed(self, collection: str) -> set[str]:
        """The ids of all records of a collection, from all pages of its list."""
        found: list[str] = []
        first: str = f"/{collection}?limit=100&{_MINE[collection]}"
        path: str | None = first
        with httpx.Client(timeout=60) as http:
            while path:
                page = self._send(http, "verify", "GET", path, HTTPStatus.OK)
                assert page is not None, self.sent[-1]
                items = page.json()
                found += [item["id"] for item in items["items"]]
                cursor = items.get("next_cursor")
                path = cursor and f"{first}&cursor={cursor}"
        assert len(found) == len(set(found)), "a list contains a record once"
        return set(found)

    def written(self, collection: str) -> set[str]:
        """The ids of the records of a collection that were answered as created."""
        return {i for i, one in self.records.items() if one.path.startswith(f"/{collection}/")}

    def _send(
        self,
        http: httpx.Client,
        kind: str,
        method: str,
        path: str,
        wanted: int,
        body: Any = None,
        **headers: str,
    ) -> httpx.Response | None:
        """Send one request, once; returns the answer if it has the expected status."""
        began, answer, text = time.monotonic(), None, ""
        who = {"authorization": f"Bearer {self.crm.token(TENANT)}"}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = http.request(
                method, self.crm.state["api"] + path, json=body, headers=who | more
            )
            text = answer.text if answer.status_code != wanted else ""
        except httpx.HTTPError as error:
            text = repr(error)
        status = answer.status_code if answer is not None else None
        milliseconds = 1000 * (time.monotonic() - began)
        self.sent.append(Sent(kind, f"{method} {path}", wanted, status, text, milliseconds))
        return answer if status == wanted else None

    def _create(self, http: httpx.Client, collection: str, number: int) -> Record | None:
        key, body = f"{collection}-{number}", body_of(collection, number)
        answer = self._send(
            http, "create", "POST", f"/{collection}", HTTPStatus.CREATED, body, idempotency_key=key
        )
        if answer is None:
            return None
        made = answer.json()
        record = Record(
            f"/{collection}/{made['id']}", key, body, made, made, answer.headers.get("etag", "none")
        )
        self.records[made["id"]] = record
        return record

    def _write(self, http: httpx.Client, numbers: Iterator[int]) -> None:
        """Create a record, and change every second one."""
        number = next(numbers)
        record = self._create(http, COLLECTIONS[number % len(COLLECTIONS)], number)
        if record is None or number % 2:
            return
        answer = self._send(
            http, "change", "PATCH", record.path, HTTPStatus.OK, {"tags": ["moved"]},
            if_match=record.etag, content_type="application/merge-patch+json",
        )  # fmt: skip
        if answer is not None:
            record.current, record.etag = answer.json(), answer.headers["etag"]

    def _read(self, http: httpx.Client, loaded: list[Record]) -> None:
        """Read a record that nobody changes."""
        if fault := self._difference(http, "read", random.choice(loaded)):
            self.faults.append(fault)

    def _difference(self, http: httpx.Client, kind: str, record: Record) -> str:
        answer = self._send(http, kind, "GET", record.path, HTTPStatus.OK)
        if answer is None:
            return f"{record.path} cannot be read"
        if (answer.json(), answer.headers["etag"]) != (record.current, record.etag):
            return f"{record.path} is {answer.text}, not {record.current}"
        return ""

    def _list(self, http: httpx.Client, collections: Iterator[str]) -> None:
        """Get the first page of a list."""
        collection = next(collections)
        path = f"/{collection}?limit=20&{_MINE[collection]}"
        answer = self._send(http, "list", "GET", path, HTTPStatus.OK)
        if answer is not None and len(answer.json()["items"]) != 20:
            self.faults.append(f"{collection} lists {answer.text}")

    def _repeat(self, http: httpx.Client, loaded: Iterator[Record]) -> None:
        """Send a request of before the moves again, which creates nothing."""
        record = next(loaded)
        collection = record.path.split("/")[1]
        answer = self._send(
            http, "repeat", "POST", f"/{collection}", HTTPStatus.CREATED, record.created,
            idempotency_key=record.key,
        )  # fmt: skip
        if answer is not None and answer.json() != record.answered:
            self.faults.append(f"{record.key} again is {answer.text}")

    def _report(self, http: httpx.Client, _: None) -> None:
        """Make a report."""
        body = {"report": "pipeline_by_stage", "by": "stage", "format": "json"}
        asked = self._send(http, "report", "POST", "/reports", HTTPStatus.ACCEPTED, body)
        if asked is None:
            return
        report, deadline = asked.json()["id"], time.monotonic() + _FINISHED_S
        while time.monotonic() < deadline:
            found = self._send(http, "report", "GET", f"/reports/{report}", HTTPStatus.OK)
            run = found.json() if found is not None else {}
            if run.get("status") == "completed":
                self.reports.append(report)
                return
            if run.get("status") in ("failed", "cancelled"):
                break
            time.sleep(0.5)
        self.faults.append(f"report {report} is not completed: {run}")


@dataclass
class Subscriber:
    """A queue with every event of the bus; what comes twice is kept, other than by `tail`."""

    crm: Crm
    name: str = "every-event"
    published: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        sqs, events, bus = self.crm.sqs, self.crm.client("events"), self.crm.state["bus"]
        self._url = sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        pattern = json.dumps({"source": [{"prefix": "zebros."}]})
        events.put_rule(Name=self.name, EventBusName=bus, EventPattern=pattern)
        target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
        events.put_targets(Rule=self.name, EventBusName=bus, Targets=[target])

    def receive_all(self, seconds: float = 180) -> None:
        """Take all events until every one is published and consumed."""
        deadline, quiet = time.monotonic() + seconds, 0
        while quiet < _QUIET:
            assert time.monotonic() < deadline, f"still {self.crm.backlog()} on their way"
            self.receive()
            quiet = quiet + 1 if self.crm.backlog() == 0 else 0
            time.sleep(0.05)

    def receive(self) -> None:
        """Take what the queue has now."""
        while messages := self.crm.sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10
        ).get("Messages"):
            self.published += [json.loads(one["Body"])["detail"] for one in messages]
            for one in messages:
                self.crm.sqs.delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])

    def twice(self) -> list[str]:
        """The ids of the events that came more than once."""
        return [one for one, times in Counter(e["id"] for e in self.published).items() if times > 1]

    def versions(self) -> dict[str, list[int]]:
        """The versions of each record whose events came, in order, by the record's id."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for event in self.published:
            found[event["subject"].split("/")[1]].append(int(event["sequence"]))
        return {identifier: sorted(numbers) for identifier, numbers in found.items()}


class Window:
    """A window of the user `rep`, open from the first move to the last."""

    def __init__(self, crm: Crm) -> None:
        self.notified: list[str] = []
        """The ids of the tasks of which the window was told, in order."""
        self._closing = ExitStack()
        # A busy platform may answer a ping too late; a lost connection ends the thread anyway.
        socket = connect(
            f"{crm.state['websocket']}?token={crm.token(TENANT, 'rep')}",
            proxy=None, open_timeout=_LAST_ANSWER_S, ping_interval=None,
        )  # fmt: skip
        self._socket = self._closing.enter_context(socket)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether the connection still exists."""
        return self._thread.is_alive()

    def _listen(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                told = json.loads(self._socket.recv())
                self.notified.append(told["notification"]["about"]["id"])

    def close(self) -> None:
        """Close the connection."""
        self._closing.close()
        self._thread.join()
