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
from scaling.adapters.parameters import read_parameter
from scaling.adapters.ranges import ProvisionedConcurrency, TableCapacity, WorkerTasks
from scaling.events import Setting
from scaling.model.inventory import parse_inventory
from scaling.model.policy_file import policy_of, prices
from scaling.repository.actions import ActionRepository
from scaling.repository.lease import LeaseRepository
from scaling.service.actions import ActionService, Watched
from scaling.service.controller import Controller, Mode
from scaling.service.observer import Observer
from scaling.service.ports import SettingAdapter
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


def watched() -> Watched:
    """What the controller may change, as the last deployment has left it, and what reads it."""
    settings = read_settings(ControllerSettings)
    policy = policy_of(settings.phase, settings.scaling_budget)
    text = read_parameter(client("ssm"), settings.scaling_targets_parameter)
    inventory = parse_inventory(text)
    watch = client("cloudwatch")
    observer = Observer(
        policy,
        inventory,
        adapters(),
        Alarms(watch, settings.system_name),
        Metrics(watch),
        prices(),
    )
    return Watched(policy, inventory, observer, Mode(settings.scaling_mode))


def controller() -> Controller:
    """The use cases of the state machine."""
    found, operator = watched(), read_settings(OperatorSettings).operator_tenant
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
    return (ActionRepository(table(), utc_now),)
