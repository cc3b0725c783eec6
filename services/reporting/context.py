"""The manifest of reporting."""

from kernel.domain.manifest import Context, RecordType, References
from kernel.domain.permissions import Area, Level, levels

REPORTS = Area(
    "reports",
    levels(
        sales_manager=Level.WRITE,
        sales_representative=Level.READ,
        read_only=Level.READ,
    ),
)
# For the names of owners in reports.
REFERENCES = References("reporting-references", ("person",))

CONTEXT = Context(
    name="reporting",
    record_types=(RecordType("report", table="ReportingTable", area=REPORTS, has_timeline=False),),
    references=REFERENCES,
    areas=(REPORTS,),
    worker_modules=("reporting/jobs/*", "reporting/query/*", "reporting/render/*"),
)
