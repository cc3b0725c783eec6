"""What the stack and CodeDeploy are doing, and how a gradual deployment is stopped.

Source: StopDeployment of the CodeDeploy API: with `autoRollbackEnabled`, CodeDeploy points the
alias to the version before. CloudFormation then takes the whole update back, as after an alarm.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any

from zebros.client.connection import Deployment
from zebros.errors import CliError, NotReady

_ACTIVE = ["Created", "Queued", "InProgress", "Ready"]
_BATCH = 25
"""Deployments that BatchGetDeployments returns at most."""
_PATIENCE_S, _POLL_S = 120.0, 2.0


@dataclass(frozen=True, slots=True)
class Update:
    """The last update of a stack."""

    status: str
    began_at: datetime


def last_update(deployment: Deployment, stack: str) -> Update:
    """When the stack was last updated, and what it is doing."""
    found = deployment.aws("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return Update(found["StackStatus"], found.get("LastUpdatedTime") or found["CreationTime"])


def check_at_rest(update: Update, stack: str) -> None:
    """Raise NotReady while CloudFormation changes the stack: it would move aliases again."""
    if not update.status.endswith("IN_PROGRESS"):
        return
    if "ROLLBACK" in update.status:
        hint = "CloudFormation is taking the deployment back: wait for it, then look again."
    else:
        hint = (
            f"`aws cloudformation cancel-update-stack --stack-name {stack}` takes the deployment "
            "back; or wait until it has ended, and run the command again."
        )
    raise NotReady(f"The stack {stack} is {update.status}.", hint=hint)


def stop_gradual(deployment: Deployment, pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Stop CodeDeploy's deployments of this stack and wait until they have; returns their ids.

    Raises CliError when they take too long. The local platform has none.
    """
    if deployment.endpoint is not None:
        return []
    client = deployment.aws("codedeploy")
    active = _active(client, deployment)
    for one in active:
        client.stop_deployment(deploymentId=one, autoRollbackEnabled=True)
    waited = 0.0
    while active and _active(client, deployment):
        if waited >= _PATIENCE_S:
            raise CliError(
                f"CodeDeploy was asked to stop {', '.join(active)}, and has not yet.",
                hint="Run the command again; `aws deploy get-deployment` shows what it waits for.",
            )
        pause(_POLL_S)
        waited += _POLL_S
    return active


def _active(client: Any, deployment: Deployment) -> list[str]:
    """Ids of unfinished deployments of the stack's groups, those that roll back included."""
    groups = set(deployment.resources.by_kind.get("deployment_groups", {}).values())
    pages = client.get_paginator("list_deployments").paginate(includeOnlyStatuses=_ACTIVE)
    ids = [one for page in pages for one in page["deployments"]]
    found = [
        info
        for some in batched(ids, _BATCH, strict=False)
        for info in client.batch_get_deployments(deploymentIds=list(some))["deploymentsInfo"]
    ]
    return [one["deploymentId"] for one in found if one.get("deploymentGroupName") in groups]
