"""NFS-Ganesha as a child of the node, with one capability and no other right.

It runs as a user of its own, and that is what keeps originals safe: they are this process's files,
read-only and in sticky folders, so whoever comes over NFS can neither write, rename nor remove one
(`tree.disk`). Its capability, CAP_DAC_READ_SEARCH, lets it open files by handle; it may read, and
writes only what everybody may. `only_one_user` keeps it from asking to be others.

Where this process may not become another user the child runs as the same one; then nothing may be
writable, and a rule that says so is refused.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import trio

from photonic import limits
from photonic.errors import ExporterMissing, ExporterRights, ExporterSilent, ExportRuleInvalid
from photonic.nfs.exporter import PSEUDO, Export, ExporterState
from photonic.nfs.ganesha_config import GaneshaPlace, config_of, reached_at, ready_name
from photonic.nfs.probe import list_folder
from photonic.world import Files

log = logging.getLogger(__name__)
_CAPABILITY, _CAPABILITY_BIT = "dac_read_search", 2
_LOG_BYTES_MAX = 8 * limits.MIB
_PROBES_MISSED_MAX = 3


class Ganesha:
    """Implements `exporter.Exporter`."""

    def __init__(
        self,
        folder: Path,
        host: str,
        port: int,
        export: Export,
        files: Files,
        note: Callable[[ExporterSilent | None], None],
    ) -> None:
        """`folder` is for its files; `note` hears when it ended, and when it answers (None)."""
        self._folder, self._files, self._note = folder, files, note
        self._config, self._pid = folder / "ganesha.conf", folder / "ganesha.pid"
        self._place = GaneshaPlace(host, port, folder / "state", folder / "ready")
        self._export, self._version = export, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = trio.Lock()
        self._state = ExporterState("ganesha", "starting", f"{host}:{port}{PSEUDO}")

    @property
    def state(self) -> ExporterState:
        return self._state

    @property
    def export(self) -> Export:
        """What is exported, by the rules that hold."""
        return self._export

    @property
    def _host(self) -> str:
        return reached_at(self._place.host)

    def _show(self, state: str, restarts: int = 0) -> None:
        count = self._state.restarts + restarts
        self._state = replace(self._state, state=state, restarts=count)

    # --- the service -------------------------------------------------------------------------

    async def run(self) -> None:
        """See `Exporter.run`."""
        self._check_rights(self._export)
        wait_s = limits.EXPORT_RESTART_S
        while True:
            began_s = trio.current_time()
            try:
                await self._serve()
            except ExporterSilent as error:
                self._note(error)
            self._show("waiting", restarts=1)
            if trio.current_time() - began_s > limits.EXPORT_RESTART_MAX_S:
                wait_s = limits.EXPORT_RESTART_S
            await trio.sleep(wait_s)
            wait_s = min(wait_s * 2, limits.EXPORT_RESTART_MAX_S)

    async def _serve(self) -> None:
        """Run one process until it ends, or gives no listing any more. Raises ExporterSilent."""
        async with self._lock:
            self._prepare()
            self._show("starting")
            process = self._process = self._start()
        try:
            async with trio.open_nursery() as nursery:
                ended = trio.Event()
                nursery.start_soon(_wait, process, ended)
                nursery.start_soon(self._attend, ended)
                await ended.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._process = None
            with trio.CancelScope(shield=True):
                await _end(process)
        raise ExporterSilent(f"ganesha.nfsd ended with {process.returncode}")

    async def _attend(self, ended: trio.Event) -> None:
        """See that it answers: at first soon, then from time to time."""
        try:
            async with self._lock:
                await self._wait_ready(limits.EXPORT_READY_S)
            self._show("serving")
            self._note(None)
            missed = 0
            while missed < _PROBES_MISSED_MAX:
                await trio.sleep(limits.EXPORT_PROBE_EVERY_S)
                try:
                    await self._probe()
                    missed = 0
                except ExporterSilent:
                    missed += 1
        except ExporterSilent as error:
            log.warning("%s", error)
        ended.set()

    async def _probe(self) -> None:
        await list_folder(self._host, self._place.port, ready_name(self._version))

    async def _wait_ready(self, within_s: float) -> None:
        """Wait until this version of the configuration answers. Raises ExporterSilent."""
        until_s = trio.current_time() + within_s
        while True:
            try:
                return await self._probe()
            except ExporterSilent:
                if trio.current_time() > until_s:
                    raise
            await trio.sleep(0.05)

    # --- other rules -------------------------------------------------------------------------

    async def apply(self, export: Export) -> None:
        """See `Exporter.apply`."""
        self._check_rights(export)
        config_of(export, self._place, self._version + 1)  # refused before anything is touched
        async with self._lock:
            before = self._export
            self._write(export)
            if self._process is None:
                return  # it begins by these
            try:
                self._reload()
                await self._wait_ready(limits.EXPORT_READY_S)
            except BaseException:
                self._write(before)
                self._reload()
                raise

    def _write(self, export: Export) -> None:
        text = config_of(export, self._place, self._version + 1)
        self._files.write_durable(self._config, text.encode(), mode=0o644)
        self._version += 1
        self._export = export

    def _reload(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    # --- the process -------------------------------------------------------------------------

    def _check_rights(self, export: Export) -> None:
        if os.geteuid() == 0 and export.user.uid != 0:
            return
        if any(rule.may_write for rule in export.rules):
            raise ExporterRights(
                "sidecars can be written only where ganesha.nfsd is another user than this"
                " process, which therefore has to be started as root"
            )
        if os.geteuid() != 0 and not _has_capability():
            raise ExporterRights("this process lacks CAP_DAC_READ_SEARCH, which it would pass on")

    def _prepare(self) -> None:
        """Make the folders, and a configuration of this start. Raises ExportRuleInvalid."""
        user = self._export.user
        for folder in (self._folder, self._place.state, self._place.ready):
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        if os.geteuid() == 0:
            os.chown(self._place.state, user.uid, user.gid)
        try:
            self._write(self._export)
        except OSError as error:
            raise ExportRuleInvalid(f"{self._config} cannot be written: {error}") from error

    def _start(self) -> subprocess.Popen[bytes]:
        program, setpriv = shutil.which("ganesha.nfsd"), shutil.which("setpriv")
        if program is None or setpriv is None:
            raise ExporterMissing(f"there is no {'ganesha.nfsd' if not program else 'setpriv'}")
        self._end_earlier()
        user = self._export.user
        identity = [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
        caps = f"-all,+{_CAPABILITY}"
        command = [
            setpriv, *(identity if os.geteuid() == 0 else []), "--no-new-privs",
            *([f"--bounding-set={caps}"] if os.geteuid() == 0 else []),
            f"--inh-caps={caps}", f"--ambient-caps={caps}", "--",
            program, "-F", "-f", str(self._config), "-L", "STDOUT",
            "-p", str(self._place.state / "ganesha.pid"),
        ]  # fmt: skip
        path = self._folder / "ganesha.log"
        with suppress(FileNotFoundError):
            if path.stat().st_size > _LOG_BYTES_MAX:
                path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as told:
            process = subprocess.Popen(  # noqa: S603 - a program and words of ours, without a shell
                command, stdin=subprocess.DEVNULL, stdout=told, stderr=told,
                start_new_session=True, cwd="/", env={"PATH": os.environ.get("PATH", "")},
            )  # fmt: skip
        self._files.write_durable(self._pid, str(process.pid).encode())
        return process

    def _end_earlier(self) -> None:
        """End a server that an earlier run of this node left: it has the port."""
        with suppress(OSError, ValueError):
            pid = int(self._pid.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if os.fsencode(self._config) in command.split(b"\0"):
                os.kill(pid, signal.SIGKILL)
        self._pid.unlink(missing_ok=True)


def _ended(process: subprocess.Popen[bytes]) -> int:
    return process.wait()


async def _wait(process: subprocess.Popen[bytes], ended: trio.Event) -> None:
    await anyio.to_thread.run_sync(_ended, process, abandon_on_cancel=True)
    ended.set()


async def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, gently if it lets itself."""
    if process.poll() is None:
        process.terminate()
        with trio.move_on_after(limits.EXPORT_STOP_S) as patience:
            await anyio.to_thread.run_sync(_ended, process, abandon_on_cancel=True)
        if patience.cancelled_caught:
            process.kill()
            await trio.to_thread.run_sync(_ended, process)


def _has_capability() -> bool:
    """Whether this process may pass the capability on."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    sets = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    return all(int(sets[name], 16) >> _CAPABILITY_BIT & 1 for name in ("CapPrm", "CapInh"))
