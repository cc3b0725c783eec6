"""A real registry of container images on loopback (Debian's docker-registry), and what is in it."""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from zebros.local.ports import free_port

BINARY = shutil.which("docker-registry")
_MISSING = "docker-registry is not installed (apt-get install docker-registry)"
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


class Registry:
    """The server, and images pushed as `docker push` does."""

    def __init__(self, folder: Path, *auth: str) -> None:
        assert BINARY
        self.name = f"127.0.0.1:{free_port()}"
        lines = [
            "version: 0.1",
            "log: {level: error}",
            f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}}}",
            f"http: {{addr: {self.name}}}",
            *auth,
        ]
        file = folder / "registry.yml"
        file.write_text("\n".join(lines) + "\n", "utf-8")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", str(file)],
                stdout=log,
                stderr=subprocess.STDOUT,
                # Otherwise it would send traces to a collector.
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            )
        self.client = httpx.Client(base_url=f"http://{self.name}/v2/", trust_env=False)
        ends = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < ends, (folder / "log").read_text("utf-8")
            time.sleep(0.05)

    def image(
        self, name: str, tag: str, platform: str = "linux/amd64", form: str = OCI
    ) -> dict[str, Any]:
        """Push an image of one layer; returns its entry in an index."""
        system, architecture = platform.split("/")
        configuration = json.dumps({"os": system, "architecture": architecture}).encode()
        oci = form == OCI
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{form}.manifest.v1+json"
            if oci
            else f"{form}.distribution.manifest.v2+json",
            "config": {
                "mediaType": f"{form}.config.v1+json" if oci else f"{form}.container.image.v1+json",
                **self._blob(name, configuration),
            },
            "layers": [
                {
                    "mediaType": f"{form}.layer.v1.tar+gzip"
                    if oci
                    else f"{form}.image.rootfs.diff.tar.gzip",
                    **self._blob(name, platform.encode() * 250_000),
                }
            ],
        }
        entry = self._manifest(name, tag, manifest)
        return {**entry, "platform": {"os": system, "architecture": architecture}}

    def index(self, name: str, tag: str, *entries: dict[str, Any], form: str = OCI) -> None:
        """Push an image for several platforms."""
        kind = (
            f"{form}.index.v1+json" if form == OCI else f"{form}.distribution.manifest.list.v2+json"
        )
        self._manifest(
            name, tag, {"schemaVersion": 2, "mediaType": kind, "manifests": list(entries)}
        )

    def _blob(self, name: str, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = self.client.post(f"{name}/blobs/uploads/").raise_for_status().headers["Location"]
        url = httpx.URL(place).copy_merge_params({"digest": digest})
        self.client.put(url, content=content).raise_for_status()
        return {"digest": digest, "size": len(content)}

    def _manifest(self, name: str, tag: str, manifest: dict[str, Any]) -> dict[str, Any]:
        content, kind = json.dumps(manifest).encode(), manifest["mediaType"]
        headers = {"Content-Type": kind}
        answer = self.client.put(f"{name}/manifests/{tag}", content=content, headers=headers)
        digest = answer.raise_for_status().headers["Docker-Content-Digest"]
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def _answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return self.client.get("").status_code < 500
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that gives its images to everybody."""
    if BINARY is None:
        if os.environ.get("CI"):
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.close()
