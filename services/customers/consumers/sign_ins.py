"""The reactor that adds people to the directory when they sign in."""

from customers.bootstrap import signed_in_people
from customers.incoming import SignIn
from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.reactor import Reactor


def add(event: CloudEvent) -> None:
    """Add the person, or change what the identity provider says about them."""
    who = SignIn.model_validate(event.data)
    signed_in_people().signed_in(event, who.name, who.team_id or None)


handler = Reactor("sign-ins", types=("UserSignedIn",), react=add)
