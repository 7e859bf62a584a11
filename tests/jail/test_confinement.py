"""A worker can read photos and answer; everything that a taken-over decoder would want fails."""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from photonic import limits
from photonic.ingest.workers import Workers
from photonic.jail import landlock, seccomp
from photonic.jail.confinement import WALLS, environment
from tests.cameras import GOOD
from tests.ingest.test_workers import with_workers
from tests.source import ROOT

# Each tries one thing; `ok` would be a hole. They run in one confined process, in this order.
ATTEMPTS = {
    "read the key": "open(home / 'keys' / 'node').read()",
    "read the journal": "open(home / 'journal.db').read()",
    "list the home": "os.listdir(home)",
    "list the root": "os.listdir('/')",
    "read passwords": "open('/etc/passwd').read()",
    "read another process": "open(f'/proc/{os.getppid()}/environ').read()",
    "read the checkout": f"open({str(ROOT / 'README.md')!r}).read()",
    "go out by dots": "open(home / 'blobs' / '..' / 'keys' / 'node').read()",
    "follow a link out": "open(home / 'blobs' / 'link').read()",
    "write into the store": "open(home / 'blobs' / 'new', 'x')",
    "change a photo": "open(home / 'blobs' / 'photo', 'r+b')",
    "shorten a photo": "os.truncate(home / 'blobs' / 'photo', 0)",
    "delete a photo": "os.unlink(home / 'blobs' / 'photo')",
    "rename a photo": "os.rename(home / 'blobs' / 'photo', home / 'blobs' / 'other')",
    "make a photo writable": "os.chmod(home / 'blobs' / 'photo', 0o777)",
    "set a photo's time": "os.utime(home / 'blobs' / 'photo', (0, 0))",
    "tag a photo": "os.setxattr(home / 'blobs' / 'photo', 'user.x', b'1')",
    "make a folder": "os.mkdir('/tmp/worker-was-here')",
    "connect by TCP": "socket.create_connection(('127.0.0.1', 1), 1)",
    "send by UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "speak to a local service": "socket.socket(socket.AF_UNIX)",
    "fork": "os.fork()",
    "run a program": "os.execv('/bin/true', ['/bin/true'])",
    "start a program": "subprocess.run(['/bin/true'])",
    "kill its node": "os.kill(os.getppid(), 0)",
    "open many files": "[open(home / 'blobs' / 'photo') for _ in range(100)]",
    "take much memory": "bytearray(3 << 30)",
    "lift its limit": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "get more privileges": "(_ for _ in ()).throw(OSError()) if prctl(39, 0, 0, 0, 0) == 1 else 0",
}
ALLOWED = {
    "read a photo": "open(home / 'blobs' / 'photo').read()",
    "start a thread": "t = threading.Thread(target=int); t.start(); t.join()",
    "load a module late": "__import__('colorsys')",
    "read noise": "open('/dev/urandom', 'rb').read(4)",
}
PROBE = """
import ctypes, json, os, resource, socket, subprocess, sys, threading
from pathlib import Path
from photonic.jail.confinement import confine
home = Path(sys.argv[1])
prctl = ctypes.CDLL(None).prctl
walls = confine([home / 'blobs'])
told = {}
for name, code in json.loads(sys.argv[2]).items():
    try:
        exec(code)
        told[name] = 'ok'
    except BaseException as error:
        told[name] = type(error).__name__
print(json.dumps([walls, told]))
"""

walled = pytest.mark.skipif(
    not landlock.version() or platform.machine() not in seccomp.TABLES,
    reason="this kernel has no Landlock, or nobody wrote a table of its system calls",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    for name in ("keys", "blobs"):
        (home / name).mkdir()
    for name in ("keys/node", "journal.db", "blobs/photo"):
        (home / name).write_text("x")
    (home / "blobs" / "link").symlink_to(home / "keys" / "node")
    code = json.dumps(ATTEMPTS | ALLOWED)
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, str(home), code],
        capture_output=True, text=True, timeout=60, check=True, env=environment(),
    )  # fmt: skip
    walls, told = json.loads(done.stdout)
    assert tuple(walls) == WALLS
    assert (home / "blobs" / "photo").read_text() == "x"
    return dict(told)


@walled
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_worker_cannot(attempt: str, told: dict[str, str]) -> None:
    assert told[attempt] != "ok"
    assert told[attempt] in ("PermissionError", "OSError", "MemoryError", "ValueError")


@walled
@pytest.mark.parametrize("attempt", ALLOWED)
def test_a_worker_can(attempt: str, told: dict[str, str]) -> None:
    assert told[attempt] == "ok"


@walled
def test_the_real_worker_stands_behind_all_walls_and_gets_nothing_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blobs").mkdir()
    photo = tmp_path / "blobs" / GOOD[0].name
    GOOD[0].make(photo)
    monkeypatch.setenv("PHOTONIC_TOKEN", "very-secret")
    secret = (tmp_path / "journal.db").open("w+")
    secret.write("x" * 100)
    secret.flush()
    os.set_inheritable(secret.fileno(), True)  # even where somebody forgot to say otherwise

    async def work(workers: Workers) -> None:
        await workers.examine(photo)
        (pid,) = workers.pids
        assert workers.walls == WALLS and workers.missing_walls == []
        proc = Path(f"/proc/{pid}")
        targets = [str(fd.readlink()) for fd in (proc / "fd").iterdir()]
        assert all(one.startswith(("pipe:", "/dev/null")) for one in targets), targets
        names = {pair.partition(b"=")[0] for pair in (proc / "environ").read_bytes().split(b"\0")}
        assert not [name for name in names if b"TOKEN" in name or name == b"HOME"]
        status = dict(
            line.split(":\t", 1)
            for line in (proc / "status").read_text().splitlines()
            if "\t" in line
        )
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert (proc / "oom_score_adj").read_text().strip() == "1000"
        assert os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0) in (
            limits.WORKER_NICE, 19 - os.getpriority(os.PRIO_PROCESS, 0),
        )  # fmt: skip
        hard = {
            line[:25].strip(): line[25:].split()[:2]
            for line in (proc / "limits").read_text().splitlines()[1:]
        }
        assert hard["Max open files"][1] == str(limits.WORKER_OPEN_FILES_MAX)
        assert hard["Max address space"][1] == str(limits.WORKER_MEMORY_BYTES_MAX)
        assert int(hard["Max cpu time"][0]) <= limits.WORKER_CPU_S + 10
        with pytest.raises(Exception, match="Permission denied"):
            await workers.examine(tmp_path / "journal.db", "x.jpg")

    with_workers(1, work, readable=tmp_path / "blobs")
    secret.close()


def test_the_kernel_ends_a_worker_that_thinks_too_long() -> None:
    code = (
        "from photonic.jail.confinement import allow_time, confine\n"
        "confine([]); allow_time(0)\n"
        "while True: pass"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], timeout=60, env=environment())
    assert done.returncode == -24  # SIGXCPU


@pytest.mark.parametrize("machine", seccomp.TABLES)
def test_the_filter_refuses_what_it_names_and_lets_the_rest_pass(machine: str) -> None:
    architecture, numbers = seccomp.TABLES[machine]
    program = seccomp.filter_for(machine)
    for name in seccomp.REFUSED:
        if name in numbers:
            assert _run(program, architecture, numbers[name]) == 0x00050001, name
    known = set(numbers.values())
    for number in set(range(500)) - known:
        assert _run(program, architecture, number) == 0x7FFF0000, number
    assert _run(program, architecture, numbers["clone3"]) == 0x00050026
    assert _run(program, architecture, numbers["clone"], 0x00010000) == 0x7FFF0000
    assert _run(program, architecture, numbers["clone"], 17) == 0x00050001
    assert _run(program, 0x40000003, 1) == 0x80000000, "32-bit calls have other numbers"
    if machine == "x86_64":
        assert _run(program, architecture, 0x40000000 | numbers["socket"]) == 0x00050001


def test_an_unknown_architecture_has_no_filter() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.filter_for("riscv64")


def _run(program: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """Interpret a filter as the kernel does."""
    steps = list(struct.iter_unpack("=HBBI", program))
    data = {0: number, 4: architecture, 16: argument}
    at, held = 0, 0
    while True:
        code, is_true, is_false, value = steps[at]
        at += 1
        match code:
            case 0x20:
                held = data[value]
            case 0x06:
                return int(value)
            case _:
                holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
                at += is_true if holds else is_false
