"""What one more unit of a setting costs a month at most: the worst case, as the budget needs it.

Of a function all executions run all the time; of autoscaling the ceiling is used all the time.
"""

from collections.abc import Mapping
from typing import Any

from scaling.events import Setting
from scaling.model.inventory import Resource

_HOURS = 730
_SECONDS = _HOURS * 3600
_MB_A_GB, _UNITS_A_CPU = 1024, 1024


def unit_cost(
    setting: Setting, resource: Resource, prices: Mapping[str, Any], memory: int | None = None
) -> float:
    """USD. `memory` is that of the function now; what is deployed when it is not known."""
    deployed = resource.deployed.get(Setting.MEMORY, 0)
    gb = (memory or deployed) / _MB_A_GB
    match setting:
        case Setting.MEMORY:
            executions = resource.number("executions", 1)
            return float(executions * prices["gb_second"] * _SECONDS / _MB_A_GB)
        case Setting.CONCURRENCY:
            return float(gb * prices["gb_second"] * _SECONDS)
        case Setting.PROVISIONED:
            return float(gb * prices["provisioned_gb_second"] * _SECONDS)
        case Setting.TASKS:
            cpu = resource.number("cpu") / _UNITS_A_CPU * prices["vcpu_hour"]
            return float((cpu + resource.number("ram") / _MB_A_GB * prices["gb_hour"]) * _HOURS)
        case Setting.CAPACITY:
            unit = prices["write_unit_hour"] + prices["read_unit_hour"]
            return float((1 + resource.number("indexes")) * unit * _HOURS)
        case Setting.REPLICAS:
            node = prices["nodes"][resource.more["node"]]
            return float(resource.number("shards", 1) * node * _HOURS)
