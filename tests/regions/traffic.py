"""Users of a system of two regions: they write where it is possible, and remember every answer.

A user whose request a region refuses, or does not answer, goes to the other region, as health
checks do for them in AWS.
"""

import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import httpx

from tests.component.regions.world import Acknowledged
from tests.regions.platforms import EAST, WEST, Platforms

TENANTS = ("acme", "globex")
_OTHER = {EAST: WEST, WEST: EAST}
_PAUSE_S = 0.15
_TIMEOUT_S = 20.0


class Users:
    """One user for each tenant, each in a thread."""

    def __init__(self, platforms: Platforms, seed: int, tenants: tuple[str, ...] = TENANTS) -> None:
        self._platforms, self._seed, self._tenants = platforms, seed, tenants
        self.acknowledged: list[Acknowledged] = []
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.unanswered: set[str] = set()
        """The names that requests gave without an answer: nobody knows whether they were saved."""
        self.region = dict.fromkeys(tenants, EAST)
        """Where each user's last request was answered."""
        self._ids: dict[str, list[str]] = {tenant: [] for tenant in tenants}
        self._count, self._run = 0, secrets.token_hex(3)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """They write until the block ends."""
        self._count += 1
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._write_until, args=(stop, tenant, self._count))
            for tenant in self._tenants
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _write_until(self, stop: threading.Event, tenant: str, number: int) -> None:
        rng = random.Random(f"{self._seed} {tenant} {number}")
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as http:
            while not stop.is_set():
                self._write(http, tenant, rng)
                stop.wait(rng.uniform(0, 2 * _PAUSE_S))

    def _write(self, http: httpx.Client, tenant: str, rng: random.Random) -> None:
        known, region = self._ids[tenant], self.region[tenant]
        name = f"Deal {self._run} {rng.randrange(10**9)}"
        headers: dict[str, str] = {}
        body: dict[str, Any] = {"name": name, "custom_fields": {"mark": name}}
        method, path = "POST", "/opportunities"
        if len(known) < 2 or rng.random() < 0.35:
            if rng.random() < 0.5:
                body["external_ids"] = {"erp": name}
        else:
            # The first ones are in both regions, so that both may change them.
            chosen = rng.choice([*known[:2], *known[-4:]])
            method, path = "PATCH", f"/opportunities/{chosen}"
            headers |= {"content-type": "application/merge-patch+json", "if-match": "*"}
            if rng.random() < 0.5:  # two events in one transaction
                body["amount"] = {"minor_units": rng.randrange(1, 10**6), "currency": "USD"}
        crm = self._platforms.crms[region]
        try:
            headers["authorization"] = f"Bearer {crm.token(tenant)}"
            answer = http.request(method, crm.state["api"] + path, json=body, headers=headers)
        except httpx.HTTPError as fault:
            self.answers[type(fault).__name__] += 1
            self.unanswered.add(name)
            self._elsewhere(tenant, region)
            return
        self.answers[str(answer.status_code)] += 1
        if answer.is_success:
            self._acknowledge(tenant, region, answer.json())
        elif answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            self._elsewhere(tenant, region)
        elif answer.status_code != HTTPStatus.NOT_FOUND:
            # A record that has not arrived in the other region is not found there.
            self.wrong.append(f"{region} {method} {path}: {answer.status_code} {answer.text[:300]}")

    def _acknowledge(self, tenant: str, region: str, record: dict[str, Any]) -> None:
        self._ids[tenant].append(record["id"])
        key = f"TENANT#{tenant}#OPPORTUNITY#{record['id']}"
        at = datetime.fromisoformat(record["updated_at"])
        version = int(record["version"])
        self.acknowledged.append(Acknowledged(region, time.monotonic(), key, version, at))

    def _elsewhere(self, tenant: str, region: str) -> None:
        self.region[tenant] = _OTHER[region]
        time.sleep(0.3)

    def blocks(self) -> list[str]:
        """The regions that acknowledged writes, in order; a region twice only after another one."""
        found: list[str] = []
        for one in sorted(self.acknowledged, key=lambda one: one.at):
            if not found or found[-1] != one.region:
                found.append(one.region)
        return found

    def pauses(self) -> list[tuple[float, str, str]]:
        """The seconds without an acknowledged write at each change of regions, and the regions."""
        ordered = sorted(self.acknowledged, key=lambda one: one.at)
        return [
            (b.at - a.at, a.region, b.region) for a, b in pairwise(ordered) if a.region != b.region
        ]
