"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.records import RecordStore
from kernel.storage.table import Table
from scaling.adapters.cache import CacheReplicas
from scaling.adapters.cloudwatch import Alarms, Metrics
from scaling.adapters.functions import FunctionConcurrency, FunctionMemory
from scaling.adapters.parameters import curves_parameter, find_parameter, read_parameter
from scaling.adapters.ranges import ProvisionedConcurrency, TableCapacity, WorkerTasks
from scaling.errors import WrongScalingPolicy
from scaling.events import Setting
from scaling.model.inventory import Inventory, InventoryError, parse_inventory
from scaling.model.policy import PolicyError
from scaling.model.policy_check import checked
from scaling.model.policy_file import prices
from scaling.repository.actions import ActionRepository
from scaling.repository.lease import LeaseRepository
from scaling.repository.tenants import TenantUsageRepository
from scaling.repository.usage import UsageRepository
from scaling.service.actions import ActionService, Watched
from scaling.service.advice import Adviser
from scaling.service.controller import Controller, Mode
from scaling.service.halted import HaltedController
from scaling.service.observer import Observer
from scaling.service.ports import SettingAdapter, UsageReader
from scaling.service.region_moves import RegionMoves
from scaling.service.usage import UsageService
from scaling.settings import ControllerSettings, OperatorSettings, Settings


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), read_settings(Settings).table_name)


@cache
def repository() -> ActionRepository:
    """The context's records."""
    return ActionRepository(table(), utc_now)


@cache
def actions() -> ActionService:
    """The use cases of administrators."""
    return ActionService(repository(), read_settings(OperatorSettings).operator_tenant)


@cache
def tenants() -> TenantUsageRepository:
    """The usage tiers of tenants."""
    return TenantUsageRepository(table(), utc_now)


@cache
def usage() -> UsageService:
    """The meters and tiers of tenants."""
    return UsageService(
        UsageRepository(table()),
        tenants(),
        read_settings(OperatorSettings).operator_tenant,
        utc_now,
    )


@cache
def region_moves() -> RegionMoves:
    """The events about moves of writes between regions."""
    return RegionMoves(table(), read_settings(OperatorSettings).operator_tenant, utc_now)


def adapters() -> dict[Setting, SettingAdapter]:
    """What reads and changes each kind of setting."""
    functions, scaling = client("lambda"), client("application-autoscaling")
    return {
        Setting.MEMORY: FunctionMemory(functions),
        Setting.CONCURRENCY: FunctionConcurrency(functions),
        Setting.PROVISIONED: ProvisionedConcurrency(scaling, functions),
        Setting.TASKS: WorkerTasks(scaling, client("ecs")),
        Setting.CAPACITY: TableCapacity(scaling),
        Setting.REPLICAS: CacheReplicas(client("elasticache")),
    }


def inventory() -> Inventory:
    """What there is to change, as the last deployment has left it. Raises WrongScalingPolicy."""
    try:
        return parse_inventory(_targets(read_settings(ControllerSettings)))
    except InventoryError as error:
        raise WrongScalingPolicy(f"targets: {error}.") from error


def _targets(settings: ControllerSettings) -> str:
    return read_parameter(client("ssm"), settings.scaling_targets_parameter)


def metrics() -> Metrics:
    """Values of metrics."""
    return Metrics(client("cloudwatch"))


def watched() -> Watched:
    """What the controller may change, as the last deployment has left it, and what reads it.

    Raises PolicyError.
    """
    settings = read_settings(ControllerSettings)
    mode = settings.scaling_mode
    measured = find_parameter(client("ssm"), curves_parameter(settings.system_name)) or ""
    policy, found, curves = checked(
        settings.phase, settings.scaling_budget, mode, _targets(settings), measured
    )
    alarms = Alarms(client("cloudwatch"), settings.system_name)
    observer = Observer(policy, found, adapters(), alarms, metrics(), prices(), curves)
    return Watched(policy, found, observer, Mode(mode))


def usage_reader() -> UsageReader:
    """The days of usage that the adviser reads."""
    return usage()


def adviser() -> Adviser:
    """Advice and the bill."""
    phase = read_settings(ControllerSettings).phase
    return Adviser(usage_reader(), phase, read_settings(OperatorSettings).operator_tenant, utc_now)


def controller() -> Controller | HaltedController:
    """The use cases of the state machine."""
    operator = read_settings(OperatorSettings).operator_tenant
    try:
        found = watched()
    except PolicyError as error:
        return HaltedController(repository(), operator, str(error), utc_now)
    return Controller(
        found.policy,
        found.inventory,
        adapters(),
        found.observer,
        repository(),
        LeaseRepository(table(), operator),
        tenant=operator,
        system=read_settings(ControllerSettings).system_name,
        mode=found.mode,
        now=utc_now,
    )


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    return (ActionRepository(table(), utc_now), TenantUsageRepository(table(), utc_now))
