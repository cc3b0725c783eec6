"""The state machine behind one kind of task: an execution per run, named after it."""

import json
from typing import Any

from botocore.exceptions import ClientError


class TaskWorkflow:
    """Starts executions of one state machine."""

    def __init__(self, states: Any, arn: str) -> None:
        self._states, self._arn = states, arn

    def start(self, tenant_id: str, run_id: str, correlation_id: str) -> None:
        """Start the execution of a run unless it was started; names are unique for 90 days."""
        try:
            self._states.start_execution(
                stateMachineArn=self._arn,
                name=run_id,
                input=json.dumps(
                    {
                        "tenant_id": tenant_id,
                        "run_id": run_id,
                        "correlation_id": correlation_id,
                    }
                ),
            )
        except ClientError as fault:
            if fault.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
