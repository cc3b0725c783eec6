"""Compute a report: read the events, add up the deals, shape the table."""

from datetime import datetime

from reporting.engine import events
from reporting.engine.deals import groups
from reporting.engine.lake import LakeFiles
from reporting.engine.parameters import ReportParameters
from reporting.engine.progress import Watch
from reporting.engine.report import Report
from reporting.engine.tables import shape


def contexts_for(parameters: ReportParameters) -> tuple[str, ...]:
    """The contexts whose events the report reads; the others need not be fetched."""
    return events.SOURCES[parameters.grouping].contexts


def compute(
    files: LakeFiles,
    parameters: ReportParameters,
    *,
    as_of: datetime | None = None,
    watch: Watch | None = None,
) -> Report:
    """The report over these files, up to `as_of` (an aware instant; inclusive) if given.

    Raises LakeUnreadable, TooComplex or ReportCancelled.
    """
    watch = watch or Watch()
    with events.load(files, parameters.grouping, as_of=as_of, watch=watch.part(0.0, 0.8)) as loaded:
        found = groups(loaded, parameters, watch.part(0.8, 0.95))
        position = loaded.position()
    report = shape(parameters, found, tenant=files.tenant, as_of=as_of, position=position)
    watch.step(1.0, f"{report.row_count:,} rows")
    return report
