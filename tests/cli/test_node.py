"""`photonic node` as a process: it says when it is ready, and a signal ends it in time.

How it ends is tried with nodes that behave as badly as a node can: the verb is the real one, and
what it runs ends at once, never, or not even lets the event loop turn.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from photonic import limits
from photonic.errors import PortInUse
from tests.source import ROOT

BOUND_S = 30.0

# A process that runs the verb with a node whose `run_node` ends in the way that is put in.
SCRIPT = """
import sys, time
import trio
from photonic.cli import node
from photonic.cli.app import main
from photonic.errors import PortInUse
from photonic.views import HoldingsView, LibraryView, NodeView, StatusView

STATUS = StatusView(
    NodeView("12D3", "studio", "central", "monitoring", "home"), LibraryView("5f", "Harbour"),
    0, 0, 0, HoldingsView(0, 0, 0), [], [], [], ["/ip4/127.0.0.1/tcp/4310/p2p/12D3"],
    "http://127.0.0.1:8640", "0", {},
)

class Node:
    async def run_node(self, settings, *, settings_of, ready, stop):
        ready(STATUS)
        WAY

node.load_node = Node
main(sys.argv[1:])
"""
POLITE = "await stop.wait()"
DEAF = "await trio.sleep_forever()"
SHIELDED = """with trio.CancelScope(shield=True):
            await trio.sleep_forever()"""
STUCK = """await stop.wait()
        time.sleep(600)"""
REFUSED = 'raise PortInUse("somebody else listens on 127.0.0.1:8640")'


@contextmanager
def node_process(home: Path, way: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the verb and wait until it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.replace("WAY", way), "--home", str(home), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=BOUND_S)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def end(process: subprocess.Popen[str], *signals: signal.Signals) -> tuple[int, float, str]:
    """Send the signals; return the exit status, the seconds that it took, and what was told."""
    begun = time.monotonic()
    for one in signals:
        process.send_signal(one)
    _, told = process.communicate(timeout=BOUND_S)
    return process.returncode, time.monotonic() - begun, told


def test_it_says_where_it_is_when_ready(tmp_path: Path) -> None:
    with node_process(tmp_path, POLITE, "node", "--role", "central") as process:
        assert read_line(process) == "photonic is ready: http://127.0.0.1:8640\n"
        assert read_line(process).strip() == "listens on /ip4/127.0.0.1/tcp/4310/p2p/12D3"


def test_ready_is_the_status_with_json(tmp_path: Path) -> None:
    with node_process(tmp_path, POLITE, "node", "--json") as process:
        status = json.loads(read_line(process))
        assert status["http"] == "http://127.0.0.1:8640"
        assert status["node"]["role"] == "central"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    with node_process(tmp_path, POLITE, "node") as process:
        read_line(process)
        status, seconds, told = end(process, ending)
    assert (status, told) == (0, "")
    assert seconds < 5


def test_a_node_that_does_not_listen_is_cancelled(tmp_path: Path) -> None:
    with node_process(tmp_path, DEAF, "node") as process:
        read_line(process)
        status, seconds, _ = end(process, signal.SIGTERM)
    assert status == 0
    assert limits.STOP_S <= seconds + 0.1 < 5


@pytest.mark.parametrize("way", [SHIELDED, STUCK])
def test_a_node_that_hangs_is_ended(tmp_path: Path, way: str) -> None:
    with node_process(tmp_path, way, "node") as process:
        read_line(process)
        status, seconds, told = end(process, signal.SIGTERM)
    assert status == 1
    assert "did not stop in time" in told
    assert seconds < 5


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    with node_process(tmp_path, "await stop.wait(); print('stopping', flush=True)\n        "
                      + SHIELDED, "node") as process:  # fmt: skip
        read_line(process)
        read_line(process)
        process.send_signal(signal.SIGINT)
        assert read_line(process) == "stopping\n"
        status, seconds, _ = end(process, signal.SIGINT)
    assert status == -signal.SIGINT
    assert seconds < limits.STOP_S


def test_what_keeps_it_from_starting_is_an_error_of_two_lines(tmp_path: Path) -> None:
    with node_process(tmp_path, REFUSED, "node") as process:
        _, told = process.communicate(timeout=BOUND_S)
    assert process.returncode == PortInUse.exit_status
    assert told.splitlines()[0] == "somebody else listens on 127.0.0.1:8640"
    assert len(told.splitlines()) == 2
