"""No phase has what AWS rejects and no linter sees (zebros.cloudformation.checks)."""

import pytest

from tests.template.stack import PHASES, system
from zebros.cloudformation.checks import faults


@pytest.mark.parametrize("phase", PHASES)
def test_no_phase_has_what_aws_would_reject(phase: str) -> None:
    assert faults(system(Phase=phase)) == []
