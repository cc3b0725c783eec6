"""The events of a record: from its outbox, which has those of a week, else from the event lake."""

from zebros.client.connection import Deployment
from zebros.errors import BadInput
from zebros.operations import lake
from zebros.operations.outbox import Envelope, event_of, read_outbox


def events_of_record(
    deployment: Deployment, tenant: str, target: str
) -> tuple[str, list[Envelope]]:
    """The subject (`opportunity/<id>`) and its events in sequence.

    `target` is a subject, a record's id, or an event's id. Raises BadInput when there are none.
    """
    subject, entries = read_outbox(deployment, tenant, target)
    if entries:
        return subject, [event_of(entry) for entry in entries]
    record_type, _, record_id = target.rpartition("/")
    events = lake.events_of(deployment, tenant, record_type, record_id)
    if events:
        return str(events[0]["subject"]), events
    raise BadInput(
        f"Tenant {tenant} has no events about {target}.",
        hint="`--tenant` names another tenant; a change a moment ago may not be stored yet.",
    )
