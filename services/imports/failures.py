"""Why imports fail: codes for programs, and messages for the users who requested them."""

from imports.events import ImportFailureCode
from kernel.tasks.failures import DISK_FULL, STANDARD, WORKER_REQUIRED, FailureKind

NOT_ALLOWED = "NotAllowed"
"""The requester may not change such records; the cause is what the API answered."""
UNREADABLE_FILE = "UnreadableFile"
"""The file cannot be read as a whole; the cause says why."""

FAILURES = STANDARD.extended(
    codes=ImportFailureCode,
    errors={
        NOT_ALLOWED: FailureKind(ImportFailureCode.NOT_ALLOWED),
        UNREADABLE_FILE: FailureKind(ImportFailureCode.UNREADABLE_FILE),
    },
    messages={
        ImportFailureCode.BAD_PARAMETERS: "The parameters of this import are not valid: {cause}.",
        ImportFailureCode.NO_WORKER: "No worker was available for this import for an hour. Request "
        "it again later.",
        WORKER_REQUIRED: "An import needs a worker, and none is deployed. Ask your administrator "
        "to deploy one (parameter WorkerImage).",
        ImportFailureCode.WORKER_LOST: "The worker of this import was lost, and so were the "
        "workers of further attempts. Request the import again: records that it has created or "
        "changed stay as they are.",
        ImportFailureCode.TIMED_OUT: "This import took longer than six hours and was stopped. "
        "Request it again with the rest of the file.",
        ImportFailureCode.OUT_OF_MEMORY: "This import needs more memory than a worker has. Divide "
        "the file.",
        DISK_FULL: "The disk of the worker of this import is full, and so were those of further "
        "attempts. Tell your administrator, and request the import again later.",
        ImportFailureCode.NOT_ALLOWED: "The import was not allowed to change such records: "
        "{cause}.",
        ImportFailureCode.UNREADABLE_FILE: "The file of this import cannot be read: {cause}.",
        ImportFailureCode.UNKNOWN: "Something went wrong on our side, and it has been logged. "
        "Request the import again; if that does not help, give your administrator the import's id.",
    },
)
