"""Starts the parts of the local CRM, keeps them running, and stops them: platform, issuer, worker.

Each folder has at most one supervisor, which has the folder's lock. It records the processes that
it starts, so that the next one can stop them after a kill -9.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zebros.client.connection import Deployment
from zebros.client.stack import Resources
from zebros.errors import CliError, NotReady, as_cli_error
from zebros.local import bridge, containers, directory, parts, ports, regions
from zebros.local.deploy import Stack, platform_client
from zebros.local.home import Home, Lock
from zebros.local.parts import Part
from zebros.local.processes import Child, stop
from zebros.local.signals import ignore_signals, stop_on_signals
from zebros.local.users import AUDIENCE, TENANTS
from zebros.operations import tenants
from zebros.operations.rebuild_references import begin_references
from zebros.operations.upgrade import Counts, Place, current_forms, upgrade

HOST = ports.HOST
ROOT = Path(__file__).resolve().parents[2]
PLATFORM_PORT, ISSUER_PORT = 4566, 4580
_START_S = 90.0
_CHECK_S = 0.3
_ATTEMPTS = 3
"""Attempts with other ports, when another program took a port meanwhile."""
_RESTARTS = 3
"""Restarts of one part within _RESTARTS_WITHIN_S, after which the supervisor gives up."""
_RESTARTS_WITHIN_S = 60.0
_CONFIRM_S = 5.0
"""How long a part must have no pulse after it was first noticed."""
_ESSENTIAL = ("platform", "issuer")
"""The parts without which the CRM cannot run; without the worker only reports fail."""

FAILED = "failed:"
"""The beginning of the last log line of a detached supervisor that failed."""

type Report = Callable[[str], None]
"""Shows a message to the user."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a start."""

    port: int | None = None
    issuer_port: int | None = None
    bridge: bool = False
    reports: str = parts.ReportsBy.SIZE
    """Who makes reports (parts.ReportsBy)."""
    phase: str | None = None
    """The size of the system (zebros.phases); None for that of the deployed stack, at first mvp."""
    root: Path = ROOT
    """The folder of template.yaml."""
    tenants: tuple[str, ...] = TENANTS
    second_region: str | None = None
    """Makes this the primary of two regions; a later start needs no option."""
    primary_home: str | None = None
    """Makes this the secondary of the CRM in that folder; a later start needs no option."""


class Supervisor:
    """The running CRM of one folder."""

    def __init__(self, home: Home, options: Options, report: Report) -> None:
        self._home, self._options, self._report = home, options, report
        self._parts: dict[str, Part] = {}
        self._lock: Lock | None = None
        self._place = regions.Place()
        self._stopping = threading.Event()
        self._changing = threading.RLock()
        self.gave_up: Exception | None = None
        self.state: dict[str, Any] = {}

    def start(self) -> dict[str, Any]:
        """Start all parts, deploy the stack, return the content of state.json. Raises CliError."""
        self._lock = self._home.lock()
        if self._lock is None:
            raise already_running(self._home)
        self._stop_leftovers()
        has_older_records = self._home.check_data(current_forms())
        before = self._home.state()
        options = self._options
        place = self._place = regions.place_of(
            self._home, options.second_region, options.primary_home, options.phase
        )
        docker = bridge.address() if self._options.bridge else None
        self._phase("starting", "Starting the platform and the issuer")
        for attempt in range(_ATTEMPTS):
            port, issuer_port = self._ports(before)
            self._start(parts.issuer(self._home, issuer_port, self._options.tenants, docker))
            self._start(parts.platform(self._home, port, place))
            try:
                for part in list(self._parts.values()):
                    self._wait_for(part)
                break
            except parts.PortTaken:
                # Another program took the port after the check.
                self._stop_parts()
                if attempt == _ATTEMPTS - 1:
                    raise
        if docker:
            self._start(parts.docker_bridge(docker, port, issuer_port))
        self._phase("deploying", "")
        endpoint = f"http://{HOST}:{port}"
        base = f"http://{HOST}:{issuer_port}/realms/"
        makers = parts.report_makers(self._options.reports)
        # Small lake files cost nothing here, and reports include events of two seconds ago.
        parameters = {"IssuerBase": base, "Audience": AUDIENCE, "LakeFlushSeconds": "2"}
        parameters |= makers.parameters() | {"AllowedOrigin": "*", "OperatorTenant": TENANTS[0]}
        if self._options.phase is not None:
            parameters["Phase"] = self._options.phase
        streams = regions.join(place, self._home, endpoint, self._report)
        parameters |= place.parameters(streams)
        stack = Stack(self._options.root, self._home, endpoint, parameters, region=place.region)
        stack.deploy(self._report)
        resources, outputs = stack.resources(), stack.outputs()
        self.state = parts.state_document(
            resources, outputs, endpoint, base, self._options.root, place
        )
        self.state |= {"port": port, "issuer_port": issuer_port}
        if docker:
            self.state["bridge"] = self._write_container_settings(docker, endpoint, base)
        self._home.write_state(self.state)
        if place.role == regions.SECONDARY and place.pair is not None:
            self._start(parts.replicator(place.pair))
        writes = place.writes(endpoint)
        if writes:
            self._register_tenants(resources, endpoint)
        if self.state["task_queue"] and makers.with_worker:
            self._start(parts.worker(self._home, self.state))
        if not has_older_records or (
            writes and self._upgrade(Deployment(resources, endpoint, place.region))
        ):
            self._home.write_forms(current_forms())
        self._write_pids()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        self._phase("ready", "")
        return self.state

    def _upgrade(self, deployment: Deployment) -> bool:
        """Bring the records of an earlier release to the form of this one. Raises CliError.

        Returns whether all were read, which is not so when the CRM is stopped meanwhile.
        """
        self._report("Upgrading the records of an earlier release")
        place = Place.read(self._home.path / "upgrade-local.json", None)
        done = Counts()
        for counts in upgrade(deployment, place):
            done = counts
            if self._stopping.is_set():
                return False
        self._report(
            f"{done.upgraded:,} of {done.read:,} records upgraded, "
            f"{len(done.unreadable):,} unreadable"
        )
        return True

    def wait(self) -> None:
        """Wait until a part cannot be kept running, and raise the reason; return when stopped."""
        while not self._stopping.wait(_CHECK_S):
            if self.gave_up is not None:
                raise self.gave_up

    def stop(self, failure: Exception | None = None) -> None:
        """Stop every part, the worker first, so that it can requeue its task."""
        self._stopping.set()
        with self._changing:
            self._stop_parts()
            if self._lock is not None:
                with suppress(OSError):  # stop even if the disk is full
                    self._home.write_processes([])
                    if failure is None:
                        self._phase("stopped", "")
                    else:
                        error = as_cli_error(failure).document()
                        self._home.write_status("failed", error=error)
                self._lock.release()
                self._lock = None

    def _register_tenants(self, resources: Resources, endpoint: str) -> None:
        """Add the realms of the local issuer to the registry of tenants.

        Where there are no records yet, references are checked from the beginning, and the issuer's
        users are added to the directory.
        """
        if (table := resources.find("tables", tenants.TABLE)) is not None:
            registry = tenants.Registry(
                platform_client("dynamodb", endpoint, self._place.region), table
            )
            tenants.register_all(registry, self._options.tenants)
            deployment = Deployment(resources, endpoint, self._place.region)
            for tenant in self._options.tenants:
                if begin_references(deployment, tenant):
                    base = str(self.state["issuer_base"])
                    directory.add_people(str(self.state["api"]), base, tenant)

    def _write_container_settings(self, docker: str, endpoint: str, base: str) -> dict[str, str]:
        """Write the variables for `sam local invoke`; returns the file and the addresses."""
        file = self._home.path / "sam-env.json"
        there = {"endpoint": endpoint, "issuer_base": base}
        there = {name: url.replace(HOST, docker) for name, url in there.items()}
        client = platform_client("lambda", endpoint, self._place.region)
        moved = {endpoint: there["endpoint"], base: there["issuer_base"]}
        containers.write(file, self.state["functions"], client, moved)
        return {**there, "env_vars": str(file)}

    def _ports(self, before: dict[str, Any]) -> tuple[int, int]:
        options = self._options
        platform = ports.choose_port(
            "platform",
            "--port",
            options.port,
            before.get("port"),
            PLATFORM_PORT,
            other=options.issuer_port,
        )
        issuer = ports.choose_port(
            "issuer",
            "--issuer-port",
            options.issuer_port,
            before.get("issuer_port"),
            ISSUER_PORT,
            other=platform,
        )
        return platform, issuer

    def _stop_leftovers(self) -> None:
        """Stop processes that a killed supervisor has left running."""
        leftovers = [one for one in self._home.processes() if one.alive]
        if leftovers:
            names = ", ".join(one.name for one in leftovers)
            self._report(
                f"The last run was killed; stopping the processes it left running ({names})"
            )
            stop(leftovers)
        self._home.write_processes([])

    def _start(self, part: Part) -> None:
        with self._changing:
            if self._stopping.is_set():
                return
            self._parts[part.name] = part
            log = self._home.logs / f"{part.name}.log"
            part.child = Child(part.name, part.command, part.environment, log)
            self._write_pids()

    def _stop_parts(self) -> None:
        for name in ("worker", "replicator", "bridge", "issuer", "platform"):
            part = self._parts.pop(name, None)
            if part is not None and part.child is not None:
                part.child.stop(part.saving)

    def _write_pids(self) -> None:
        children = [part.child for part in self._parts.values() if part.child]
        self._home.write_processes([child.known for child in children])
        if self.state:
            self.state["pids"] = {child.name: child.known.pid for child in children}
            self._home.write_state(self.state)

    def _wait_for(self, part: Part, *, again: bool = False) -> None:
        """Wait until a part answers, if it ever does. Raises NotReady with the end of its log."""
        assert part.child is not None
        if part.health is None:  # it may end at any time: the next look counts it
            return
        ends = time.monotonic() + _START_S
        while time.monotonic() < ends:
            if part.child.ended:
                if again and part.child.was_killed:
                    return  # the next look counts it, and starts it again or gives up
                output = part.child.log_end() or "It printed nothing."
                kind = parts.PortTaken if "in use" in output else NotReady
                raise kind(f"The {part.name} {part.child.ended} while starting.", hint=output)
            if parts.pid_at(part.health) == part.child.known.pid:
                return
            time.sleep(0.1)
        raise NotReady(
            f"The {part.name} did not answer within {_START_S:.0f} seconds.",
            hint=f"Its log is {part.child.log}.",
        )

    def _watch(self) -> None:
        """Restart parts that ended; give up after too many restarts."""
        while not self._stopping.wait(_CHECK_S):
            for part in list(self._parts.values()):
                if part.child is None:
                    continue
                if how := part.child.ended or self._killed_if_hung(part, part.child):
                    try:
                        self._restart(part, how)
                    except Exception as fault:
                        self.gave_up = fault
                        return

    def _killed_if_hung(self, part: Part, child: Child) -> str | None:
        """Kill a part without a pulse; returns how it ended, None while it is sound.

        After the machine has slept, the first look comes before the next pulse.
        """
        silence = parts.silence_s(part.pulse) if part.pulse else 0.0
        now = time.monotonic()
        if silence <= parts.LONGEST_SILENCE_S:
            part.silent_since = None
        elif part.silent_since is None:
            part.silent_since = now
        elif now - part.silent_since > _CONFIRM_S:
            part.silent_since = None
            child.known.end(at_once=True)
            child.stop()
            return f"hung for {silence:.0f} seconds and was killed"
        return None

    def _restart(self, part: Part, how: str) -> None:
        now = time.monotonic()
        part.restarts = [at for at in part.restarts if now - at < _RESTARTS_WITHIN_S]
        assert part.child is not None
        if len(part.restarts) >= _RESTARTS:
            failure = NotReady(
                f"The {part.name} {how} again and again.",
                hint=part.child.log_end() or f"Its log is {part.child.log}.",
            )
            if part.name in _ESSENTIAL:
                raise failure
            self._parts.pop(part.name)
            self._report(f"{failure.message} The CRM runs on without it; see {part.child.log}")
            return
        part.restarts.append(now)
        state = " with its saved state" if part.name == "platform" else ""
        self._report(f"The {part.name} {how}; starting it again{state}")
        self._start(part)
        if not self._stopping.is_set():
            self._wait_for(part, again=True)

    def _phase(self, phase: str, message: str) -> None:
        """Write the phase to status.json and, if there is a message, report it."""
        self._home.write_status(phase, options=options_as_json(self._options))
        if message:
            self._report(message)


def already_running(home: Home) -> CliError:
    """The error of a second start."""
    holder = home.supervisor()
    who = f" (process {holder.pid})" if holder else ""
    api = home.state().get("api")
    where = f"; its API is {api}" if api else ""
    return NotReady(
        f"The CRM of {home.path} runs already{who}{where}.",
        hint="`zebros status` shows it, `zebros down` stops it.",
    )


def options_as_json(options: Options) -> dict[str, Any]:
    """The options as a JSON document."""
    return {**asdict(options), "root": str(options.root)}


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m zebros.local.supervisor`: the background process of `zebros up --detach`."""
    parser = argparse.ArgumentParser(prog="python -m zebros.local.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--options", required=True, help="JSON, as in Options.")
    arguments = parser.parse_args(argv)
    chosen = json.loads(arguments.options)
    options = Options(
        **{**chosen, "root": Path(chosen["root"]), "tenants": tuple(chosen["tenants"])}
    )
    home = Home(arguments.home)
    supervisor = Supervisor(home, options, lambda message: print(message, flush=True))
    stop_on_signals()
    failure: CliError | None = None
    try:
        supervisor.start()
        supervisor.wait()
    except KeyboardInterrupt:
        pass
    except Exception as fault:
        failure = as_cli_error(fault, home.path)
    finally:  # no process is left running
        ignore_signals()
        supervisor.stop(failure)
    if failure is not None:
        print(FAILED, failure.message, failure.hint, flush=True)
    return failure.exit_code if failure else 0


if __name__ == "__main__":
    sys.exit(main())
