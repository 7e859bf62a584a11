"""What a process and its children cost, measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.ends import wait_for_exit
from benchmarks.meter import Meter, tree
from simulations.ends import Failed, wait_for

# Burns processor time and takes memory, in itself (argument 1) or in a child that it waits for.
BURNING = """
import subprocess, sys, time
if sys.argv[1] == "child":
    subprocess.run([sys.executable, "-c", sys.stdin.read(), "self"], check=True)
else:
    data, until = bytearray(b"x") * 90_000_000, time.process_time() + 0.4
    while time.process_time() < until: pass
"""


@pytest.mark.parametrize("where", ["self", "child"])
def test_time_and_memory_of_a_process_and_of_its_children_count(where: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with log.open("wb") as output, Meter() as meter:
        running = subprocess.Popen(
            [sys.executable, "-c", BURNING, where],
            stdin=subprocess.PIPE,
            stderr=output,
        )
        assert running.stdin is not None
        running.stdin.write(BURNING.encode())
        running.stdin.close()
        meter.add("taker", running.pid)
        wait_for_exit(running, log, 30)
    running.wait()
    taken = meter.taken
    assert 0.35 < taken.cpu_s["taker"] < taken.seconds * 2
    assert 90 < taken.peak_mb["taker"] < 200


def test_what_came_before_the_clock_does_not_count() -> None:
    used = bytearray(b"x") * 150_000_000
    until_s = time.process_time() + 0.3
    while time.process_time() < until_s:
        pass
    peak_mb = len(used) / 1e6
    del used
    with Meter(giver=os.getpid()) as meter:
        pass
    assert meter.taken.cpu_s["giver"] < 0.2
    with Meter(giver=os.getpid()) as other:
        kept = bytearray(b"x") * 150_000_000
    assert other.taken.peak_mb["giver"] - meter.taken.peak_mb["giver"] > 0.7 * peak_mb
    assert kept


def test_a_tree_has_the_children_of_children() -> None:
    command = "sleep 60 & echo; wait"
    with subprocess.Popen(
        ["sh", "-c", f"sh -c '{command}' & wait"], stdout=subprocess.PIPE, start_new_session=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        found = tree(running.pid)
        os.killpg(running.pid, 9)
    assert len(found) == 3 and found[0] == running.pid


def test_a_process_that_ends_while_it_is_looked_at_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    monkeypatch.setattr("benchmarks.meter.tree", lambda root: [root, gone.pid])
    with Meter(giver=os.getpid()) as meter:
        pass
    assert meter.taken.peak_mb["giver"] > 0


def test_a_program_that_fails_is_no_figure(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("first\nno such host\n")
    with subprocess.Popen(["false"]) as running, pytest.raises(Failed, match="no such host"):
        wait_for_exit(running, log, 30)


def test_waiting_ends() -> None:
    with pytest.raises(Failed, match="not done within"):
        wait_for(lambda: False, 0.05)
