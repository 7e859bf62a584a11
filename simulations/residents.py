"""Real daemons that live somewhere: on this machine's loopback, or in a network of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from simulations import preloaded
from simulations.daemons import Daemon, environment
from simulations.ends import End, Failed


class Resident(Daemon):
    """A daemon at an end, which may be left and started again there."""

    def __init__(self, home: Path, end: End) -> None:
        super().__init__(home)
        self.end, self.prefix = end, end.prefix
        self.port = 0  # where peers come in; 0: any that is free

    def launch(self, *arguments: str) -> None:
        super().launch("--listen", f"/ip4/{self.end.address}/tcp/{self.port}", *arguments)

    def wait_ready(self) -> None:
        super().wait_ready()
        port = urlsplit(self.url).port
        assert port is not None
        self.url = f"http://127.0.0.1:{self.end.reach(port)}"

    def run(self, *words: str, is_checked: bool = True) -> str:
        """Run a verb of the command line at this end."""
        done = preloaded.run(["--home", str(self.home), *words], environment(), prefix=self.prefix)
        if done.returncode and is_checked:
            raise Failed(f"photonic {words[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def take_in(self, folder: Path) -> None:
        """Import a folder: files that are no photos within have no preview, which is told."""
        self.run("import", str(folder), is_checked=False)

    def invite(self, other: Resident) -> None:
        """Make another node, which does not run, a member."""
        other.run("join", self.run("invite", "--role", other.role).strip())

    def counts(self) -> tuple[int, int]:
        """Return how many photos the catalog has, and how many originals are durable here."""
        status = self.status()
        return status["photos"], status["holdings"]["held"]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid


@contextmanager
def kept(nodes: Sequence[Daemon]) -> Iterator[None]:
    """Leave no node behind whatever happens; where something went wrong, tell what each said."""
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.close)
        try:
            yield
        except Exception as error:
            for node in nodes:
                if (node.home / "stderr.txt").exists() and (said := node.errors().strip()):
                    error.add_note(f"{node.home.name} said: {said.splitlines()[-1]}")
            raise
