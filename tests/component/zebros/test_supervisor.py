"""The launcher with real processes and a real deployment of a very small stack.

Starting takes seconds, so the tests share one supervisor and depend on their order.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from zebros import cli
from zebros.cli import platform
from zebros.errors import BadInput, CliError
from zebros.local.deploy import NotDeployed, Stack
from zebros.local.home import Home
from zebros.local.parts import Part, base_environment
from zebros.local.processes import Child, KnownProcess, stop
from zebros.local.supervisor import Options, Supervisor

ROOT = Path("tests/fixtures/small_stack").resolve()
PARTS = {"platform", "issuer"}


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def hello(state: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.get(f"{state['api']}/hello", trust_env=False, timeout=30)
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A folder whose processes are stopped after the tests."""
    made = Home(tmp_path_factory.mktemp("crm") / ".local")
    yield made
    left = [one for one in (*made.processes(), made.supervisor()) if one is not None]
    stop(left)


@pytest.fixture(scope="module")
def messages() -> list[str]:
    return []


@pytest.fixture(scope="module")
def running(home: Home, messages: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(home, Options(root=ROOT, phase="startup"), messages.append)
    supervisor.start()
    yield supervisor
    supervisor.stop()


def test_a_start_deploys_the_stack_and_writes_the_state(
    running: Supervisor, home: Home, messages: list[str]
) -> None:
    state = home.state()
    assert hello(state) == {"greeting": "hello", "issuer_base": state["issuer_base"]}
    assert state["tables"]["HelloTable"]
    assert state["functions"]["HelloApi"]
    assert set(state["pids"]) == PARTS
    found = httpx.get(f"{state['issuer_base']}acme/.well-known/openid-configuration")
    assert found.json()["issuer"] == f"{state['issuer_base']}acme"
    assert any("sam build" in line for line in messages)
    assert home.status()["phase"] == "ready"


def test_everything_listens_on_127_0_0_1_only(running: Supervisor, home: Home) -> None:
    state = home.state()
    addresses = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, status = line.split()[1], line.split()[3]
        host, _, port = address.partition(":")
        if status == "0A" and int(port, 16) in (state["port"], state["issuer_port"]):
            addresses.add(host)
    assert addresses == {"0100007F"}


def test_a_second_start_is_rejected_with_one_message(running: Supervisor, home: Home) -> None:
    with pytest.raises(CliError, match=f"runs already.*{os.getpid()}") as caught:
        Supervisor(home, Options(root=ROOT), lambda _: None).start()
    assert "zebros down" in caught.value.hint
    assert hello(home.state())["greeting"] == "hello", "the first one still runs"


def test_a_failed_deployment_names_the_resource_and_the_reason(
    running: Supervisor, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  DeadLetters: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 100000}}\n"
    )
    stack = Stack(tmp_path, Home(tmp_path / ".local"), home.state()["endpoint"], {}, "broken")
    stack.home.path.mkdir()
    with pytest.raises(NotDeployed, match=r"`sam deploy` failed: DeadLetters.*DelaySeconds"):
        stack.deploy(lambda _: None)


def test_a_phase_is_deployed_without_building_and_stays_when_none_is_given(
    running: Supervisor, home: Home
) -> None:
    def deployed(**parameters: str) -> tuple[list[str], str]:
        """What a deployment reports first, and the phase after it."""
        said: list[str] = []
        stack = Stack(ROOT, home, home.state()["endpoint"], parameters)
        stack.deploy(said.append)
        return said[:1], stack.outputs()["Phase"]

    deploys = ["Deploying the stack (sam deploy)"]
    assert deployed() == ([], "startup"), "nothing has changed since the start"
    assert deployed(Phase="growth") == (deploys, "growth")
    assert deployed(Phase="growth") == ([], "growth")
    assert deployed() == ([], "growth")
    assert deployed(Unknown="x") == ([], "growth"), "SAM drops it too"
    assert deployed(Phase="mvp") == (deploys, "mvp")


def test_a_killed_platform_is_started_again_with_its_data(
    running: Supervisor, home: Home, messages: list[str]
) -> None:
    state = home.state()
    hello(state)
    (platform,) = [one for one in home.processes() if one.name == "platform"]
    os.kill(platform.pid, signal.SIGKILL)
    until(lambda: any("killed by signal 9" in line for line in messages))
    until(lambda: listening(state["port"]))
    assert until(lambda: _answers(state))["greeting"] == "hello"
    assert home.state()["pids"]["platform"] != platform.pid


def test_a_platform_that_is_killed_while_it_starts_again_is_started_once_more(
    running: Supervisor, home: Home, messages: list[str]
) -> None:
    def pid() -> int:
        return next((one.pid for one in home.processes() if one.name == "platform"), 0)

    first = pid()
    state = home.state()
    os.kill(first, signal.SIGKILL)
    until(lambda: pid() not in {first, 0})
    second = pid()
    os.kill(second, signal.SIGKILL)
    until(lambda: pid() not in {first, second, 0})
    assert until(lambda: _answers(state))["greeting"] == "hello"
    assert running.gave_up is None


HANGS = """
import os, signal, sys, time
from pathlib import Path
pulse = Path(sys.argv[1])
while True:
    pulse.touch()
    if pulse.with_name("hang").exists():
        pulse.with_name("hang").unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.05)
"""


def test_a_part_that_hangs_is_killed_and_started_again(
    running: Supervisor, messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zebros.local.parts.LONGEST_SILENCE_S", 1.0)
    monkeypatch.setattr("zebros.local.supervisor._CONFIRM_S", 0.5)
    pulse = tmp_path / "pulse"
    command = [sys.executable, "-c", HANGS, str(pulse)]
    part = Part("worker", command, base_environment(), pulse=pulse)
    running._start(part)
    assert part.child is not None
    first = part.child.known
    until(pulse.exists)
    (tmp_path / "hang").touch()
    until(lambda: part.child is not None and part.child.known.pid != first.pid)
    assert not first.alive
    (line,) = [one for one in messages if "hung" in one]
    assert re.fullmatch(r"The worker hung for \d+ seconds and was killed; starting it again", line)
    second = part.child.known
    time.sleep(2)
    assert second.alive
    assert part.child.known == second, "a sound part is left alone"
    running._parts.pop("worker")
    part.child.stop()


DIES = """
import sys
with open(sys.argv[1], "a") as starts:
    print("started", file=starts)
print("no memory is left")
sys.exit(3)
"""


@pytest.fixture
def dying(running: Supervisor, tmp_path: Path) -> Iterator[tuple[Part, Callable[[], int]]]:
    """A worker that ends at every start, and how often it was started.

    Its last process has ended when the supervisor has given it up.
    """
    file = tmp_path / "starts"
    worker = Part("worker", [sys.executable, "-c", DIES, str(file)], base_environment())
    yield worker, lambda: len(file.read_text().splitlines()) if file.exists() else 0
    until(lambda: "worker" not in running._parts)


def test_without_a_worker_that_ends_for_the_fourth_time_the_rest_runs_on(
    running: Supervisor,
    home: Home,
    messages: list[str],
    dying: tuple[Part, Callable[[], int]],
) -> None:
    worker, starts = dying
    running._start(worker)
    until(lambda: any("again and again" in line for line in messages))
    assert worker.child is not None
    assert [line for line in messages if "exit code 3" in line] == [
        *["The worker ended with exit code 3; starting it again"] * 3,
        "The worker ended with exit code 3 again and again. The CRM runs on without it; "
        f"see {worker.child.log}",
    ]
    assert starts() == 4
    assert "no memory is left" in worker.child.log.read_text()
    time.sleep(1)
    assert starts() == 4, "it is not started any more"
    assert running.gave_up is None
    assert hello(home.state())["greeting"] == "hello"


class EndedChild(Child):
    """A child that has ended when its start returns, as on a machine with much to do."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        until(lambda: self.ended)


@pytest.mark.parametrize("kind", [Child, EndedChild])
def test_a_part_that_ends_less_often_is_started_again_without_limit(
    running: Supervisor,
    dying: tuple[Part, Callable[[], int]],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Child],
) -> None:
    monkeypatch.setattr("zebros.local.supervisor._RESTARTS_WITHIN_S", 0.0)
    monkeypatch.setattr("zebros.local.supervisor.Child", kind)
    worker, starts = dying
    running._start(worker)
    until(lambda: starts() > 5)
    assert running.gave_up is None


def _answers(state: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return hello(state)
    except httpx.HTTPError:
        return None


def test_a_stop_leaves_no_process_and_no_open_port(running: Supervisor, home: Home) -> None:
    state, parts = home.state(), home.processes()
    running.stop()
    assert not any(one.alive for one in parts)
    assert not listening(state["port"])
    assert not listening(state["issuer_port"])
    assert home.processes() == []
    assert home.supervisor() is None


@pytest.fixture
def stopped(home: Home) -> Home:
    """The folder after a start and a stop, also for a test that runs alone."""
    if not home.state():
        supervisor = Supervisor(home, Options(root=ROOT, phase="startup"), lambda _line: None)
        supervisor.start()
        supervisor.stop()
    return home


def test_a_start_after_a_killed_supervisor_stops_its_processes(stopped: Home) -> None:
    home, before = stopped, stopped.state()
    first = detached(home)
    until(lambda: home.status().get("pid") == first.pid and home.status()["phase"] == "ready")
    assert (home.state()["port"], home.state()["issuer_port"]) == (
        before["port"],
        before["issuer_port"],
    ), "ports stay as they were"
    left = home.processes()
    first.kill()
    first.wait()
    assert all(one.alive for one in left), "a killed supervisor stops no process"
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    home.write_processes([*left, KnownProcess("stranger", stranger.pid, 1)])
    second = detached(home)
    until(lambda: home.status().get("pid") == second.pid and home.status()["phase"] == "ready")
    assert not any(one.alive for one in left)
    assert stranger.poll() is None, "a process that only has the same pid is not stopped"
    stranger.kill()
    stranger.wait()
    assert hello(home.state())["greeting"] == "hello"
    second.terminate()
    assert second.wait(30) == 0
    assert not listening(home.state()["port"])
    log = (home.logs / "supervisor.log").read_text()
    assert "The last run was killed" in log
    assert "sam deploy" not in log.rpartition("The last run")[2], "nothing has changed"


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_that_is_needed_and_ends_for_the_fourth_time_stops_the_crm(
    stopped: Home, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = stopped
    first = detached(home)
    until(lambda: home.status().get("pid") == first.pid and home.status()["phase"] == "ready")
    state, running = home.state(), home.processes()
    killed = set[int]()

    def pid() -> int:
        return next((one.pid for one in home.processes() if one.name == part), 0)

    for deaths in range(4):
        assert first.poll() is None, f"it gave up after {deaths}"
        until(lambda: pid() not in {0, *killed})
        killed.add(pid())
        os.kill(pid(), signal.SIGKILL)
    assert first.wait(60) == 69
    assert len(killed) == 4
    assert not any(one.alive for one in running)
    assert not listening(state["port"])
    assert not listening(state["issuer_port"])
    reason = f"The {part} was killed by signal 9 again and again."
    assert home.status()["error"]["error"] == reason
    assert f"failed: {reason}" in (home.logs / "supervisor.log").read_text()
    assert cli.main(["--home", str(home.path), "status"]) == 69
    output = capsys.readouterr().err
    assert reason in output
    log = home.logs / f"{part}.log"
    lines = log.read_text().strip().splitlines()
    assert (lines[-1] if lines else f"Its log is {log}.") in output
    assert cli.main(["--home", str(home.path), "--json", "status"]) == 69
    assert reason in capsys.readouterr().out


def detached(home: Home) -> subprocess.Popen[bytes]:
    options = {"root": str(ROOT), "tenants": ["acme", "globex"]}
    command = [sys.executable, "-m", "zebros.local.supervisor", "--home", str(home.path)]
    home.logs.mkdir(parents=True, exist_ok=True)
    with (home.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--options", json.dumps(options)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def test_a_used_port_is_rejected_with_one_message_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    other = Home(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        supervisor = Supervisor(other, Options(port=port, root=ROOT), lambda _: None)
        with pytest.raises(BadInput, match=f"Port {port}.*used"):
            supervisor.start()
        supervisor.stop()
    assert other.processes() == []
    assert other.supervisor() is None


@pytest.mark.parametrize(("words", "code"), [((), 70), (("--detach",), 69)])
def test_an_unexpected_error_at_the_start_leaves_nothing_running(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
) -> None:
    other = Home(tmp_path / "home")
    (other.logs / "platform.log").mkdir(parents=True)  # found after the issuer has started
    monkeypatch.setattr(platform, "stop_on_signals", lambda: None)
    monkeypatch.setattr(platform, "ignore_signals", lambda: None)
    started: list[KnownProcess] = []
    write = Home.write_processes

    def written_down(home: Home, processes: Iterable[KnownProcess]) -> None:
        started.extend(processes := list(processes))
        write(home, processes)

    monkeypatch.setattr(Home, "write_processes", written_down)
    monkeypatch.chdir(tmp_path)
    got = cli.main(["--home", str(other.path), "up", "--empty", *words])
    output = capsys.readouterr().err
    assert got == code
    assert "zebros: An unexpected error occurred (IsADirectoryError" in output
    assert "Traceback" not in output
    assert other.processes() == []
    assert other.supervisor() is None
    assert other.status()["phase"] == "failed"
    assert not any(one.alive for one in started)
    assert words or [one.name for one in started] == ["issuer"]
    (file,) = tmp_path.rglob("errors/*.txt")
    assert "platform.log" in file.read_text(encoding="utf-8")
