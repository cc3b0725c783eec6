"""Adds the demo users of the local issuer to the people directory of their tenant."""

from zebros.client.api import Client
from zebros.client.connection import DEFAULT_USER, LocalIssuer
from zebros.local.users import users


def add_people(api: str, issuer_base: str, tenant: str) -> None:
    """Add or change the users of a tenant, as its administrator. Raises ApiError, NotReady."""
    people = [
        {"id": user.username, "name": user.name, "team_id": user.team}
        for user in users(tenant).values()
    ]
    with Client(api, LocalIssuer(issuer_base, tenant, DEFAULT_USER)) as client:
        client.post("/people/batch", {"items": people})
