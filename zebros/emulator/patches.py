"""Every patch of the emulator, in the order in which it is applied."""

from zebros.emulator import (
    archives,
    callbacks,
    conditions,
    gate,
    gateways,
    ids,
    keyconditions,
    lambdas,
    mappings,
    moves,
    nested,
    queues,
    rules,
    secrets,
    server,
    snapshot,
    sockets,
    ttl,
)
from zebros.emulator.settings import Settings


def apply(settings: Settings) -> None:
    """Patch the emulator; once per process, before it serves."""
    for patch in (
        ids.apply,
        conditions.apply,
        archives.apply,
        ttl.apply,
        nested.apply,
        keyconditions.apply,
        callbacks.apply,
        queues.apply,
        moves.apply,
        rules.apply,
        mappings.apply,
        secrets.apply,
        sockets.apply,
        gateways.apply,
        server.apply,
    ):
        patch()
    lambdas.apply(settings)
    snapshots = snapshot.apply(settings)
    gate.apply(snapshots)
