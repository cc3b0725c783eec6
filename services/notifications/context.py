"""The manifest of notifications."""

from kernel.domain.manifest import Context, RecordType

CONTEXT = Context(
    name="notifications",
    record_types=(RecordType("notification", table="NotificationsTable", has_timeline=False),),
)
