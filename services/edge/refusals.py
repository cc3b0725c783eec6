"""Why the authorizer gives no access; each message is for the log, never for the caller."""


class Rejected(Exception):
    """The token is not accepted: 401."""


class Suspended(Exception):
    """The token is good, and its tenant is suspended: 403."""


class CannotCheck(Exception):
    """Whether the token is good cannot be known now: 503, the same token may be accepted later."""
