"""`make run` runs the CRM in the foreground with its demo company, until Ctrl-C."""

import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT, ZEBROS, Zebros, environment
from tests.flows.figures import record_figure
from zebros.client.api import Client, StaticToken
from zebros.local import ports
from zebros.local.home import Home
from zebros.local.processes import started_at

READY = "Ctrl-C stops the CRM."


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(seen: Callable[[], object], seconds: float, sign: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {sign()}"
        time.sleep(0.1)


def descendants(pid: int) -> dict[int, int | None]:
    """Every process below this one, and itself, with when it started."""
    parents: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(file.parent.name)] = int(fields[1])
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: started_at(one) for one in found}


class Run:
    """`zebros up` as a child process, with its output in files."""

    def __init__(self, folder: Path) -> None:
        self.zebros = Zebros(folder / "home")
        self.home = Home(self.zebros.home)
        self.ports = (ports.free_port(), ports.free_port())
        self._files = (folder / "out", folder / "err")
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self.process = subprocess.Popen(
                [*ZEBROS, "--home", str(self.home.path), "up", *self.options],
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env=environment(),
            )

    @property
    def options(self) -> list[str]:
        return ["--port", str(self.ports[0]), "--issuer-port", str(self.ports[1])]

    @property
    def out(self) -> str:
        return self._files[0].read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self._files[1].read_text(encoding="utf-8")

    def prints(self, text: str, seconds: float) -> None:
        """Wait until it has printed this; fails immediately when it ends instead."""
        until(
            lambda: text in self.err or self.process.poll() is not None,
            seconds,
            lambda: self.err,
        )
        assert text in self.err, self.err


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.terminate()
        started.process.wait(60)


def printed(text: str, name: str) -> str:
    """The rest of the line that begins with a name."""
    found = re.search(rf"^{name} +(.+)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_the_crm_runs_in_the_foreground_and_its_output_is_correct(run: Run) -> None:
    began = time.monotonic()
    run.prints(READY, 240)
    record_figure(f"make run ready in {time.monotonic() - began:.1f} s")
    out = run.out
    api, token = printed(out, "API"), out.splitlines()[-1]
    assert api.startswith(f"http://127.0.0.1:{run.ports[0]}/")
    assert printed(out, "Issuer") == f"http://127.0.0.1:{run.ports[1]}/realms/"

    with Client(api, StaticToken(token)) as crm:
        deals = crm.items("/opportunities", owner_id="maya")
        statuses = Counter(opportunity["status"] for opportunity in deals)
    won, lost = statuses["won"], statuses["lost"]
    assert won > 0 < lost
    rate = f"{100 * won / (won + lost):.2f} %"
    expected = f"{won} {lost} {won + lost} {rate} maya"
    assert " ".join(printed(out, "Maya Lindqvist").split()) == expected

    file = re.search(r"^(.+first-report.pdf) \(([\d,]+) bytes", out, re.MULTILINE)
    assert file, out
    pdf = Path(file[1]).read_bytes()
    assert pdf.startswith(b"%PDF")
    assert f"{len(pdf):,}" == file[2]

    words = re.search(r"^A token of any of them: zebros (.+)$", out, re.MULTILINE)
    assert words, out
    other = run.zebros(*words[1].split()).stdout.strip()
    with Client(api, StaticToken(other)) as crm:
        assert crm.get("/opportunities")["items"] == [], "globex has no demo company"
    run.prints("OpportunitiesApi", 10)

    again = run.zebros("up", *run.options, check=False)
    assert again.returncode == 69
    assert f"runs already (process {run.process.pid}); its API is {api}.\n" in again.stderr

    processes = descendants(run.process.pid)
    assert len(processes) > 4, "platform, issuer, worker and functions"
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(60) == 0
    assert run.err.endswith("The CRM is stopped; its data remains. `zebros up` starts it again.\n")
    assert [pid for pid, began in processes.items() if started_at(pid) == began] == []
    assert not any(map(listening, run.ports))
    assert run.zebros("status", check=False).returncode == 69
