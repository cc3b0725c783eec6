"""The use cases: the controller, and what administrators see of it."""
