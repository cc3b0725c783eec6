"""Seeded faults of services that functions call, of functions, the worker and the platform."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psutil

from tests.flows.conftest import Crm

_CALLS = (
    ("dynamodb", "TransactWriteItems", ("throttle", "error", "slow", "reset", "lost")),
    ("dynamodb", "GetItem", ("throttle", "error", "slow")),
    ("dynamodb", "Query", ("throttle", "error", "slow")),
    ("dynamodb", "BatchGetItem", ("throttle", "error", "slow", "lost")),
    ("dynamodb", "PutItem", ("throttle", "error", "lost")),
    ("events", "PutEvents", ("partial", "throttle", "error", "slow", "lost")),
    ("sqs", "SendMessage", ("error", "lost")),
    ("sqs", "ReceiveMessage", ("error", "lost")),
    ("states", "StartExecution", ("throttle", "lost")),
    ("states", "SendTaskSuccess", ("throttle", "lost")),
    ("states", "SendTaskHeartbeat", ("throttle", "error")),
    ("s3", "PUT", ("throttle", "error", "lost")),
    ("s3", "GET", ("throttle", "error", "slow")),
)
_MAX_RULES = 5
_SHARES = (0.05, 0.3)
_HANGS_S = (0.5, 4.0)
_RESTARTS, _GIVEN_UP_WITHIN_S = 3, 70.0
"""A part that dies more often in a minute is not started again (zebros/local/supervisor.py)."""


class Mayhem:
    """Faults while traffic runs; every one is counted by its kind."""

    def __init__(self, crm: Crm, seed: str, deaths: dict[str, list[float]]) -> None:
        """`deaths` are the times at which parts were killed, also in the rounds before."""
        self._crm, self._random, self._deaths = crm, random.Random(seed), deaths
        self.faults: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Mayhem":
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        self.calm()

    def calm(self) -> None:
        """Remove the injected faults, and count their hits."""
        url = f"{self._crm.state['endpoint']}/_zebros/faults"
        for _ in range(100):
            with suppress(httpx.HTTPError, ValueError, KeyError):
                for rule in httpx.get(url, timeout=10).json()["rules"]:
                    self.faults[f"{rule['service']} {rule['operation']} {rule['kind']}"] += rule[
                        "hits"
                    ]
                assert httpx.delete(url, timeout=10).is_success
                return
            time.sleep(0.5)  # the platform is starting again
        raise AssertionError("the platform does not answer")

    def _run(self) -> None:
        actions: list[tuple[float, Callable[[], None]]] = [
            (0.4, self._inject),
            (0.3, self._kill_function),
            (0.15, self._hang_function),
            (0.08, self._kill_worker),
            (0.05, self._hang_worker),
            (0.02, self._kill_platform),
        ]
        weights, choices = zip(*actions, strict=True)
        while not self._stop.is_set():
            with suppress(psutil.Error, httpx.HTTPError, ProcessLookupError):
                self._random.choices(choices, weights)[0]()
            self._stop.wait(self._random.uniform(0.2, 1.0))

    def _inject(self) -> None:
        """Replace the rules of the platform."""
        self.calm()
        rules = []
        for _ in range(self._random.randint(1, _MAX_RULES)):
            service, operation, kinds = self._random.choice(_CALLS)
            rule: dict[str, Any] = {"service": service, "operation": operation}
            rule["kind"] = self._random.choice(kinds)
            rule["share"] = round(self._random.uniform(*_SHARES), 3)
            rule["seconds"] = round(self._random.uniform(0.1, 1.5), 2)
            rules.append(rule)
        url = f"{self._crm.state['endpoint']}/_zebros/faults"
        document = {"seed": self._random.randint(0, 10**6), "rules": rules}
        assert httpx.put(url, json=document, timeout=10).is_success

    def _functions(self) -> list[psutil.Process]:
        """The processes of functions: children of the platform."""
        platform = psutil.Process(self._pids()["platform"])
        return [one for one in platform.children() if "-I" in one.cmdline()]

    def _pids(self) -> dict[str, int]:
        # Parts that were started again have new ones.
        text = (self._crm.zebros.home / "state.json").read_text(encoding="utf-8")
        pids: dict[str, int] = json.loads(text)["pids"]
        return pids

    def _kill_function(self) -> None:
        if found := self._functions():
            os.kill(self._random.choice(found).pid, signal.SIGKILL)
            self.faults["function killed"] += 1

    def _hang_function(self) -> None:
        if found := self._functions():
            self._hang(self._random.choice(found), "function hung")

    def _kill_worker(self) -> None:
        self._kill("worker")

    def _hang_worker(self) -> None:
        self._hang(psutil.Process(self._pids()["worker"]), "worker hung")

    def _kill_platform(self) -> None:
        self._kill("platform")

    def _kill(self, part: str) -> None:
        """Kill a part, unless the supervisor would then give it up."""
        now = time.monotonic()
        self._deaths[part] = [at for at in self._deaths[part] if now - at < _GIVEN_UP_WITHIN_S]
        if len(self._deaths[part]) < _RESTARTS:
            os.kill(self._pids()[part], signal.SIGKILL)
            self._deaths[part].append(now)
            self.faults[f"{part} killed"] += 1

    def _hang(self, process: psutil.Process, name: str) -> None:
        process.suspend()
        self.faults[name] += 1
        self._stop.wait(self._random.uniform(*_HANGS_S))
        process.resume()
