"""All patches of the emulator, in the order in which they are applied."""

from typing import Any

from zebros.emulator import (
    alarms,
    archives,
    authorizers,
    bus_policies,
    callbacks,
    capacity,
    conditions,
    deployments,
    endpoints,
    gateways,
    keyconditions,
    lambdas,
    mappings,
    metrics,
    moves,
    nested,
    parameters,
    queues,
    recovery,
    rules,
    scans,
    secrets,
    server,
    snapshot,
    sockets,
    ttl,
)
from zebros.emulator.settings import Settings

_TEMPLATES: tuple[Any, ...] = (
    *(conditions, archives, ttl, capacity, nested, parameters, secrets, gateways, authorizers),
    deployments,
    bus_policies,
    alarms,
)
_SERVICES: tuple[Any, ...] = (
    keyconditions,
    scans,
    callbacks,
    queues,
    moves,
    rules,
    mappings,
    sockets,
)


def apply(settings: Settings) -> None:
    """Patch the emulator; once per process, before it serves."""
    for patch in (*_TEMPLATES, *_SERVICES, server):
        patch.apply()
    lambdas.apply(settings)
    metrics.apply(settings)
    snapshots = snapshot.apply(settings)
    recovery.apply(recovery.History(settings.state), snapshots.take)
    endpoints.apply(snapshots)
