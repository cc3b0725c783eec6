"""Events about this context's projections."""

from kernel.domain.events import StreamGap


class StreamGapDetected(StreamGap, context="opportunities"):
    """A projection of this context waits for an event that has not arrived."""
