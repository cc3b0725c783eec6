"""Serves the AWS in this process (moto) to other processes: AWS_ENDPOINT_URL."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.awsrequest import AWSPreparedRequest, HTTPHeaders
from moto.core.models import botocore_stubber

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")


class _Handler(BaseHTTPRequestHandler):
    """Passes requests to moto as if botocore had sent them to AWS."""

    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        scope = _SCOPE.search(self.headers["Authorization"])
        assert scope, "every caller signs"
        region, service = scope.groups()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        host = "s3.amazonaws.com" if service == "s3" else f"{service}.{region}.amazonaws.com"
        headers.replace_header("Host", host)
        request = AWSPreparedRequest(
            self.command, f"https://{host}{self.path}", headers, body, stream_output=False
        )
        status, answer_headers, answer = botocore_stubber.process_request(request)
        content = answer.encode() if isinstance(answer, str) else answer
        self.send_response(status)
        for name, value in answer_headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, str(value))
        # The response to a HEAD has the length of a body that is not sent.
        length = answer_headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def moto_server() -> Iterator[str]:
    """Serve moto until the block ends; yields the endpoint URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
