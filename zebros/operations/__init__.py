"""Looking at and mending the event backbone of a deployed stack: bus, queues, archive, lake."""
