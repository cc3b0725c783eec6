"""The error of a template or of its parameters."""

from zebros.errors import BadInput


class TemplateError(BadInput):
    """The templates cannot be deployed with these parameters; the message names what is wrong."""
