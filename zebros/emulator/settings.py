"""The settings of the platform, and the environment variables of the emulator."""

import os
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """One platform process: its port on 127.0.0.1 and the folder of its files."""

    port: int
    home: Path
    snapshot_s: float = 3.0
    """Seconds between snapshots while the state changes; with 0, the only one is at the end."""
    workers: int = 4
    """The maximum number of processes of one function; further calls wait for a free one."""
    sample_s: float = 5.0
    """Seconds between two measurements of queues."""
    region: str = REGION
    pair: Path | None = None
    """The folder that the platforms of two regions share (zebros/regions/pair.py)."""

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
        """Unpacked functions and layers; may be deleted while the platform does not run."""
        return self.home / "scratch"

    @property
    def functions_log(self) -> Path:
        """The output of all functions; each line begins with the function's name."""
        return self.home / "functions.log"

    def environment(self) -> dict[str, str]:
        """The variables that the emulator reads at import.

        It listens on 127.0.0.1 only. Without MINISTACK_HOST it would accept any host name.
        DOCKER_HOST names no socket: otherwise it would remove containers of other projects.
        """
        return {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": self.region,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self.state),
            "S3_DATA_DIR": str(self.objects),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent.sock",
            "LOG_LEVEL": "WARNING",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def prepare(self) -> None:
        """Create the folders and set the environment, before the emulator is imported."""
        for folder in (self.home, self.state, self.objects, self.scratch):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Functions must not inherit the user's own AWS profile, credentials or endpoint.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(self.environment())
