"""One tenant uses all that it may: another one's requests and reports must not suffer.

By hand on an idle machine: `ZEBROS_READERS=60 ZEBROS_REPORTS=150 pytest -s` with this file.
"""

import os
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from tests.flows.conftest import Crm
from tests.flows.figures import record_figure

READERS = int(os.environ.get("ZEBROS_READERS", "20"))
REPORTS = int(os.environ.get("ZEBROS_REPORTS", "20"))
SECONDS = 5.0
NOISY, OTHER = "acme", "globex"
REPORT = {"report": "win_rate", "by": "owner", "format": "json"}


def read(crm: Crm, tenant: str, until: float, seconds: list[float]) -> Counter[int]:
    """Read a list again and again, as an integration without patience does; count the statuses."""
    headers = {"authorization": f"Bearer {crm.token(tenant)}"}
    found: Counter[int] = Counter()
    while time.monotonic() < until:
        began = time.monotonic()
        answer = crm.http.get(f"{crm.state['api']}/accounts?limit=50", headers=headers)
        seconds.append(time.monotonic() - began)
        found[answer.status_code] += 1
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            assert int(answer.headers["retry-after"]) >= 1
    return found


def test_readers_of_one_tenant_fail_no_request_of_another(crm: Crm) -> None:
    alone: list[float] = []
    read(crm, OTHER, time.monotonic() + SECONDS / 2, alone)
    crm.token(NOISY)  # before the threads need it
    ends = time.monotonic() + SECONDS
    noisy_s: list[float] = []
    beside: list[float] = []
    with ThreadPoolExecutor(READERS) as readers:
        running = [readers.submit(read, crm, NOISY, ends, noisy_s) for _ in range(READERS)]
        others = read(crm, OTHER, ends, beside)
        noisy: Counter[int] = sum((one.result() for one in running), Counter())
    record_figure(
        f"{READERS} readers of one tenant: {dict(noisy)}; another one's: {dict(others)}, "
        f"p50 {statistics.median(beside):.2f} s (alone {statistics.median(alone):.2f} s)"
    )
    assert set(others) == {HTTPStatus.OK}
    assert set(noisy) <= {HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS}


def test_reports_of_one_tenant_wait_and_another_one_s_does_not(crm: Crm) -> None:
    began = time.monotonic()
    crm.report(REPORT, tenant=OTHER)
    alone_s = time.monotonic() - began
    made = [crm("POST", "/reports", REPORT, tenant=NOISY).json()["id"] for _ in range(REPORTS)]
    began = time.monotonic()
    crm.report(REPORT, tenant=OTHER)
    beside_s = time.monotonic() - began
    reports = [crm("GET", f"/reports/{one}", tenant=NOISY).json() for one in made]
    waiting = sum(one["status"] in ("pending", "processing") for one in reports)
    for one in made:
        crm.finished(one, seconds=60 + REPORTS * 5, tenant=NOISY)
    record_figure(
        f"{REPORTS} reports of one tenant: another one's takes {beside_s:.1f} s (alone "
        f"{alone_s:.1f} s), and {waiting} of them had not ended then"
    )
    assert waiting > 0, "they would have been in front of it"
