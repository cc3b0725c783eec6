"""Events about this context's projections."""

from kernel.domain.events import StreamDivergence, StreamGap


class StreamGapDetected(StreamGap, context="opportunities"):
    """A projection of this context waits for an event that has not arrived."""


class StreamDiverged(StreamDivergence, context="opportunities"):
    """A projection of this context has applied events that a restored table no longer has."""
