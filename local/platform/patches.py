"""Everything that is mended, in the order in which it is applied."""

from local.platform import (
    archives,
    callbacks,
    conditions,
    gate,
    keyconditions,
    lambdas,
    moves,
    nested,
    queues,
    rules,
    secrets,
    snapshot,
    sockets,
    sources,
    ttl,
)
from local.platform.settings import Settings


def apply(settings: Settings) -> None:
    """Mend the emulator; once per process, before it serves."""
    for patch in (
        conditions.apply,
        archives.apply,
        ttl.apply,
        nested.apply,
        keyconditions.apply,
        callbacks.apply,
        queues.apply,
        moves.apply,
        rules.apply,
        sources.apply,
        secrets.apply,
        sockets.apply,
    ):
        patch()
    lambdas.apply(settings)
    gate.apply(snapshot.apply(settings))
