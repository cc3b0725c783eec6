"""Why reports fail: codes for programs, and messages for the users who requested them."""

from kernel.tasks.failures import STANDARD, FailureKind
from reporting.events import FailureCode

TOO_MUCH_DATA = "TooMuchData"
UNREADABLE_DATA = "UnreadableData"

FAILURES = STANDARD.extended(
    codes=FailureCode,
    errors={
        TOO_MUCH_DATA: FailureKind(FailureCode.TOO_MUCH_DATA),
        UNREADABLE_DATA: FailureKind(FailureCode.UNREADABLE_DATA, retryable=True),
    },
    messages={
        FailureCode.BAD_PARAMETERS: "The parameters of this report are not valid: {cause}.",
        FailureCode.NO_WORKER: "No worker was free to make this report for an hour. Ask for it "
        "again later.",
        FailureCode.WORKER_LOST: "The worker that made this report was lost, and so were those "
        "that tried again. Ask for the report again; if that does not help, narrow its period.",
        FailureCode.TIMED_OUT: "Making this report took longer than an hour and was stopped. "
        "Narrow its period.",
        FailureCode.OUT_OF_MEMORY: "This report needs more memory than a worker has. Narrow its "
        "period or choose another grouping.",
        FailureCode.TOO_MUCH_DATA: "The company's data is more than a worker can hold. Ask your "
        "administrator for larger workers.",
        FailureCode.UNREADABLE_DATA: "A part of the company's data could not be read. Ask for the "
        "report again; if that does not help, tell your administrator.",
        FailureCode.UNKNOWN: "Something went wrong on our side, and it has been logged. Ask for "
        "the report again; if that does not help, tell your administrator the report's id.",
    },
)
