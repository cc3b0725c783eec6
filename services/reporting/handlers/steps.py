"""The steps of the state machine behind reports (statemachines/report.asl.json)."""

from kernel.tasks.steps import TaskSteps
from reporting.bootstrap import runs, tiers
from reporting.events import ReportResult

handler = TaskSteps(runs, ReportResult, tiers)
