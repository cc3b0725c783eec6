"""The simulation against the deployed system, in small: the figures are those of a busy machine."""

from typing import Any

import pytest

from tests.flows.conftest import Crm
from tests.flows.figures import record_figure
from tools.simulation_validation import __main__ as command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LARGEST_ERROR = 60.0
"""Points of the refused requests: a gross error only, because other tests run meanwhile."""


@pytest.mark.usefixtures("only_workers")
def test_the_simulation_says_what_the_platform_does(crm: Crm, capsys: Any) -> None:
    words = ["--home", str(crm.zebros.home), "--seconds", "5", "--print"]
    assert command.main(words) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    error = printed.partition("**The error**: ")[2]
    record_figure(f"simulation against the platform: {error.partition('| load')[0].strip()}")
    points = float(error.removeprefix("at most ").partition(" ")[0])
    assert points <= LARGEST_ERROR
    names = crm.client("lambda"), crm.state["functions"]["CustomersApi"]
    assert "ReservedConcurrentExecutions" not in names[0].get_function_concurrency(
        FunctionName=names[1]
    ), "limits are removed"
    faults = crm.http.get(f"{crm.state['endpoint']}/_zebros/faults").json()
    assert faults["rules"] == []
