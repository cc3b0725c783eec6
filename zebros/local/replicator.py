"""Replicates tables and buckets between two local platforms, as AWS does between two regions.

Global tables with eventual consistency send each item by itself, after a delay of its own: items
arrive in any order, and those of one transaction apart from each other; the writes to one item keep
their order. While a region is cut off or does not answer nothing is sent, and everything afterwards
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html).

It stores nothing: after a restart it sends what the streams have once more, and a platform ignores
what it has (zebros/emulator/replicas.py).

`python -m zebros.local.replicator --pair DIR` runs it; network.json in that folder has the delays.
"""

import argparse
import json
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from zebros.local.home import Home
from zebros.local.object_replication import Buckets
from zebros.regions.pair import Network, Pair

_INTERVAL_S = 0.1
_OBJECTS_INTERVAL_S = 2.0
_TIMEOUT_S = 20.0
_BATCH = 100
_log = logging.getLogger("replicator")


@dataclass(frozen=True, slots=True)
class Sent:
    """A write on its way: when it arrives, and the change as the source gave it."""

    at: float
    table: str
    change: list[Any]


@dataclass(slots=True)
class Way:
    """The writes from one region to the other."""

    source: str
    target: str
    positions: dict[str, int] = field(default_factory=dict)
    process: int = 0
    """Of the source; another one may have another stream."""
    under_way: list[Sent] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    """When the last write to an item arrives, while there is one under way."""


class Replicator:
    """Both ways between the platforms of a pair."""

    def __init__(
        self, pair: Pair, http: httpx.Client, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pair, self._http, self._clock = pair, http, clock
        self._ways: list[Way] = []
        self._network: Network | None = None
        self._rng = random.Random(0)  # noqa: S311  # repeatable, not secret

    def step(self) -> None:
        """Read what both regions have written, and deliver what is due."""
        endpoints = endpoints_of(self._pair)
        if len(endpoints) < 2:
            return
        network = self._pair.network()
        if self._network is None or network.seed != self._network.seed:
            self._rng = random.Random(network.seed)  # noqa: S311
        self._network = network
        if not self._ways:
            first, second = endpoints
            self._ways = [Way(first, second), Way(second, first)]
        if not network.cut:
            for way in self._ways:
                self._take(way, endpoints[way.source], network)
                self._deliver(way, endpoints[way.target])
        self._pair.write_under_way({way.source: len(way.under_way) for way in self._ways})

    def _take(self, way: Way, endpoint: str, network: Network) -> None:
        while True:
            asked = {"positions": way.positions}
            answer = self._post(f"{endpoint}/_zebros/replicas/reads", asked)
            if answer is None:
                return
            if answer["process"] != way.process:
                # The source was started again: what it had not saved may have other positions.
                begins_again = bool(way.process)
                way.process, way.positions = int(answer["process"]), {}
                if begins_again:
                    continue
            before, way.positions = (
                way.positions,
                {name: one["position"] for name, one in answer["tables"].items()},
            )
            for table, one in answer["tables"].items():
                for change in one["changes"]:
                    self._send(way, table, change, network)
            if before == way.positions:
                return

    def _send(self, way: Way, table: str, change: list[Any], network: Network) -> None:
        key = f"{table} {json.dumps(change[0], sort_keys=True)}"
        at = self._clock() + self._rng.uniform(network.shortest_s, network.longest_s)
        at = max(at, way.last.get(key, 0.0))
        way.last[key] = at
        way.under_way.append(Sent(at, table, change))

    def _deliver(self, way: Way, endpoint: str) -> None:
        now = self._clock()
        due: defaultdict[str, list[Sent]] = defaultdict(list)
        # A stable sort: writes to one item that arrive together keep their order.
        for one in sorted(way.under_way, key=lambda sent: sent.at):
            if one.at <= now:
                due[one.table].append(one)
        for table, sent in due.items():
            for first in range(0, len(sent), _BATCH):
                some = sent[first : first + _BATCH]
                body = {"region": way.source, "changes": [one.change for one in some]}
                url = f"{endpoint}/_zebros/replicas/writes"
                if self._post(url, body, table=table) is None:
                    return
                arrived = set(map(id, some))
                way.under_way = [one for one in way.under_way if id(one) not in arrived]
        if not way.under_way:
            way.last.clear()

    def _post(self, url: str, body: dict[str, Any], **query: str) -> dict[str, Any] | None:
        """The answer; None when the region does not give one."""
        try:
            answer = self._http.post(url, json=body, params=query)
        except httpx.HTTPError:
            return None
        if not answer.is_success:
            _log.error("%s answered %d: %s", url, answer.status_code, answer.text)
            return None
        found: dict[str, Any] = answer.json()
        return found


def endpoints_of(pair: Pair) -> dict[str, str]:
    """The address of each region's platform that was deployed, the primary's first."""
    states = {region: Home(home).state() for region, home in pair.homes().items()}
    return {region: str(state["endpoint"]) for region, state in states.items() if state}


def main(argv: Sequence[str] | None = None) -> None:
    """Replicate until stopped."""
    options = argparse.ArgumentParser(prog="python -m zebros.local.replicator", description=__doc__)
    options.add_argument("--pair", type=Path, required=True, help="The folder of both platforms.")
    pair = Pair(options.parse_args(argv).pair)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    threading.Thread(target=_replicate_objects, args=(pair,), daemon=True).start()
    with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as http:
        replicator = Replicator(pair, http)
        while True:
            try:
                replicator.step()
            except Exception:
                _log.exception("A step of replication failed; it is repeated.")
            time.sleep(_INTERVAL_S)


def _replicate_objects(pair: Pair) -> None:
    buckets = Buckets(pair)
    while True:
        try:
            buckets.step()
        except Exception as fault:
            _log.warning("The buckets were not compared: %r", fault)
        time.sleep(_OBJECTS_INTERVAL_S)


if __name__ == "__main__":
    main()
