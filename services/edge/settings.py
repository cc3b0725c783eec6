"""The environment of the functions that belong to no context."""

from typing import NamedTuple


class AuthorizerSettings(NamedTuple):
    """What the authorizer reads."""

    issuer_base: str
    """A token's issuer is this plus the tenant's name."""
    audience: str
    table_name: str
    """The registry of tenants."""
    people_key: str
    """The usage plan key of people. No secret: clients cannot send keys (docs/adr/0019)."""
    machines_key: str
    """That of machine clients."""
    sign_ins_queue_url: str = ""
    """Where people who have signed in are sent; nowhere when it is empty."""
    sign_ins_fence_name: str = ""
    """The fence table: only the region that writes sends people. Empty in a system with one."""
