"""The inside of a function's process: import the handler once, then answer one event a line.

Run by path under `python -I -S`, so that nothing of the developer's environment can be
imported; it must not import anything of ours. Standard output belongs to the conversation with
the platform, one JSON document a line; whatever the handler prints goes to standard error, and
a marker line after each event tells where its log ends.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
from typing import Any

END_OF_LOG = "\x00end of log"


class Context:
    """What Lambda passes as the second argument.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    identity = None
    client_context = None

    def __init__(self, asked: dict[str, Any]) -> None:
        environment = os.environ
        self.function_name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environment["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environment["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = asked["arn"]
        self.aws_request_id = asked["request_id"]
        self._ends = time.monotonic() + asked["timeout_s"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform ends this invocation."""
        return max(0, int((self._ends - time.monotonic()) * 1000))


def main() -> None:
    """Serve until the platform closes our standard input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    start = json.loads(sys.stdin.readline())
    sys.path[:0] = start["path"]
    sys.path.append(start["runtime"])
    try:
        name, _, attribute = start["handler"].rpartition(".")
        handler = getattr(importlib.import_module(name.replace("/", ".")), attribute)
    except BaseException as fault:
        traceback.print_exc()
        _say(answers, {"failed": _described(fault, start["handler"])})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        if asked.get("trace_id"):
            os.environ["_X_AMZN_TRACE_ID"] = asked["trace_id"]
        _say(answers, _answer(handler, asked))


def _answer(handler: Any, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        result = handler(asked["event"], Context(asked))
    except Exception as fault:
        traceback.print_exc()
        return {"failed": _described(fault)}
    try:
        json.dumps(result)
    except (TypeError, ValueError) as fault:
        message = f"Unable to marshal response: {fault}"
        return {"failed": {"errorType": "Runtime.MarshalError", "errorMessage": message}}
    return {"result": result}


def _described(fault: BaseException, handler: str = "") -> dict[str, Any]:
    """The error document Lambda answers with; an import that failed is named after its cause."""
    kind, message = type(fault).__name__, str(fault)
    if handler and isinstance(fault, ImportError):
        module = handler.rpartition(".")[0]
        kind, message = "Runtime.ImportModuleError", f"Unable to import module '{module}': {fault}"
    elif handler and isinstance(fault, AttributeError):
        kind, message = "Runtime.HandlerNotFound", f"Handler '{handler}' is missing: {fault}"
    return {
        "errorType": kind,
        "errorMessage": message,
        "stackTrace": traceback.format_tb(fault.__traceback__)[1:],
    }


def _say(answers: Any, document: dict[str, Any]) -> None:
    sys.stderr.write(END_OF_LOG + "\n")
    sys.stderr.flush()
    answers.write(json.dumps(document) + "\n")
    answers.flush()


def _die_with(parent: int) -> None:
    """End when the platform is gone, even in the middle of a handler."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


if __name__ == "__main__":
    main()
