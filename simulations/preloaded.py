"""Processes of photonic that are forked from one that has imported it already: for tests.

A daemon's start is mostly its imports, seconds on a slow machine, and tests start hundreds. One
process imports all of it once, starts nothing, and forks whoever is asked for: what runs then is
the command line's own `main`, with arguments, environment and files as after an exec, in a network
namespace if it is to be in one. What needs an exec (another user, a clock of its own) is started
anew, and so is everything where nobody preloaded (`preloaded`): benchmarks, `tox -e long`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, Protocol

from photonic.cli.app import main as command_line
from photonic.cli.loading import VERBS

_FRAME_BYTES_MAX = 1 << 20
_STATUS_BYTES = 4
_CLONE_NEWNET = 0x40000000
_IN_NETWORK = "--net="
# Of these only an exec takes notice.
_BY_EXEC_ONLY = ("LD_", "PYTHON", "LC_", "LANG", "OPENBLAS_", "OMP_")


class Running(Protocol):
    """What is used of a process: of `subprocess.Popen`."""

    pid: int
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...


class Forked:
    """A process that another one forked for us."""

    def __init__(self, pid: int, ended: int, stdout: IO[bytes] | None) -> None:
        """`ended` is a pipe: its status comes over it, when it has ended."""
        self.pid, self.stdout, self._ended = pid, stdout, ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("photonic", timeout or 0.0)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _look(self, within_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], within_s)[0]:
            data = os.read(self._ended, _STATUS_BYTES)
            assert data, "the process that forks has ended"
            self.returncode = int.from_bytes(data, "big", signed=True)
            os.close(self._ended)
        return self.returncode


class Forge:
    """Asks the process that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._env = dict(os.environ)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "simulations.preloaded", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours

    def can_start(self, prefix: Sequence[str], env: Mapping[str, str]) -> bool:
        """Whether what a command runs in this environment is the same after a fork."""

        def that_matter(some: Mapping[str, str]) -> dict[str, str]:
            return {name: text for name, text in some.items() if name.startswith(_BY_EXEC_ONLY)}

        is_plain = not prefix or _network(prefix) is not None
        return is_plain and that_matter(env) == that_matter(self._env)

    def start(
        self,
        words: Sequence[str],
        stdout: int,
        stderr: int,
        env: Mapping[str, str],
        prefix: Sequence[str],
    ) -> Forked:
        """Start `photonic` with these words; the files stay the caller's, too."""
        ended, status = os.pipe()
        asked = {
            "words": list(words), "env": dict(env), "folder": os.getcwd(),  # noqa: PTH109
            "network": _network(prefix),
        }  # fmt: skip
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            files = [nothing.fileno(), stdout, stderr, status]
            socket.send_fds(self._socket, [json.dumps(asked).encode()], files)
        os.close(status)
        pid = int.from_bytes(self._socket.recv(_STATUS_BYTES), "big")
        assert pid, "the process that forks has ended"
        return Forked(pid, ended, None)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


_forge: Forge | None = None


@contextmanager
def preloaded() -> Iterator[None]:
    """Fork what is started meanwhile."""
    global _forge  # noqa: PLW0603 - one for this process, whoever starts something
    before, _forge = _forge, Forge()
    try:
        yield
    finally:
        _forge.close()
        _forge = before


def start(
    words: Sequence[str],
    env: Mapping[str, str],
    stderr: IO[bytes],
    prefix: Sequence[str] = (),
    *,
    anew: bool = False,
) -> Running:
    """Start `photonic WORDS`, by the command `prefix`; what it says can be read from `stdout`."""
    if anew or _forge is None or not _forge.can_start(prefix, env):
        command = [*prefix, sys.executable, "-m", "photonic", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=env)
    said, stdout = os.pipe()
    forked = _forge.start(words, stdout, stderr.fileno(), env, prefix)
    os.close(stdout)
    forked.stdout = os.fdopen(said, "rb", buffering=0)  # closed by whoever stops it
    return forked


def run(
    words: Sequence[str],
    env: Mapping[str, str],
    within_s: float | None = None,
    prefix: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run `photonic WORDS`, by the command `prefix`, to its end."""
    if _forge is None or not _forge.can_start(prefix, env):
        command = [*prefix, sys.executable, "-m", "photonic", *words]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=within_s, env=env
        )
    pipes = [os.pipe(), os.pipe()]
    forked = _forge.start(words, pipes[0][1], pipes[1][1], env, prefix)
    for _, theirs in pipes:
        os.close(theirs)
    try:
        said = _read_all([ours for ours, _ in pipes], within_s)
        status = forked.wait(within_s)
    except subprocess.TimeoutExpired:
        forked.send_signal(signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(["photonic", *words], status, said[0], said[1])


def _network(prefix: Sequence[str]) -> str | None:
    """Return the network namespace, where to be in one is all that the command `prefix` is for."""
    match list(prefix):
        case ["nsenter", where, "--"] if where.startswith(_IN_NETWORK):
            return where.removeprefix(_IN_NETWORK)
    return None


def _read_all(pipes: Sequence[int], within_s: float | None) -> list[str]:
    """Read pipes to their ends, and close them."""
    until_s = None if within_s is None else time.monotonic() + within_s
    data, waiting = dict.fromkeys(pipes, b""), set(pipes)
    while waiting:
        left_s = None if until_s is None else max(0.0, until_s - time.monotonic())
        ready, _, _ = select.select(list(waiting), [], [], left_s)
        if not ready:
            raise subprocess.TimeoutExpired("photonic", within_s or 0.0)
        for pipe in ready:
            fresh = os.read(pipe, 65_536)
            data[pipe] += fresh
            if not fresh:
                waiting.discard(pipe)
                os.close(pipe)
    return [data[pipe].decode() for pipe in pipes]


# --- the process that forks ------------------------------------------------------------------


def _serve(asking: socket.socket) -> dict[str, Any]:
    """Fork for each question, until the other end is closed; return the question, in the child."""
    running: dict[int, tuple[int, int]] = {}  # by the file that tells of its end: pid, its status
    while True:
        question = asking.fileno()
        ready, _, _ = select.select([question, *running], [], [])
        for ended in [one for one in ready if one != question]:
            pid, status = running.pop(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(status, code.to_bytes(_STATUS_BYTES, "big", signed=True))
            os.close(status)
            os.close(ended)
        if question not in ready:
            continue
        data, files, _, _ = socket.recv_fds(asking, _FRAME_BYTES_MAX, 4)
        if not data:
            sys.exit(0)
        pid = os.fork()
        if not pid:
            asking.close()
            for ended, (_, status) in running.items():
                os.close(ended)
                os.close(status)
            os.close(files.pop())
            return {**json.loads(data), "files": files}
        running[os.pidfd_open(pid)] = (pid, files.pop())
        for file in files:
            os.close(file)
        asking.send(pid.to_bytes(_STATUS_BYTES, "big"))


def _main() -> None:
    """Import everything, fork, and be the command line in each child."""
    for verb in VERBS.values():
        importlib.import_module(f"photonic.cli.{verb}")
    importlib.import_module("photonic.cli.daemon")
    gc.collect()
    gc.freeze()  # else each child copies all pages for the collector's marks
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with whoever started it
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(asked["files"]):
        os.dup2(file, number)
        os.close(file)
    _open_again()
    if asked["network"] is not None:
        _enter(asked["network"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["photonic", *asked["words"]]
    try:
        command_line()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        status = 1
    # To take all modules down, as an interpreter does at its end, takes as long as to import some.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


def _enter(network: str) -> None:
    """Be in a network namespace, as by nsenter. Python has `os.setns` from 3.12 on."""
    with open(network, "rb") as namespace:  # noqa: PTH123
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {network}")


def _open_again() -> None:
    """Let Python's streams be those files that have their numbers now."""
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", buffering=1, errors="backslashreplace", closefd=False
    )


if __name__ == "__main__":
    _main()
