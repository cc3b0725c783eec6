"""Makes our Keycloak from identity/ and Maven Central: a built server for tests, or the image.

The server, the database driver and its libraries are pinned in pom.xml. Downloads and built servers
are kept in build/, named by a hash of what they are made of.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tools.drift import ROOT

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
IDENTITY = ROOT / "identity"
CONFIGURATION = IDENTITY / "keycloak.conf"
THEMES = IDENTITY / "themes"
_BUILD = ROOT / "build"
_TOOLS = ("java", "mvn")


class Missing(Exception):
    """Keycloak cannot be made; the message names what is missing."""


def server() -> Path:
    """The folder of a server that `kc.sh build` has prepared; made when necessary (a minute).

    The theme is not in it: `home()` adds the current one. Raises Missing.
    """
    folder = _BUILD / f"keycloak-{_digest(POM, CONFIGURATION)}"
    return _made(folder, lambda part: _build(_stage(part)))


def home(folder: Path) -> Path:
    """A new home of a node in this folder, sharing the built server's files. Raises Missing."""
    shutil.copytree(server(), folder, copy_function=os.link, dirs_exist_ok=True)
    shutil.copytree(THEMES, folder / "themes", dirs_exist_ok=True)
    return folder


def image(name: str, base: str | None = None) -> None:
    """Build the image. Raises Missing, also when Docker fails."""
    context = _BUILD / "keycloak-image"
    shutil.rmtree(context, ignore_errors=True)
    _stage(context / "server")
    shutil.copytree(THEMES, context / "server" / "themes", dirs_exist_ok=True)
    words = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
    # The machine's own network: apt installs Java.
    build = ["docker", "build", "--network", "host", *words, "--tag", name]
    _run([*build, "--file", str(IDENTITY / "Dockerfile"), str(context)])


def _stage(folder: Path) -> Path:
    """The server as downloaded, with our libraries and configuration."""
    downloaded = _made(_BUILD / f"keycloak-download-{_digest(POM)}", _download)
    shutil.copytree(downloaded, folder)
    shutil.copy(CONFIGURATION, folder / "conf")
    return folder


def _download(folder: Path) -> None:
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        raise Missing(f"Keycloak needs {', '.join(absent)} (JDK 17 or newer, and Maven).")
    # A copy, because Maven notes beside it what it has unpacked, and would not unpack it again.
    work = folder.with_name(f"{folder.name}.maven")
    work.mkdir()
    try:
        maven = ["mvn", "-q", "-B", "-f", str(shutil.copy(POM, work))]
        unpack = [*maven, "dependency:unpack-dependencies", "-DincludeTypes=zip"]
        _run([*unpack, f"-DoutputDirectory={work / 'unpacked'}"])
        (distribution,) = (work / "unpacked").iterdir()
        distribution.rename(folder)
        copy = [*maven, "dependency:copy-dependencies", "-DincludeTypes=jar"]
        _run([*copy, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'providers'}"])
    finally:
        shutil.rmtree(work)


def _build(folder: Path) -> None:
    _run([str(folder / "bin" / "kc.sh"), "build"])


def _made(folder: Path, make: Callable[[Path], None]) -> Path:
    """The folder; made under another name first, so that it is always complete."""
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        folder.parent.mkdir(exist_ok=True)
        try:
            make(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as fault:
        raise Missing(f"{command[0]} is not installed.") from fault
    if done.returncode:
        output = (done.stdout + done.stderr).strip()[-1500:]
        raise Missing(f"`{' '.join(command[:3])} …` failed: {output}")


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
