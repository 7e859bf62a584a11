"""Real daemons as processes, for tests and benchmarks that look from outside.

Nothing here sleeps: whoever waits listens to the node's server-sent events and looks again at each
of them, until a limit.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx

from simulations import preloaded

READY_WITHIN_S = 60.0
STOPS_WITHIN_S = 5.0
SETTLED_WITHIN_S = 120.0


def photonic(
    home: Path, *words: str, check: bool = True, within_s: float = READY_WITHIN_S
) -> subprocess.CompletedProcess[str]:
    """Run a verb of the command line to its end."""
    done = preloaded.run(["--home", str(home), *words], environment(), within_s)
    if check:
        done.check_returncode()
    return done


def environment() -> dict[str, str]:
    """Return this process's environment, without settings of photonic."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PHOTONIC_")}


class Daemon:
    """One node: a home folder, and a process while it runs."""

    def __init__(self, home: Path, role: str = "central") -> None:
        self.home, self.role = home, role
        self.process: preloaded.Running | None = None
        self.url = ""
        self.discovery = False  # on loopback there is nobody to find
        self.prefix: tuple[str, ...] = ()  # a command that runs the daemon's, with fewer rights
        self.module = "photonic"  # or what stands for it
        self.anew = False  # as a new program, whoever has it preloaded
        self.listen: list[str] = []
        self._arguments: tuple[str, ...] = ()
        self._client = httpx.Client(timeout=60, verify=False)  # plain HTTP, loopback

    def start(self, *arguments: str) -> Self:
        """Start the process and wait until it serves."""
        self.launch(*arguments)
        self.wait_ready()
        return self

    def launch(self, *arguments: str) -> None:
        """Start the process, and wait for nothing."""
        self._arguments = arguments or self._arguments
        words = ["--home", str(self.home), "--json", "node"]
        words += ["--role", self.role, "--http", "127.0.0.1:0"]
        words += [] if self.discovery else ["--no-discovery"]
        if "--listen" not in self._arguments:
            words += ["--listen", "/ip4/127.0.0.1/tcp/0"]
        words += self._arguments
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "stderr.txt").open("ab") as errors:
            if self.module != "photonic":
                command = [*self.prefix, sys.executable, "-m", self.module, *words]
                self.process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=errors, env=environment()
                )
            else:
                self.process = preloaded.start(
                    words, environment(), errors, self.prefix, anew=self.anew
                )

    def wait_ready(self) -> None:
        """Wait until the process that was launched serves."""
        status = json.loads(self._first_line())
        self.url, self.listen = status["http"], status["listen"]

    def _first_line(self) -> bytes:
        assert self.process is not None and self.process.stdout is not None
        pipe, data = self.process.stdout.fileno(), b""
        until_s = time.monotonic() + READY_WITHIN_S
        while b"\n" not in data:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until_s - time.monotonic()))
            fresh = os.read(pipe, 65_536) if ready else b""
            if not fresh:
                raise AssertionError(f"the node did not start: {self.errors()[-3000:]}")
            data += fresh
        return data

    def errors(self) -> str:
        return (self.home / "stderr.txt").read_text(errors="replace")

    def stop(self, *, how: int = signal.SIGTERM) -> int:
        """End the process and return its exit status. It must end in time."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        status = self.process.wait(STOPS_WITHIN_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None
        return status

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        self.stop(how=signal.SIGKILL)

    def close(self) -> None:
        """End the process if it still runs, and every connection with it."""
        self.kill()
        self._client.close()

    # --- REST --------------------------------------------------------------------------------

    def get(self, path: str, **params: Any) -> Any:
        answer = self._client.get(f"{self.url}/api/v1{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def bytes(self, path: str, **params: Any) -> bytes:
        answer = self._client.get(f"{self.url}/api/v1{path}", params=params)
        answer.raise_for_status()
        return answer.content

    def send(self, method: str, path: str, body: object) -> Any:
        answer = self._client.request(method, f"{self.url}/api/v1{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def status(self) -> Any:
        return self.get("/status")

    def photos(self) -> dict[str, Any]:
        """Return all photos by id, page by page."""
        found: dict[str, Any] = {}
        cursor = None
        while True:
            page = self.get("/photos", limit=50, **({"cursor": cursor} if cursor else {}))
            found |= {item["id"]: item for item in page["items"]}
            cursor = page["next"]
            if cursor is None:
                return found

    def metrics(self) -> dict[str, float]:
        text = self._client.get(f"{self.url}/metrics").text
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def wait_until(
        self,
        is_so: Callable[[], bool],
        within_s: float = SETTLED_WITHIN_S,
        *,
        not_more_often_than_s: float = 0.0,
    ) -> float:
        """Wait for something to be so, looking again after events; return the seconds it took.

        Looking costs the node something: whoever measures it looks not too often.
        """
        began_s, news = time.monotonic(), threading.Event()
        events = f"{self.url}/api/v1/events"
        timeout = httpx.Timeout(30, read=within_s)
        with self._client.stream("GET", events, timeout=timeout) as stream:
            reader = threading.Thread(target=_listen, args=(stream, news), daemon=True)
            reader.start()
            while (left_s := began_s + within_s - time.monotonic()) > 0:
                if is_so():
                    return time.monotonic() - began_s
                news.wait(left_s)
                time.sleep(not_more_often_than_s)
                news.clear()
        raise AssertionError(f"not so within {within_s} s: {json.dumps(self.status())[:3000]}")


def _listen(stream: httpx.Response, news: threading.Event) -> None:
    """Set `news` at each event and heartbeat, until the stream is closed."""
    with suppress(httpx.HTTPError, httpx.StreamError, OSError, ValueError):
        for line in stream.iter_lines():
            if line.startswith(("id:", ":")):
                news.set()


def peaks_mb(root: int) -> dict[str, float]:
    """Return how much memory each process of a daemon had resident at most, by what it is.

    Linux only. A process that is gone, or about to be, is left out.
    """
    found: dict[str, float] = {}
    for pid in [root, *_children(root)]:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak_kb = next((int(x.split()[1]) for x in lines if x.startswith("VmHWM:")), 0)
            module = words[words.index(b"-m") + 1].decode() if b"-m" in words else "other"
            name = "daemon" if pid == root else module.rpartition(".")[2]
            found[name] = max(found.get(name, 0.0), peak_kb * 1024 / 1e6)
    return found


def forget_peaks(root: int) -> None:
    """Let `peaks_mb` tell of what comes from now on. Linux only, and of one's own processes."""
    for pid in [root, *_children(root)]:
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _children(root: int) -> list[int]:
    listed = Path(f"/proc/{root}/task").glob("*/children")
    children: list[int] = []
    with suppress(OSError):
        children = [int(pid) for path in listed for pid in path.read_text().split()]
    return [*children, *(far for child in children for far in _children(child))]


@contextmanager
def daemons(*homes: Path) -> Iterator[list[Daemon]]:
    """Give daemons that are not started yet; whatever happens, none is left behind."""
    nodes = [Daemon(home) for home in homes]
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.close)
        yield nodes


def join(inviter: Daemon, joiner: Daemon, role: str = "central") -> None:
    """Invite with one node that runs, join with one that does not."""
    code = photonic(inviter.home, "invite", "--role", role).stdout.strip()
    photonic(joiner.home, "join", code)
