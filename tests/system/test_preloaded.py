"""What a test forks is what a user starts: the same words, status, environment and end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulations import preloaded
from simulations.daemons import Daemon, daemons, photonic
from simulations.rooms import lan

WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def forks() -> Iterator[None]:
    with preloaded.preloaded():  # at full length, too
        yield


def env(**more: str) -> dict[str, str]:
    return {**{n: t for n, t in os.environ.items() if not n.startswith("PHOTONIC_")}, **more}


@pytest.mark.parametrize("words", [["version"], ["nonsense"], ["--home", "HOME", "status"]])
def test_a_forked_verb_says_and_ends_as_one_of_its_own(tmp_path: Path, words: list[str]) -> None:
    said = [word.replace("HOME", str(tmp_path)) for word in words]
    forked = preloaded.run(said, env(), WITHIN_S)
    anew = preloaded.run(said, env(PYTHONHASHSEED="1"), WITHIN_S)
    assert isinstance(anew.args, list) and "-m" in anew.args, "what only an exec heeds has one"
    assert "-m" not in forked.args
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        anew.returncode, anew.stdout, anew.stderr,
    )  # fmt: skip


@pytest.mark.root("ip", "unshare", "nsenter")
def test_a_forked_node_lives_in_the_network_that_it_is_to_be_in(tmp_path: Path) -> None:
    with lan(1) as (room,):
        node = Daemon(tmp_path / "a")
        node.prefix = room.prefix
        node.launch()
        said = node.process
        assert isinstance(said, preloaded.Forked) and said.stdout is not None
        assert said.stdout.readline()
        theirs, ours = (Path(f"/proc/{pid}/ns/net").stat() for pid in (said.pid, os.getpid()))
        assert theirs.st_ino != ours.st_ino
        assert node.stop() == 0
        node.close()


def test_settings_come_from_the_environment_that_was_given(tmp_path: Path) -> None:
    wrong = preloaded.run(
        ["--home", str(tmp_path), "node"], env(PHOTONIC_HTTP="nonsense"), WITHIN_S
    )
    assert wrong.returncode != 0 and "PHOTONIC_HTTP" in wrong.stderr


def test_a_forked_daemon_serves_and_is_killed_as_any_other(tmp_path: Path) -> None:
    with daemons(tmp_path / "a") as (node,):
        for how, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -9)):
            node.start()
            assert isinstance(node.process, preloaded.Forked)
            assert node.status()["node"]["role"] == "central"
            pid = node.process.pid
            assert node.stop(how=how) == status
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        node.anew = True
        node.start()
        assert isinstance(node.process, subprocess.Popen)
        photonic(node.home, "status")


def test_what_does_not_start_is_told(tmp_path: Path) -> None:
    node = Daemon(tmp_path / "a")
    with pytest.raises(AssertionError, match="did not start"):
        node.start("--listen", "nonsense")
    assert node.process is not None
    assert node.process.wait(WITHIN_S) != 0
    node.close()
