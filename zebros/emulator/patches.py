"""Everything that is mended, in the order in which it is applied."""

from zebros.emulator import (
    archives,
    callbacks,
    conditions,
    direct,
    gate,
    gateways,
    ids,
    keyconditions,
    lambdas,
    mappings,
    moves,
    nested,
    parameters,
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
    """Mend the emulator; once per process, before it serves."""
    for patch in (
        ids.apply,
        conditions.apply,
        archives.apply,
        ttl.apply,
        nested.apply,
        parameters.apply,
        keyconditions.apply,
        callbacks.apply,
        queues.apply,
        moves.apply,
        rules.apply,
        mappings.apply,
        secrets.apply,
        sockets.apply,
        gateways.apply,
    ):
        patch()
    lambdas.apply(settings)
    snapshots = snapshot.apply(settings)
    gate.apply(snapshots)
    server.apply(direct.answers(snapshots))
