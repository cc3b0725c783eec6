"""The parts of the launcher: ports, processes, state, logs, and the output of SAM."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime.metrics import EVENT_LAG
from zebros.client.stack import Resources
from zebros.errors import BadInput, NotReady
from zebros.local import deploy, log_files, parts, ports, processes
from zebros.local import supervisor as supervising
from zebros.local.home import Home
from zebros.local.parts import state_document, worker_variables
from zebros.local.processes import Child, KnownProcess, started_at, stop
from zebros.local.regions import Place
from zebros.local.supervisor import already_running

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
    " time.sleep(60)",
]


def taken() -> tuple[socket.socket, int]:
    server = socket.create_server((ports.HOST, 0))
    return server, server.getsockname()[1]


def test_a_requested_port_that_is_in_use_is_rejected() -> None:
    server, port = taken()
    with server, pytest.raises(BadInput, match=f"Port {port} on 127.0.0.1.*used") as caught:
        ports.choose_port("platform", "--port", port, None, 4566)
    assert "--port" in caught.value.hint


def test_two_parts_never_get_the_same_port() -> None:
    server, port = taken()
    server.close()
    with pytest.raises(BadInput, match=f"Port {port} .* for another part too"):
        ports.choose_port("platform", "--port", port, None, 4566, other=port)
    assert ports.choose_port("platform", "--port", None, port, port, other=port) != port


def test_the_port_of_the_last_start_is_preferred() -> None:
    server, port = taken()
    with server:
        other, free = taken()
        other.close()
        assert ports.choose_port("platform", "--port", None, free, port) == free
        assert ports.choose_port("platform", "--port", None, port, free) == free
        anything = ports.choose_port("platform", "--port", None, port, port)
        assert anything != port
        assert ports.is_free(anything)


def test_a_process_is_identified_by_pid_and_start_time(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEP, os.environ, tmp_path / "log")
    pid = child.known.pid
    assert child.known.alive
    another = KnownProcess("other", pid, child.known.started + 1)
    stop([another])
    assert child.known.alive, "a reused pid is not the process that was started"
    stop([child.known])
    assert child.ended == "was killed by signal 15"
    assert started_at(pid) is None


def test_a_process_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "TERM_S", 0.3)
    child = Child("stubborn", STUBBORN, os.environ, tmp_path / "log")
    while "up" not in child.log_end():
        time.sleep(0.02)
    began = time.monotonic()
    child.stop()
    assert 0.3 <= time.monotonic() - began < 5
    assert child.ended == "was killed by signal 9"


def test_another_program_at_the_port_is_not_mistaken_for_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "_START_S", 0.5)
    with serving({"pid": 1}) as url:
        assert parts.pid_at(url) == 1
        part = parts.Part("platform", SLEEP, dict(os.environ), url)
        part.child = Child("platform", SLEEP, os.environ, tmp_path / "log")
        supervisor = supervising.Supervisor(Home(tmp_path), supervising.Options(), print)
        with pytest.raises(NotReady, match="did not answer"):
            supervisor._wait_for(part)
        part.child.stop()
    with serving({"pid": None}) as url:
        assert parts.pid_at(url) is None
    assert parts.pid_at(url) is None, "no process answers any more"


@contextmanager
def serving(document: dict[str, Any]) -> Iterator[str]:
    """A server that answers every GET with this document."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer((ports.HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{ports.HOST}:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_a_ctrl_c_at_the_terminal_does_not_reach_the_parts(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEP, os.environ, tmp_path / "log")
    assert os.getpgid(child.known.pid) != os.getpgid(0)
    child.stop()


def test_a_folder_has_one_supervisor(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lock = home.lock()
    assert lock is not None
    assert home.lock() is None
    holder = home.supervisor()
    assert holder is not None
    assert holder.pid == os.getpid()
    home.write_state({"api": "http://127.0.0.1:1/x"})
    error = already_running(home)
    assert f"process {os.getpid()}" in error.message
    assert "http://127.0.0.1:1/x" in error.message
    lock.release()
    assert home.supervisor() is None
    again = home.lock()
    assert again is not None
    again.release()


def test_a_killed_supervisor_has_no_lock(tmp_path: Path) -> None:
    source = (
        "import sys, time; from pathlib import Path; from zebros.local.home import Home;"
        " lock = Home(Path(sys.argv[1])).lock(); print('locked', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", source, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert Home(tmp_path).lock() is None
        holder.send_signal(signal.SIGKILL)
    assert Home(tmp_path).supervisor() is None
    lock = Home(tmp_path).lock()
    assert lock is not None
    lock.release()


def test_an_unreadable_state_file_is_reported_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read") as caught:
        Home(tmp_path).state()
    assert "zebros reset" in caught.value.hint


def test_the_state_has_all_addresses_and_names(tmp_path: Path) -> None:
    resources = Resources(
        {
            "rest_apis": {"Api": "a1"},
            "socket_apis": {"Socket": "s1"},
            "buses": {"Bus": "bus"},
            "tables": {"CustomersTable": "t-1", "ImportsTable": "t-2"},
            "buckets": {"LakeBucket": "lake", "FilesBucket": "files"},
            "archives": {"BusArchive": "archive"},
            "functions": {"CustomersApi": "f-1"},
            "queues": {"ReportTasksQueue": "http://localhost:1/000000000000/tasks"},
            "state_machines": {"ReportFlow": "arn:flow"},
        }
    )
    outputs = {"BusName": "bus"}
    issuer = "http://127.0.0.1:2/realms/"
    state = state_document(resources, outputs, "http://127.0.0.1:1", issuer, tmp_path, Place())
    assert state["api"] == "http://127.0.0.1:1/restapis/a1/v1/_user_request_"
    assert state["websocket"] == "ws://127.0.0.1:1/_aws/execute-api/s1/live"
    assert state["tables"] == {"CustomersTable": "t-1", "ImportsTable": "t-2"}
    assert state["functions"] == {"CustomersApi": "f-1"}
    assert (state["bus"], state["lake_bucket"], state["files_bucket"]) == ("bus", "lake", "files")
    assert (state["task_queue"], state["state_machine"]) == (
        "http://localhost:1/000000000000/tasks",
        "arn:flow",
    )
    assert state["outputs"] == outputs
    assert Resources(state["resources"]) == resources
    given = worker_variables(state)
    assert given["TASK_QUEUE_URL"].endswith("/tasks")
    assert given["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert given["IMPORTS_TABLE_NAME"] == "t-2"
    arn = f"arn:aws:lambda:{state['region']}:000000000000:function:f-1:live"
    assert given["CUSTOMERS_API_ARN"] == arn, "as the alias of the APIs in AWS"
    assert "OPPORTUNITIES_API_ARN" not in given
    assert "REPORTING_TABLE_NAME" not in given, "variables of missing resources are not set"


def test_parts_inherit_no_settings_of_a_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    given = deploy.environment("http://127.0.0.1:1")
    assert "AWS_PROFILE" not in given
    assert "AWS_SESSION_TOKEN" not in given
    assert given["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert given["SAM_CLI_TELEMETRY"] == "0"


def test_without_a_sam_cli_in_this_environment_that_on_the_path_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(deploy, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReady, match="SAM CLI is missing") as caught:
        deploy.sam_command()
    assert "aws-sam-cli" in caught.value.hint
    (tmp_path / "sam").touch(mode=0o755)
    assert deploy.sam_command() == [str(tmp_path / "sam")]


def test_the_fingerprint_depends_only_on_the_source(tmp_path: Path) -> None:
    (tmp_path / "services" / "kernel").mkdir(parents=True)
    source = tmp_path / "services" / "kernel" / "a.py"
    source.write_text("one")
    (tmp_path / "template.yaml").write_text("Resources: {}")
    first = deploy.fingerprint(tmp_path)
    cached = tmp_path / "services" / "kernel" / "__pycache__"
    cached.mkdir()
    (cached / "a.pyc").write_text("x")
    (tmp_path / "README.md").write_text("words")
    assert deploy.fingerprint(tmp_path) == first
    source.write_text("two")
    assert deploy.fingerprint(tmp_path) != first


def test_the_progress_and_the_errors_of_sam_are_reported() -> None:
    lines = [
        "Building codeuri: /x runtime: python3.13 functions: CustomersApi",
        "Building codeuri: /x runtime: python3.13 functions: Reporting/ReportingApi, Reporting/X",
        "Building layer 'Dependencies'",
        "",
        "CREATE_IN_PROGRESS    AWS::SQS::Queue    Queue    -",
        *(f"CREATE_COMPLETE   AWS::SQS::Queue   Queue{number}   -" for number in range(20)),
        "CREATE_FAILED   AWS::Lambda::Function   CustomersApi   No such layer",
        "Error: Failed to create the stack",
    ]
    messages: list[str] = []
    kept = list(deploy.report_progress((line + "\n" for line in lines), messages.append))
    assert messages == [
        "Building CustomersApi",
        "Building ReportingApi",
        "Building Dependencies",
        "20 resources are created",
        "CustomersApi failed",
        lines[-1],
    ]
    assert deploy.last_line(kept) == lines[-1]


def line(**fields: Any) -> str:
    return json.dumps({"level": "INFO", "location": "x:1", "service": "s", **fields})


def test_log_lines_are_readable(tmp_path: Path) -> None:
    assert log_files.readable(line(message="won", opportunity="O1")) == "won opportunity=O1"
    assert log_files.readable(line(message="bad", level="ERROR")) == "ERROR bad"
    assert log_files.readable("plain") == "plain"
    metric = EVENT_LAG.fields(12.5, "board")
    assert log_files.readable(line(message="consumed", consumer="board", **metric)) == (
        "consumed consumer=board"
    ), "without the fields of the metric"
    log = tmp_path / "functions.log"
    function = "zebros-Opportunities-5f77-ac3-OpportunitiesA2F31C"  # truncated to 64 characters
    log.write_text(f"12:00:00 {function} old\n")
    followed = log_files.LogFile("functions", log, {function: "OpportunitiesApi"})
    with log.open("a") as file:
        file.write(f"12:00:01 {function} " + line(message="won") + "\n12:00")
    assert followed.new_lines() == [("OpportunitiesApi", "won")]
    log.write_text("12:00:02 zebros-Docs-2F31C anew\n")
    assert followed.new_lines() == [("zebros-Docs-2F31C", "anew")], "deployed meanwhile"


@pytest.mark.parametrize(
    ("wanted", "worker", "small"),
    [
        ("size", True, "function"),
        ("function", False, "function"),
        ("worker", True, "worker"),
    ],
)
def test_the_stack_knows_whether_a_worker_runs_and_which_reports_it_makes(
    wanted: str, worker: bool, small: str
) -> None:
    makers = parts.report_makers(wanted)
    assert makers.with_worker is worker
    parameters = makers.parameters()
    assert bool(parameters["WorkerImage"]) is worker
    assert parameters["SmallReports"] == small


def test_sam_accepts_an_empty_parameter(tmp_path: Path) -> None:
    """Otherwise `zebros up --reports function` cannot deploy: it sets WorkerImage to nothing."""
    from samcli.cli.types import CfnParameterOverridesType

    given = {"Audience": "zebros-api", **parts.report_makers("function").parameters()}
    words = deploy.Stack(tmp_path, Home(tmp_path), "http://127.0.0.1:1", given)._deploy_options()
    passed = tuple(words[words.index("--parameter-overrides") + 1 :])
    assert CfnParameterOverridesType().convert(passed, None, None) == given
    assert given["WorkerImage"] == ""


def test_a_free_port_is_none_that_an_outgoing_connection_gets() -> None:
    """A platform that was killed could otherwise not start again."""
    file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(file.read_text().split()[0]) if file.exists() else 32_768
    found = {ports.free_port() for _ in range(50)}
    assert len(found) > 40
    assert all(1_024 <= port < first for port in found)


def test_without_the_worker_s_code_the_function_makes_all_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "_WORKER", "no_such_package")
    assert parts.report_makers("worker") is parts.ReportsBy.FUNCTION
