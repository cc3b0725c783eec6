"""The launcher with real processes and a real deployment of a very small stack.

Starting costs seconds, so the tests share one launcher, and stand in the order of an afternoon.
"""

import json
import os
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
from zebros.local.processes import Known, stop
from zebros.local.supervisor import Options, Supervisor

ROOT = Path("tests/fixtures/small_stack").resolve()
PARTS = {"platform", "issuer"}


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if said := condition():
            return said
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
    """A folder whose processes do not outlive the tests."""
    made = Home(tmp_path_factory.mktemp("crm") / ".local")
    yield made
    left = [one for one in (*made.processes(), made.supervisor()) if one is not None]
    stop(left)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def running(home: Home, said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(home, Options(root=ROOT), said.append)
    supervisor.start()
    yield supervisor
    supervisor.stop()


def test_a_start_deploys_the_stack_and_writes_down_where_everything_is(
    running: Supervisor, home: Home, said: list[str]
) -> None:
    state = home.state()
    assert hello(state) == {"says": "hello", "issuer_base": state["issuer_base"]}
    assert state["tables"]["HelloTable"]
    assert state["functions"]["HelloApi"]
    assert set(state["pids"]) == PARTS
    found = httpx.get(f"{state['issuer_base']}acme/.well-known/openid-configuration")
    assert found.json()["issuer"] == f"{state['issuer_base']}acme"
    assert any("sam build" in line for line in said)
    assert home.status()["phase"] == "ready"


def test_everything_listens_on_127_0_0_1_alone(running: Supervisor, home: Home) -> None:
    state = home.state()
    addresses = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, status = line.split()[1], line.split()[3]
        host, _, port = address.partition(":")
        if status == "0A" and int(port, 16) in (state["port"], state["issuer_port"]):
            addresses.add(host)
    assert addresses == {"0100007F"}


def test_a_second_start_gets_one_sentence(running: Supervisor, home: Home) -> None:
    with pytest.raises(CliError, match=f"runs already.*{os.getpid()}") as caught:
        Supervisor(home, Options(root=ROOT), lambda _: None).start()
    assert "zebros down" in caught.value.hint
    assert hello(home.state())["says"] == "hello", "and the first one is left in peace"


def test_a_template_that_cannot_be_deployed_says_which_resource_and_why(
    running: Supervisor, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  Letters: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 100000}}\n"
    )
    stack = Stack(tmp_path, Home(tmp_path / ".local"), home.state()["endpoint"], {}, "broken")
    stack.home.path.mkdir()
    with pytest.raises(NotDeployed, match=r"`sam deploy` failed: Letters.*DelaySeconds"):
        stack.deploy(lambda _: None)


def test_a_killed_platform_is_started_again_with_its_data(
    running: Supervisor, home: Home, said: list[str]
) -> None:
    state = home.state()
    hello(state)
    (platform,) = [one for one in home.processes() if one.name == "platform"]
    os.kill(platform.pid, signal.SIGKILL)
    until(lambda: any("killed by signal 9" in line for line in said))
    until(lambda: listening(state["port"]))
    assert until(lambda: _answers(state))["says"] == "hello"
    assert home.state()["pids"]["platform"] != platform.pid


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


def test_after_a_killed_supervisor_the_next_start_clears_away_what_is_left(home: Home) -> None:
    before = home.state()
    first = detached(home)
    until(lambda: home.status().get("pid") == first.pid and home.status()["phase"] == "ready")
    assert (home.state()["port"], home.state()["issuer_port"]) == (
        before["port"],
        before["issuer_port"],
    ), "ports stay as they were"
    left = home.processes()
    first.kill()
    first.wait()
    assert all(one.alive for one in left), "a killed supervisor stops nobody"
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    home.write_processes([*left, Known("stranger", stranger.pid, 1)])
    second = detached(home)
    until(lambda: home.status().get("pid") == second.pid and home.status()["phase"] == "ready")
    assert not any(one.alive for one in left)
    assert stranger.poll() is None, "a process that only has the number is left alone"
    stranger.kill()
    stranger.wait()
    assert hello(home.state())["says"] == "hello"
    second.terminate()
    assert second.wait(30) == 0
    assert not listening(home.state()["port"])
    log = (home.logs / "supervisor.log").read_text()
    assert "The last run was cut off" in log
    assert "sam deploy" not in log.rpartition("The last run")[2], "nothing has changed"


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


def test_a_taken_port_is_one_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    other = Home(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        supervisor = Supervisor(other, Options(port=port, root=ROOT), lambda _: None)
        with pytest.raises(BadInput, match=f"Port {port}.*taken"):
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
    (other.logs / "platform.log").mkdir(parents=True)  # the issuer has started when this is met
    monkeypatch.setattr(platform, "obey_signals", lambda: None)
    monkeypatch.setattr(platform, "ignore_signals", lambda: None)
    started: list[Known] = []
    write = Home.write_processes

    def written_down(home: Home, processes: Iterable[Known]) -> None:
        started.extend(processes := list(processes))
        write(home, processes)

    monkeypatch.setattr(Home, "write_processes", written_down)
    monkeypatch.chdir(tmp_path)
    got = cli.main(["--home", str(other.path), "up", "--empty", *words])
    said = capsys.readouterr().err
    assert got == code
    assert "zebros: An unexpected error occurred (IsADirectoryError" in said
    assert "Traceback" not in said
    assert other.processes() == []
    assert other.supervisor() is None
    assert other.status()["phase"] == "failed"
    assert not any(one.alive for one in started)
    assert words or [one.name for one in started] == ["issuer"]
    (file,) = tmp_path.rglob("errors/*.txt")
    assert "platform.log" in file.read_text(encoding="utf-8")
