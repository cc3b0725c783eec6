"""What administrators see of the controller: its history, the settings, and what differs."""

from collections.abc import Callable
from typing import NamedTuple

from pydantic import BaseModel, Field

from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from scaling.errors import WrongScalingPolicy
from scaling.events import Setting, Word
from scaling.model.actions import ScalingAction
from scaling.model.inventory import Inventory
from scaling.model.parameters import parameter_of
from scaling.model.policy import Policy, PolicyError
from scaling.repository.actions import ActionRepository
from scaling.service.controller import Mode
from scaling.service.observer import Observer
from scaling.service.operator import ensure_operator

_MOST = 200


class SettingState(BaseModel):
    """One setting of one resource, now."""

    setting: Setting
    resource: Word = Field(description="The logical id of the resource.")
    value: int = Field(ge=0, description="Its value now.")
    deployed: int = Field(ge=0, description="The value of the template.")
    ceiling: int = Field(ge=0, description="The largest value that the controller sets.")
    in_use: int | None = Field(None, ge=0, description="Of a ceiling: what AWS has set below it.")
    parameter: str | None = Field(
        None,
        max_length=200,
        description="What to deploy so that a value that differs stays: a parameter with its "
        "value, or the figure of strategy.yaml.",
    )


class SettingList(BaseModel):
    """All settings that the controller may change."""

    mode: Mode
    budget_usd: int = Field(ge=0, description="A month, for everything above what is deployed.")
    items: list[SettingState] = Field(max_length=_MOST)


class Watched(NamedTuple):
    """What is needed to read the settings."""

    policy: Policy
    inventory: Inventory
    observer: Observer
    mode: Mode


class ActionService:
    """The use cases of administrators of the operator's tenant."""

    def __init__(self, actions: ActionRepository, operator: str) -> None:
        self._actions, self._operator = actions, operator

    def list(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ScalingAction]:
        """What the controller has proposed, done and refused, newest first."""
        self.ensure_operator(request)
        return self._actions.list(request.tenant_id, limit, cursor)

    def settings(self, request: RequestContext, watch: Callable[[], Watched]) -> SettingList:
        """Every setting as it is, and as it is deployed. Raises WrongScalingPolicy."""
        self.ensure_operator(request)
        try:
            watched = watch()
        except PolicyError as error:
            raise WrongScalingPolicy(f"{error}.") from error
        items = []
        for target, current in watched.observer.settings().items():
            differs = current.value != current.deployed
            items.append(
                SettingState(
                    setting=target.setting,
                    resource=target.resource,
                    value=current.value,
                    deployed=current.deployed,
                    ceiling=watched.policy.limits[target.setting].ceiling(current.deployed),
                    in_use=current.in_use,
                    parameter=parameter_of(target, current.value) if differs else None,
                )
            )
        return SettingList(mode=watched.mode, budget_usd=int(watched.policy.budget), items=items)

    def ensure_operator(self, request: RequestContext) -> None:
        """Raise Forbidden unless an administrator of the operator's tenant asks."""
        ensure_operator(request, self._operator)
