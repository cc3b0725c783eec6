"""How much of the lake a report reads, measured by listing."""

from collections.abc import Sequence
from dataclasses import dataclass

from reporting.lake.layout import context_prefix
from reporting.lake.storage import LakeReader

_MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class LakeSize:
    """A part of the lake, or the limit of one: its bytes and its files."""

    bytes: int = 0
    files: int = 0

    @classmethod
    def limit(cls, megabytes: int, files: int) -> "LakeSize":
        """A limit; 0 MB means that nothing fits, not even an empty lake."""
        return cls(megabytes * _MEGABYTE, files)

    def fits(self, limit: "LakeSize") -> bool:
        """Whether this size is within a limit."""
        return limit.bytes > 0 and self.bytes <= limit.bytes and self.files <= limit.files


def measure(reader: LakeReader, tenant: str, contexts: Sequence[str], most: LakeSize) -> LakeSize:
    """The size of a tenant's events of these contexts, or some size that is beyond `most`.

    One request lists 1,000 files; the listing stops as soon as the size is beyond `most`.
    """
    size = LakeSize()
    for context in contexts:
        for item in reader.list(context_prefix(tenant, context)):
            size = LakeSize(size.bytes + item.size, size.files + 1)
            if not size.fits(most):
                return size
    return size
