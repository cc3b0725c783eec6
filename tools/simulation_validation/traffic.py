"""Requests at random times that wait for nobody: the load of the model, sent to the platform."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import Any

import httpx

from tools.simulation_validation.local_crm import LocalCrm

MIX: Mapping[str, float] = {"CustomersApi": 0.5, "OpportunitiesApi": 0.3, "ActivitiesApi": 0.2}
"""The share of the requests of each API; the model gets the same."""
WRITE_SHARE = 0.3
"""More than usual, so that a few seconds have enough events, and slow writes are above p95."""
_PATHS = {
    "CustomersApi": "/accounts",
    "OpportunitiesApi": "/opportunities",
    "ActivitiesApi": "/tasks",
}
_NEW: Mapping[str, dict[str, Any]] = {
    "CustomersApi": {"name": "Validation"},
    "OpportunitiesApi": {
        "name": "Validation",
        "amount": {"minor_units": 100_00, "currency": "USD"},
        "expected_close_on": "2030-01-31",
    },
    "ActivitiesApi": {"title": "Validation"},
}
_CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the load."""

    at: float
    """Seconds after the beginning."""
    api: str
    writes: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of a request."""

    request: Request
    status: int
    seconds: float
    """From the time at which it was due until its answer."""

    @property
    def refused(self) -> bool:
        """Whether the function had no free environment."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def failed(self) -> bool:
        """Whether something else went wrong."""
        return self.status >= HTTPStatus.BAD_REQUEST and not self.refused


def requests(rate: float, seconds: float, seed: int) -> list[Request]:
    """Requests with exponential times between them."""
    return list(_requests(rate, seconds, Random(seed)))  # noqa: S311 - a seed, not secrecy


def every_kind(count: int) -> list[Request]:
    """About so many requests: as many reads of each API, and writes in the shares of MIX."""
    reads = [Request(0.0, api, writes=False) for api in MIX for _ in range(count // 2 // len(MIX))]
    writes = [
        Request(0.0, api, writes=True)
        for api, share in MIX.items()
        for _ in range(round(count / 2 * share))
    ]
    return [*reads, *writes]


def _requests(rate: float, seconds: float, random: Random) -> Iterator[Request]:
    at = 0.0
    while (at := at + random.expovariate(rate)) < seconds:
        (api,) = random.choices(list(MIX), list(MIX.values()))
        yield Request(at, api, random.random() < WRITE_SHARE)


class Traffic:
    """Sends requests about records that exist."""

    def __init__(self, crm: LocalCrm) -> None:
        self._crm = crm
        self._read = {
            api: f"{path}/{crm.call('POST', path, _NEW[api])['id']}" for api, path in _PATHS.items()
        }

    def one_by_one(self, load: Sequence[Request]) -> list[Sample]:
        """Send each request after the answer to the one before, whatever its time is."""
        headers, found = self._crm.headers(), []
        for one in load:
            began = time.perf_counter()
            method, path, body = self._words(one)
            answer = self._crm.http.request(
                method, self._crm.api + path, json=body, headers=headers
            )
            found.append(Sample(one, answer.status_code, time.perf_counter() - began))
        return found

    def at_their_times(self, load: Sequence[Request]) -> list[Sample]:
        """Send each request at its time, whether the ones before were answered or not."""
        return asyncio.run(self._all(load))

    async def _all(self, load: Sequence[Request]) -> list[Sample]:
        limits = httpx.Limits(max_connections=_CONNECTIONS)
        async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
            began = time.perf_counter()
            return await asyncio.gather(*(self._one(client, one, began) for one in load))

    async def _one(self, client: httpx.AsyncClient, request: Request, began: float) -> Sample:
        await asyncio.sleep(max(0.0, began + request.at - time.perf_counter()))
        method, path, body = self._words(request)
        headers = self._crm.headers()
        answer = await client.request(method, self._crm.api + path, json=body, headers=headers)
        took = time.perf_counter() - began - request.at
        return Sample(request, answer.status_code, took)

    def _words(self, request: Request) -> tuple[str, str, dict[str, Any] | None]:
        if request.writes:
            return "POST", _PATHS[request.api], _NEW[request.api]
        return "GET", self._read[request.api], None
