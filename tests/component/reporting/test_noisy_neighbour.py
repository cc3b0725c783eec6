"""One tenant's many reports delay another tenant's by a few reports, not by all of them.

Figures: docs/adr/0029. ZEBROS_NOISY_REPORTS sets how many.
"""

import os
import time
from typing import Any

import pytest

from tests.component.conftest import ApiClient
from tests.component.reporting.conftest import into_lake, opportunity
from tests.component.reporting.running import Running

REPORTS = int(os.environ.get("ZEBROS_NOISY_REPORTS", "25"))
QUOTA = 5


def request(api: ApiClient) -> str:
    answer = api("POST", "/reports", {"report": "win_rate", "format": "json"})
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


@pytest.mark.timeout(max(900, 30 * REPORTS))
@pytest.mark.parametrize("quota", [REPORTS, QUOTA])
def test_a_report_waits_behind_few_of_another_tenant(
    api: ApiClient, running: Running, monkeypatch: pytest.MonkeyPatch, quota: int
) -> None:
    monkeypatch.setenv("RUNNING_REPORTS_STANDARD", str(quota))
    into_lake(opportunity("won"), opportunity("won", tenant="globex"))
    noisy, quiet = api, api.as_(tenant="globex", user="bob")
    many = [request(noisy) for _ in range(REPORTS)]
    running.relay()
    started = time.monotonic()
    one = request(quiet)

    def status(client: ApiClient, run: str) -> Any:
        return client("GET", f"/reports/{run}").json["status"]

    with running.worker():
        while status(quiet, one) != "completed":
            running.relay()
            time.sleep(0.02)
        seconds = time.monotonic() - started
        before = sum(status(noisy, run) == "completed" for run in many)
        print(f"quota {quota}: {seconds:.1f} s, after {before} of {REPORTS} reports")
        if quota == QUOTA:
            assert before <= QUOTA + 2, "those in the queue, and those that began meanwhile"
            while any(status(noisy, run) != "completed" for run in many):
                running.relay()
                time.sleep(0.02)
        else:
            assert before >= REPORTS - 1, "without a quota it waits for all of them"
