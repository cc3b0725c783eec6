"""Compute a report: read the events, aggregate the opportunities, build the table."""

from datetime import datetime

from kernel.tasks.progress import NoProgress, PartialProgress, Progress
from reporting.lake.cache import LakeFiles
from reporting.parameters import ReportParameters
from reporting.query import event_table
from reporting.query.aggregation import groups
from reporting.query.layout import lay_out
from reporting.query.limits import EngineLimits
from reporting.query.owners import People, with_names
from reporting.report import Report


def compute(
    files: LakeFiles,
    parameters: ReportParameters,
    *,
    as_of: datetime | None = None,
    progress: Progress | None = None,
    limits: EngineLimits | None = None,
    people: People | None = None,
) -> Report:
    """The report from these files, optionally up to `as_of` (inclusive, with a time zone).

    Without `limits` the process stays below 256 MB; without `people` owners are shown by id.
    Raises LakeUnreadable, TooComplex or Interrupted.
    """
    progress = progress or NoProgress()
    reading = PartialProgress(progress, 0.0, 0.8)
    loading = event_table.load(
        files, parameters.grouping, as_of=as_of, progress=reading, limits=limits
    )
    with loading as events:
        computed = groups(events, parameters, PartialProgress(progress, 0.8, 0.95))
        position = events.position()
    if people is not None and parameters.grouping == "owner":
        computed = with_names(computed, people)
    report = lay_out(parameters, computed, tenant=files.tenant, as_of=as_of, position=position)
    progress.step(1.0, f"{report.row_count:,} rows")
    return report
