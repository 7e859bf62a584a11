"""What a process that reads foreign bytes may do: read, think for a while, and answer.

A decoder with a hole runs somebody else's code, so the process gives up what that code would want
before it reads a first foreign byte: memory, time, files of its own, core dumps, privileges, other
processes, the network, and every file but photos and Python. No privilege is needed to give up.
Limits of the kernel are always there; Landlock and seccomp depend on kernel and architecture, so
`confine` says which walls stand, and the node tells where one is missing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from photonic import limits
from photonic.jail import landlock, seccomp

LIMITS, PRIVILEGES, FILES, CALLS = "limits", "no new privileges", "files", "system calls"
WALLS = (LIMITS, PRIVILEGES, FILES, CALLS)

_SET_NO_NEW_PRIVS = 38
# What Python and the decoders may load late: code and data that everybody on the machine can read.
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
_DEVICES = ("/dev/null", "/dev/urandom")
# What a worker gets of the node's environment; the rest (tokens, paths of keys) stays there.
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "PATH", "TZ", "LD_LIBRARY_PATH", "UV_COMPILE_BYTECODE")


def environment() -> dict[str, str]:
    """Return the environment that a worker is started with: nothing in it is secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        # One thread each: the pool is what uses the cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


def confine(readable: Sequence[Path], *, speaks: bool = False) -> tuple[str, ...]:
    """Give up all but reading below `readable`; return those of WALLS that stand. For ever.

    `speaks`: the network stays open. Call it before any thread is started.
    """
    _set_limits()
    os.nice(limits.WORKER_NICE)  # pictures can wait, peers and pages cannot
    with suppress(OSError):  # when the machine runs out of memory, this goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    walls = [LIMITS]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        walls.append(PRIVILEGES)
    with suppress(OSError):
        beneath = [*readable, *_python(), *map(Path, (*_LIBRARIES, *_DEVICES))]
        landlock.restrict(beneath, speaks=speaks)
        walls.append(FILES)
    with suppress(OSError):
        seccomp.restrict(speaks=speaks)
        walls.append(CALLS)
    return tuple(walls)


def allow_time(seconds: int) -> None:
    """Let this process use so much more of a CPU; then the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _set_limits() -> None:
    for which, most in (
        # It reads and never writes: a library that tries to change an original adds no byte.
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, limits.WORKER_MEMORY_BYTES_MAX),
        (resource.RLIMIT_NOFILE, limits.WORKER_OPEN_FILES_MAX),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(which)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (least, least))


def _python() -> list[Path]:
    """Return where this interpreter's modules are, and photonic's own: not what lies beside it."""
    own = Path(__file__).parents[1]
    found = [Path(path) for path in sys.path if path and Path(path) != own.parent]
    return [own, *found]
