"""The steps of the state machine behind imports (statemachines/import.asl.json)."""

from imports.bootstrap import runs, tiers
from imports.events import ImportResult
from kernel.tasks.steps import TaskSteps

handler = TaskSteps(runs, ImportResult, tiers)
