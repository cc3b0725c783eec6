"""Reports on the deployed system: small ones in the function, others by the worker."""

from typing import Any

import pytest

from tests.flows.conftest import Crm

TENANT = "globex"


def states_of(crm: Crm, run: dict[str, Any]) -> set[str]:
    """The states that the run's execution went through."""
    arn = crm.state["state_machine"].replace(":stateMachine:", ":execution:") + f":{run['id']}"
    history = crm.client("stepfunctions").get_execution_history(executionArn=arn, maxResults=1000)
    details = (event.get("stateEnteredEventDetails") for event in history["events"])
    return {entered["name"] for entered in details if entered}


@pytest.mark.parametrize("format_", ["json", "pdf", "xlsx", "csv"])
def test_the_function_makes_small_reports_in_every_format(crm: Crm, format_: str) -> None:
    """Its packages are those of its layers: the environment of these tests is not visible to it."""
    made = crm.report({"report": "win_rate", "by": "owner", "format": format_}, tenant=TENANT)
    states = states_of(crm, made)
    assert "RunInFunction" in states
    assert "Queue" not in states
    assert crm.http.get(made["download_url"]).raise_for_status().content


@pytest.mark.usefixtures("only_workers")
def test_the_worker_makes_the_reports_that_are_left_to_it(crm: Crm) -> None:
    made = crm.report({"report": "win_rate", "by": "owner"}, tenant=TENANT)
    states = states_of(crm, made)
    assert "Queue" in states
    assert "RunInFunction" not in states
