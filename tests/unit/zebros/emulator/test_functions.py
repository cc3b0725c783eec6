"""Execution environments: their isolation, their errors, and their number."""

import gc
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from zebros.emulator import lambdas
from zebros.emulator.environments import Environment

SOURCE = """
import os, sys, time

class Rejected(Exception):
    pass

count = 0

def handler(event, context):
    global count
    count += 1
    print("called", count)
    what = event.get("do")
    if what == "raise":
        raise Rejected("not like this")
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "exit":
        os._exit(3)
    if what == "import":
        __import__(event["name"])
    if what == "object":
        return object()
    return {
        "count": count,
        "env": dict(os.environ),
        "left": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn,
        "echo": event,
    }
"""
QUIET = "def handler(event, context): return 1"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:probe"


def archive(source: str = SOURCE) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("probe.py", source)
    return packed.getvalue()


def config(**more: Any) -> dict[str, Any]:
    return {
        "FunctionName": "probe",
        "FunctionArn": ARN,
        "Handler": "probe.handler",
        "Runtime": "python3.13",
        "Version": "$LATEST",
        "Timeout": 5,
        "Environment": {"Variables": {"TABLE_NAME": "records"}},
        **more,
    }


@pytest.fixture
def environment(emulator: Any, settings: Any) -> Iterator[Callable[..., Environment]]:
    made: list[Environment] = []

    def make(source: str = SOURCE, **more: Any) -> Environment:
        one = Environment(settings, "probe", config(**more), archive(source))
        made.append(one)
        return one

    yield make
    for one in made:
        one._discard_tmpdir()


def test_a_function_gets_its_event_and_its_settings(environment: Any) -> None:
    answer = environment().invoke({"n": 1}, "r-1")
    result = answer["result"]
    assert result["echo"] == {"n": 1}
    assert result["arn"] == ARN
    assert 0 < result["left"] <= 5000
    assert result["env"]["TABLE_NAME"] == "records"
    assert result["env"]["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert result["env"]["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    assert answer["log"] == "called 1"


def test_a_function_sees_nothing_of_the_developers_environment(
    environment: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PYTHONPATH", "services")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SECRET_OF_MINE", "x")
    seen = environment().invoke({}, "r-1")["result"]["env"]
    assert not {"PYTHONPATH", "AWS_PROFILE", "SECRET_OF_MINE"} & set(seen)


def test_a_function_finds_boto3_and_no_package_that_was_not_packed(environment: Any) -> None:
    one = environment()
    assert "result" in one.invoke({"do": "import", "name": "boto3"}, "r-1")
    for name in ("pydantic", "kernel", "zebros", "pytest"):
        failed = one.invoke({"do": "import", "name": name}, "r-2")["error_payload"]
        assert failed["errorType"] == "ModuleNotFoundError"


# The unpatched worker leaves pipes open when its process ends.
leaves_pipes_open = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@leaves_pipes_open
def test_when_unpatched_an_error_has_no_type_and_ends_the_process(emulator: Any) -> None:
    runtime = emulator("core.lambda_runtime")
    worker = runtime.Worker("probe", config(), archive())
    try:
        failed = worker.invoke({"do": "raise"}, "r-1")
        assert failed["status"] == "error"
        assert "errorType" not in failed
        assert worker.invoke({}, "r-2")["result"]["count"] == 1, "begun anew"
    finally:
        worker.kill()
        del worker
        gc.collect()


def test_an_error_has_its_type_and_leaves_the_process_warm(environment: Any) -> None:
    one = environment()
    answer = one.invoke({"do": "raise"}, "r-1")
    assert answer["error_payload"]["errorType"] == "Rejected"
    assert answer["error_payload"]["errorMessage"] == "not like this"
    assert "probe.py" in answer["error_payload"]["stackTrace"][-1]
    assert "called 1" in answer["log"]
    assert "Rejected: not like this" in answer["log"]
    assert one.invoke({}, "r-2")["result"]["count"] == 2


@leaves_pipes_open
def test_a_quiet_call_waits_for_no_log(environment: Any, emulator: Any) -> None:
    """The unpatched emulator waits 50 ms for a log; the fastest call shows it on any machine."""
    assert unpatched(emulator) > 0.045
    gc.collect()
    one = environment(QUIET)
    assert fastest(lambda: one.invoke({}, "r")) < 0.025


def unpatched(emulator: Any) -> float:
    worker = emulator("core.lambda_runtime").Worker("probe", config(), archive(QUIET))
    try:
        return fastest(lambda: worker.invoke({}, "r"))
    finally:
        worker.kill()


def fastest(call: Callable[[], object], times: int = 8) -> float:
    call()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return min(spent)


def test_a_call_that_takes_too_long_times_out(environment: Any) -> None:
    one = environment(Timeout=0.3)
    failed = one.invoke({"do": "sleep", "seconds": 30}, "r-1")["error_payload"]
    assert failed["errorType"] == "Sandbox.Timedout"
    assert failed["errorMessage"].endswith("Task timed out after 0.30 seconds")
    assert one.invoke({}, "r-2")["result"]["count"] == 1, "begun anew"


def test_a_process_that_exits_is_reported_and_restarted(environment: Any) -> None:
    one = environment()
    failed = one.invoke({"do": "exit"}, "r-1")["error_payload"]
    assert failed["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in failed["errorMessage"]
    assert one.invoke({}, "r-2")["result"]["count"] == 1


def test_an_answer_that_is_not_json_is_an_error(environment: Any) -> None:
    failed = environment().invoke({"do": "object"}, "r-1")["error_payload"]
    assert failed["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        ("import nowhere", "probe.handler", "Runtime.ImportModuleError"),
        ("", "probe.handler", "Runtime.HandlerNotFound"),
        ("1 / 0", "probe.handler", "ZeroDivisionError"),
    ],
)
def test_a_function_that_cannot_start_has_an_error_type(
    environment: Any, source: str, handler: str, kind: str
) -> None:
    answer = environment(source, Handler=handler).invoke({}, "r-1")
    assert answer["error_payload"]["errorType"] == kind


def test_addresses_of_apis_in_aws_are_replaced_by_the_platforms(environment: Any) -> None:
    cloud = "https://ab12.execute-api.us-east-1.amazonaws.com/live"
    made = environment(Environment={"Variables": {"SOCKET_ENDPOINT": cloud}})
    seen = made.invoke({}, "r-1")["result"]["env"]["SOCKET_ENDPOINT"]
    assert seen == "http://127.0.0.1:1/_aws/execute-api/ab12/live"


@pytest.fixture
def pooled(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], lambdas.Pool]:
    """Makes a pool of environments without processes."""
    runtime = emulator("core.lambda_runtime")
    monkeypatch.setattr(runtime, "_workers", {})
    monkeypatch.setattr(runtime, "_worker_class_for", lambda _config: lambda *_: SimpleNamespace())
    return lambda limit: lambdas.Pool(runtime, limit)


@pytest.fixture
def ended(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The environments that the emulator has ended; to be used before `pooled` makes a pool."""
    done: list[Any] = []
    monkeypatch.setattr(emulator("core.lambda_runtime"), "kill_workers", done.extend)
    return done


def lease(
    pool: lambdas.Pool, timeout: float = 10, name: str = "probe", version: str = "$LATEST"
) -> Any:
    return pool.acquire(name, config(Timeout=timeout), b"", version)[0]


def test_a_burst_starts_a_process_for_each_call_when_unpatched(emulator: Any) -> None:
    runtime = emulator("core.lambda_runtime")
    try:
        leased = [runtime.acquire_worker("probe", config(), b"")[0] for _ in range(20)]
        assert len({id(one) for one in leased}) == 20
    finally:
        runtime.reset()


def test_further_calls_wait_for_a_free_environment(pooled: Any) -> None:
    pool = pooled(2)
    first, second = lease(pool), lease(pool)
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(lease(pool)))
    waiting.start()
    waiting.join(0.1)
    assert got == []
    pool.release(first)
    waiting.join(2)
    assert got == [first]
    assert second is not first, "and no third was made"


def test_an_update_ends_a_process_while_it_handles_an_event_when_unpatched(
    emulator: Any, environment: Any
) -> None:
    runtime = emulator("core.lambda_runtime")
    one = environment()
    one.invoke({}, "r-1")
    one.in_use = True
    runtime.kill_workers([one])
    assert one._proc is None


def test_a_replaced_environment_handles_its_event_first(pooled: Any, ended: list[Any]) -> None:
    pool = pooled(2)
    busy, idle = lease(pool), lease(pool)
    pool.release(idle)
    pool.end([busy, idle])
    assert ended == [idle]
    pool.release(busy)
    assert ended == [idle, busy]
    pool.release(busy)
    assert ended == [idle, busy], "it ends once"


def test_the_first_call_of_a_version_ends_the_environments_of_older_ones(
    pooled: Any, ended: list[Any], emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, runtime = pooled(2), emulator("core.lambda_runtime")
    monkeypatch.setattr(runtime, "kill_workers", pool.end)
    busy, idle, latest = lease(pool, version="1"), lease(pool, version="1"), lease(pool)
    other = lease(pool, name="probe-too", version="1")
    for one in (idle, latest, other):
        pool.release(one)
    new = lease(pool, version="3")
    assert ended == [idle], "neither that which works, nor another function's"
    pool.release(busy)
    assert ended == [idle, busy]
    pool.release(new)
    assert lease(pool, version="3") is new
    assert lease(pool) is latest


def test_a_stop_ends_environments_that_handle_an_event(
    pooled: Any, ended: list[Any], emulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pooled(2)
    monkeypatch.setattr(emulator("core.lambda_runtime"), "kill_workers", pool.end)
    busy, idle = lease(pool), lease(pool)
    pool.release(idle)
    pool.close()
    assert sorted(map(id, ended)) == sorted(map(id, (busy, idle)))


def test_a_function_that_calls_itself_does_not_wait_for_ever(pooled: Any) -> None:
    pool = pooled(1)
    outer = lease(pool, timeout=0.2)
    inner = lease(pool, timeout=0.2)
    assert inner is not outer


def test_a_function_has_one_log_stream_of_limited_size(emulator: Any, settings: Any) -> None:
    store = emulator("services.cloudwatch_logs")
    logs = lambdas.Logs(settings)
    for number in range(3):
        logs.write({"config": config()}, f"r-{number}", f"line {number}\n", False, 7)
    (stream,) = store._log_groups["/aws/lambda/probe"]["streams"].values()
    messages = [event["message"] for event in stream["events"]]
    assert [line for line in messages if line.startswith("line")] == ["line 0", "line 1", "line 2"]
    assert "probe line 2" in settings.functions_log.read_text()
    logs.write({"config": config()}, "r-9", "x\n" * 30_000, False, 7)
    assert len(stream["events"]) == 5_000
    logs.close()
    store.reset()
