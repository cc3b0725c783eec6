"""Scale-in protection against a real HTTP server in the place of the agent of ECS."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from imports.service import POLICY
from kernel.tasks.retry import RetryPolicy
from kernel.tasks.worker.protection import ScaleInProtection

PROTECTED = {"protection": {"ProtectionEnabled": True, "TaskArn": "arn"}}


class Agent(ThreadingHTTPServer):
    """Records requests, and gives the same answer to each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, Any]] = []
        self.answer: tuple[int, bytes] = (200, json.dumps(PROTECTED).encode())

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/task-id"


class Handler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        agent = self.server
        assert isinstance(agent, Agent)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/json"
        agent.requests.append((self.command, self.path, json.loads(body)))
        status, answer = agent.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # the agent is inside the task
    with Agent() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The actions whose failures are logged."""
    actions: list[str] = []

    class Log:
        def warning(self, _message: str, *, action: str, fault: str) -> None:
            assert fault
            actions.append(action)

    monkeypatch.setattr("kernel.tasks.worker.best_effort.logger", Log)
    return actions


def test_a_task_is_protected_exactly_while_it_is_busy(agent: Agent) -> None:
    with ScaleInProtection(agent.uri).protected():
        ((method, path, body),) = agent.requests
        assert (method, path) == ("PUT", "/api/task-id/task-protection/v1/state")
        assert body["ProtectionEnabled"] is True
        assert body["ExpiresInMinutes"] * 60 > max(RetryPolicy().max_seconds, POLICY.max_seconds)
    assert agent.requests[1:] == [("PUT", path, {"ProtectionEnabled": False})]


def test_the_protection_ends_when_the_work_fails(agent: Agent) -> None:
    with pytest.raises(ZeroDivisionError), ScaleInProtection(agent.uri).protected():
        raise ZeroDivisionError
    assert [body["ProtectionEnabled"] for _, _, body in agent.requests] == [True, False]


@pytest.mark.parametrize(
    "answer",
    [
        (200, b'{"failure": {"Arn": "a", "Reason": "DEPLOYMENT_BLOCKED"}}'),
        (400, b'{"error": {"Code": "AccessDeniedException", "Message": "no"}}'),
        (500, b"no json"),
    ],
    ids=["refused", "denied", "broken"],
)
def test_work_goes_on_without_protection(
    agent: Agent, answer: tuple[int, bytes], warnings: list[str]
) -> None:
    agent.answer = answer
    with ScaleInProtection(agent.uri).protected():
        done = True
    assert done
    assert warnings == ["protect", "unprotect"]


def test_an_agent_that_cannot_be_reached_stops_no_work(warnings: list[str]) -> None:
    with ScaleInProtection("http://127.0.0.1:9").protected():
        done = True
    assert done
    assert warnings == ["protect", "unprotect"]


def test_outside_of_ecs_nothing_is_protected(agent: Agent, warnings: list[str]) -> None:
    with ScaleInProtection("").protected():
        pass
    assert agent.requests == []
    assert warnings == []
