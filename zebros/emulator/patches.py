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
    replicas,
    rules,
    scans,
    secrets,
    server,
    snapshot,
    sockets,
    strong_tables,
    ttl,
)
from zebros.emulator.settings import Settings
from zebros.regions.pair import Pair

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
    replicated = replicas.Replicas(settings.region)
    replicas.apply(replicated)
    strong_tables.apply(Pair(settings.pair) if settings.pair else None, settings.region)
    endpoints.apply(snapshots, replicated)
