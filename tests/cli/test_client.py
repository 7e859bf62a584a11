"""How verbs follow a running node that cuts off whoever does not keep up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from photonic.cli.client import NodeClient
from photonic.errors import NodeNotRunning


class Cutting(BaseHTTPRequestHandler):
    """Announces one event to each listener, and cuts it off in the middle of the next."""

    protocol_version = "HTTP/1.1"
    listeners = 0

    def do_GET(self) -> None:
        type(self).listeners += 1
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for text in (b"data: {}\n\n", b"data: {"):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    Cutting.listeners = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cutting)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_verb_that_is_cut_off_for_being_slow_listens_again(tmp_path: Path) -> None:
    with served() as url, NodeClient(url, tmp_path) as client:
        changes = client.changes()
        for _ in range(6):
            next(changes)
        assert Cutting.listeners == 3


def test_a_node_that_is_gone_is_told(tmp_path: Path) -> None:
    with served() as url, NodeClient(url, tmp_path) as client:
        changes = client.changes()
        next(changes)
    with pytest.raises(NodeNotRunning), NodeClient(url, tmp_path) as client:
        next(client.changes())
