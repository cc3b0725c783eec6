"""The part of events that this context reads: those of its own runs."""

from pydantic import BaseModel, ConfigDict

from kernel.messaging.upcasting import EventUpcasters

UPCASTERS: EventUpcasters = {}
"""How events of older versions are read; no event has a second version yet."""


class ImportRunRef(BaseModel):
    """A run that was requested, or has ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
