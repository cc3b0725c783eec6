"""The worker: one process, and one image, for the background tasks of all contexts."""
