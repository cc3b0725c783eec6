"""The manifest of activities."""

from kernel.domain.manifest import Context, RecordType, References
from kernel.domain.permissions import Area, Level, levels

ACTIVITIES = Area(
    "activities",
    levels(
        sales_manager=Level.WRITE,
        sales_representative=Level.WRITE,
        support_agent=Level.WRITE,
        read_only=Level.READ,
    ),
)
# The timeline has a position for every record anyway.
REFERENCES = References("timeline", ("account", "contact", "opportunity", "person"))

CONTEXT = Context(
    name="activities",
    record_types=(RecordType("task", table="ActivitiesTable", area=ACTIVITIES),),
    references=REFERENCES,
    areas=(ACTIVITIES,),
)
