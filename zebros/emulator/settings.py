"""Where the platform listens and keeps its state, as settings and as the emulator's environment."""

import os
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """One platform process: its port on 127.0.0.1 and its folder (state, objects, scratch)."""

    port: int
    home: Path
    snapshot_s: float = 3.0
    """Seconds between snapshots of the state while it changes; 0 writes one at the end only."""
    workers: int = 4
    """Processes kept at most for one function; further calls wait for a free one."""

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    @property
    def scratch(self) -> Path:
        """Unpacked functions and layers; may be deleted whenever the platform is down."""
        return self.home / "scratch"

    @property
    def functions_log(self) -> Path:
        """What functions print, a line each, after the function's name."""
        return self.home / "functions.log"

    def environment(self) -> dict[str, str]:
        """What the emulator reads at import. Nothing of it listens beyond 127.0.0.1.

        Without MINISTACK_HOST it answers to any name; without DOCKER_HOST it would look for, and
        remove, containers of other projects.
        """
        return {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self.state),
            "S3_DATA_DIR": str(self.objects),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent.sock",
            "LOG_LEVEL": "WARNING",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def enter(self) -> None:
        """Make the folders and set the environment; before the emulator is imported."""
        for folder in (self.home, self.state, self.objects, self.scratch):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A profile, a proxy or an endpoint of the person's own must not reach the functions.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(self.environment())
