"""Why reports fail: codes for programs, and messages for the users who requested them."""

from kernel.tasks.failures import DISK_FULL, STANDARD, WORKER_REQUIRED, FailureKind
from reporting.events import FailureCode

TOO_MUCH_DATA = "TooMuchData"
UNREADABLE_DATA = "UnreadableData"

FAILURES = STANDARD.extended(
    codes=FailureCode,
    errors={
        TOO_MUCH_DATA: FailureKind(FailureCode.TOO_MUCH_DATA, by_size=True),
        UNREADABLE_DATA: FailureKind(FailureCode.UNREADABLE_DATA, retryable=True),
    },
    messages={
        FailureCode.BAD_PARAMETERS: "The parameters of this report are not valid: {cause}.",
        FailureCode.NO_WORKER: "No worker was available for this report for an hour. Request it "
        "again later.",
        WORKER_REQUIRED: "This report reads more data than can be read without a worker, and no "
        "worker is deployed. Ask your administrator to deploy one (parameter WorkerImage).",
        FailureCode.WORKER_LOST: "The worker of this report was lost, and so were the workers of "
        "further attempts. Request the report again; if that does not help, narrow its period.",
        FailureCode.TIMED_OUT: "This report took longer than an hour and was stopped. Narrow its "
        "period.",
        FailureCode.OUT_OF_MEMORY: "This report needs more memory than a worker has. Narrow its "
        "period or choose another grouping.",
        DISK_FULL: "The disk of the worker that made this report is full, and so were "
        "those of further attempts. Tell your administrator, and request the report again later.",
        FailureCode.TOO_MUCH_DATA: "The company's data does not fit on a worker, so the report "
        "cannot be created. Ask your administrator for larger workers.",
        FailureCode.UNREADABLE_DATA: "A part of the company's data could not be read. Request the "
        "report again; if that does not help, contact your administrator.",
        FailureCode.UNKNOWN: "Something went wrong on our side, and it has been logged. Request "
        "the report again; if that does not help, give your administrator the report's id.",
    },
)
