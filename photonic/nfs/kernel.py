"""The kernel's NFS server: one file in exports.d, and `exportfs`. It runs whether this node does
or not, and what it exports is the same. Needs root.

What is written is looked at by `exportfs` afterwards: if it does not list the folder as it was
asked for, the file is put back and applied again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import trio

from photonic.errors import ExporterMissing, ExporterRights, ExporterSilent, ExportRuleInvalid
from photonic.nfs.exporter import Export, ExporterState
from photonic.world import Files

_SAFE_PATH = re.compile(r"/[^\x00-\x20\x7f\"\\#]*")
_TIMEOUT_S = 20.0


def exports_of(export: Export) -> str:
    """Return the one line of exports.d. Pure. Raises ExportRuleInvalid."""
    folder = str(export.folder)
    if _SAFE_PATH.fullmatch(folder) is None:
        raise ExportRuleInvalid(f"{folder!r} has characters that exports.d cannot name")
    if not export.rules:
        return "# Nobody may mount this tree.\n"
    clients = " ".join(
        f"{rule.client}({','.join(_options(export, may_write=rule.may_write))})"
        for rule in export.rules
    )
    return f"# Written by photonic; what is changed here is overwritten.\n{folder} {clients}\n"


def _options(export: Export, *, may_write: bool) -> list[str]:
    # The same number after each restart, whatever disk it is: clients keep their handles.
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"photonic:{export.folder}")
    return [
        "rw" if may_write else "ro", "all_squash", f"anonuid={export.user.uid}",
        f"anongid={export.user.gid}", "no_subtree_check", "sync", f"fsid={number}",
    ]  # fmt: skip


class KernelServer:
    """Implements `exporter.Exporter`."""

    def __init__(
        self,
        file: Path,
        export: Export,
        files: Files,
        note: Callable[[ExporterSilent | None], None],
    ) -> None:
        """`file` lies in exports.d and ends with .exports."""
        self._file, self._files, self._note = file, files, note
        self._export = export
        self._state = ExporterState("kernel", "starting", str(export.folder))
        self._lock = trio.Lock()

    @property
    def state(self) -> ExporterState:
        return self._state

    @property
    def export(self) -> Export:
        """What is exported, by the rules that hold."""
        return self._export

    async def run(self) -> None:
        """See `Exporter.run`: what is exported stays when this ends."""
        await self.apply(self._export)
        await trio.sleep_forever()

    async def apply(self, export: Export) -> None:
        """See `Exporter.apply`."""
        text = exports_of(export)
        async with self._lock:
            before = None
            try:
                with suppress(FileNotFoundError):
                    before = self._file.read_bytes()
                self._files.write_durable(self._file, text.encode(), mode=0o644)
                await self._reload()
                await self._check(export)
            except (OSError, ExporterSilent, ExporterMissing) as error:
                await self._take_back(before)
                if isinstance(error, OSError):
                    raise ExporterRights(f"{self._file}: {error.strerror or error}") from error
                if isinstance(error, ExporterSilent):
                    self._note(error)
                self._state = replace(self._state, state="failed")
                raise
        self._export = export
        self._state = replace(self._state, state="serving")
        self._note(None)

    async def _take_back(self, before: bytes | None) -> None:
        with suppress(OSError, ExporterSilent, ExporterMissing):
            if before is None:
                self._file.unlink(missing_ok=True)
            else:
                self._files.write_durable(self._file, before, mode=0o644)
            await self._reload()

    async def _reload(self) -> None:
        await self._exportfs("-ra")

    async def _check(self, export: Export) -> None:
        """See that the server has what was asked for. Raises ExporterSilent."""
        told = " ".join((await self._exportfs("-v")).split())
        for rule in export.rules:
            wanted = rf"{re.escape(str(export.folder))} {re.escape(rule.client)}\("
            if re.search(wanted, told) is None:
                raise ExporterSilent(f"exportfs does not list {export.folder} for {rule.client}")

    async def _exportfs(self, option: str) -> str:
        program = shutil.which("exportfs")
        if program is None:
            raise ExporterMissing("there is no exportfs")
        done = await trio.to_thread.run_sync(
            lambda: subprocess.run(  # noqa: S603 - a program of root's, and two words of ours
                [program, option], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        )
        if done.returncode != 0:
            raise ExporterSilent(f"exportfs {option}: {done.stderr.strip()[:200]}")
        return done.stdout
