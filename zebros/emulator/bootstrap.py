"""The main module of a function's process: imports the handler once, then handles events.

It runs under `python -I -S`, so that nothing of the developer's environment can be imported, and
must not import other modules of zebros. Standard input is a socket to the platform, with one JSON
document per line in both directions. Standard output and error are the function's log.
"""

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """The Lambda context object.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, call: dict[str, Any]) -> None:
        environment = os.environ
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environment["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.invoked_function_arn = call["arn"]
        self.aws_request_id = call["request_id"]
        self._ends = time.monotonic() + call["timeout_s"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform ends this invocation."""
        return max(0, int((self._ends - time.monotonic()) * 1000))


def main() -> None:
    """Handle events until the platform closes the socket."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(0), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def answer(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document).encode() + b"\n")
        answers.flush()

    start = json.loads(calls.readline())
    sys.path[:0] = start["path"]
    sys.path.append(start["runtime"])
    try:
        name, _, attribute = start["handler"].rpartition(".")
        handler = getattr(importlib.import_module(name.replace("/", ".")), attribute)
    except BaseException as fault:
        answer(_failure(fault, start["handler"]))
        return
    answer({"status": "ok"})
    for line in calls:
        call = json.loads(line)
        try:
            result = handler(call["event"], Context(call))
        except Exception as fault:
            answer(_failure(fault))
            continue
        try:
            answer({"status": "ok", "result": result})
        except (TypeError, ValueError) as fault:
            message = f"Unable to marshal response: {fault}"
            document = {"errorType": "Runtime.MarshalError", "errorMessage": message}
            answer({"status": "error", "error_payload": document})


def _failure(fault: BaseException, handler: str = "") -> dict[str, Any]:
    """The error document of Lambda; a failed import has its own error types."""
    traceback.print_exception(fault)
    kind, message = type(fault).__name__, str(fault)
    if handler and isinstance(fault, ImportError):
        module = handler.rpartition(".")[0]
        kind, message = "Runtime.ImportModuleError", f"Unable to import module '{module}': {fault}"
    elif handler and isinstance(fault, AttributeError):
        kind, message = "Runtime.HandlerNotFound", f"Handler '{handler}' is missing: {fault}"
    trace = traceback.format_tb(fault.__traceback__)[1:]
    document = {"errorType": kind, "errorMessage": message, "stackTrace": trace}
    return {"status": "error", "error_payload": document}


if __name__ == "__main__":
    main()
