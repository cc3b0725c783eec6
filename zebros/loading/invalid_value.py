"""The error about a text that is not a value of its field."""


class InvalidValue(ValueError):
    """A text that is not a value of its field; the message completes `amount: …`."""
