"""Everything that is mended, in the order in which it is applied."""

from local.platform import archives, callbacks, conditions, keyconditions, nested, ttl

ALL = (
    conditions.apply,
    archives.apply,
    ttl.apply,
    nested.apply,
    keyconditions.apply,
    callbacks.apply,
)


def apply() -> None:
    """Mend the emulator; once per process, before it serves."""
    for patch in ALL:
        patch()
