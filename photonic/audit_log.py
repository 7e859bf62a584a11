"""Writes the audit log: in batches, durable, chained, signed now and then, never in anybody's way.

`record` takes an act on the event loop's thread and returns at once; `run` makes it durable, within
AUDIT_DELAY_S where the disk allows it. Of what does not fit into the queue the number is kept. At
the start the end of the log is looked at: a line that a crash tore off is moved aside and told in
an entry of its own; what is broken otherwise stays as it is, and is told.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import msgspec
import trio

from photonic import audit, limits
from photonic.audit import Entry, Head, Mark
from photonic.audit_views import AuditEntryView, AuditPage, AuditVerdict
from photonic.errors import AuditBroken, QueryInvalid
from photonic.identity import Identity
from photonic.ids import digest, peer_id
from photonic.logs import SECRET_NAMES
from photonic.problems import Problems
from photonic.showing import iso_utc
from photonic.world import World

log = logging.getLogger(__name__)

_TRUNCATED = "…"


class AuditLog:
    """The audit log of one node, in `folder`. Used on the event loop's thread."""

    def __init__(self, folder: Path, identity: Identity, world: World, problems: Problems) -> None:
        self._folder, self._identity, self._world = folder, identity, world
        self._problems = problems
        self._pending: deque[tuple[str, str, dict[str, str]]] = deque()
        self._lost = 0
        self._wake = trio.Event()
        self._turn = trio.Lock()
        self._end = audit.beginning(identity.node)
        self._signed = 0  # the last entry that a signature covers
        self._file: Path | None = None  # that is written into
        self._size_bytes = 0
        self._settings = ""  # by which the node was started the last time

    def record(self, act: str, facts: Mapping[str, str]) -> None:
        """Take an act in; it is durable soon. Neither blocks nor raises."""
        if len(self._pending) >= limits.AUDIT_PENDING_MAX:
            self._lost += 1
            return
        self._pending.append((iso_utc(self._world.clock.now_ms()), act[:64], _bounded(facts)))
        self._wake.set()

    async def open(self) -> None:
        """Find the end of the log, and tell what is wrong there. Raises OSError."""
        for act, facts, problem in await trio.to_thread.run_sync(self._recover):
            if problem:
                self._problems.add(AuditBroken(problem), str(self._folder))
            self.record(act, facts)

    def begin(self, version: str, settings: bytes) -> None:
        """Record that the node starts, and whether by other settings than before."""
        now = digest(settings).hex()[:16]
        self.record("node.started", {"version": version, "settings": now})
        if self._settings and self._settings != now:
            self.record("settings.changed", {"before": self._settings, "now": now})

    async def run(self) -> None:
        """Make what was recorded durable, until cancelled."""
        while True:
            with trio.move_on_after(limits.AUDIT_SIGN_S):
                await self._wake.wait()
            await trio.sleep(limits.AUDIT_DELAY_S)  # what comes together is written together
            try:
                await self.flush(signs=not self._pending)
            except OSError as error:
                log.warning("the audit log cannot be written: %s", error)
                await trio.sleep(limits.DISK_RECHECK_S)

    async def flush(self, *, signs: bool = False) -> None:
        """Make all that was recorded durable, and sign it if asked. Raises OSError."""
        async with self._turn:
            self._wake = trio.Event()
            if self._lost:
                lost, self._lost = self._lost, 0
                now = iso_utc(self._world.clock.now_ms())
                self._pending.append((now, "audit.overflowed", {"lost": str(lost)}))
            taken = list(self._pending)
            if not taken and not (signs and self._end.n > self._signed):
                return
            await trio.to_thread.run_sync(self._write, taken, signs)  # not abandoned
            for _ in taken:
                self._pending.popleft()

    async def close(self) -> None:
        """Make durable and sign what there is; what the disk refuses is told in the log."""
        try:
            await self.flush(signs=True)
        except OSError as error:
            log.warning("the end of the audit log was not written: %s", error)

    # --- questions ---------------------------------------------------------------------------

    async def page(self, limit: int, cursor: str | None, act: str) -> AuditPage:
        """Return entries, the latest first. Raises QueryInvalid for a bad cursor."""
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise QueryInvalid("the cursor is none that a page gave out")
        await self.flush()
        before = int(cursor) if cursor is not None else None
        found = await trio.to_thread.run_sync(
            audit.page, self._folder, limit, before, act, self._end
        )
        items = [AuditEntryView(e.n, e.at, e.act, e.facts, e.chain) for e in found.entries]
        return AuditPage(items, None if found.following is None else str(found.following))

    async def verify(self) -> AuditVerdict:
        """Judge the whole log on disk against what this process wrote."""
        await self.flush(signs=True)
        async with self._turn:
            verdict = await trio.to_thread.run_sync(
                audit.verify, self._folder, self._identity.node, self._end
            )
        place = str(self._folder)
        self._problems.clear(place)
        if verdict.problem:
            self._problems.add(AuditBroken(verdict.problem), place)
        return verdict

    # --- writing, in a thread ----------------------------------------------------------------

    def _write(self, taken: list[tuple[str, str, dict[str, str]]], signs: bool) -> None:
        """Append and fsync; on failure the file and the chain are what they were."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._file is None or self._size_bytes >= limits.AUDIT_FILE_BYTES_MAX:
            self._begin_file()
        assert self._file is not None
        lines, end, signed = bytearray(), self._end, self._signed
        head: Head | None = None
        for at, act, facts in taken:
            entry = audit.entry_after(end, at, act, facts)
            lines += audit.line_of(entry)
            end = Mark(entry.n, entry.chain)
            if end.n - signed >= limits.AUDIT_SIGN_EVERY:
                head, entry = self._signature(end)
                lines += audit.line_of(entry)
                signed, end = entry.n, Mark(entry.n, entry.chain)
        if signs and end.n > signed:
            head, entry = self._signature(end)
            lines += audit.line_of(entry)
            signed, end = entry.n, Mark(entry.n, entry.chain)
        self._append(self._file, bytes(lines))
        self._end, self._signed = end, signed
        if head is not None:
            data = msgspec.json.encode(head)
            self._world.files.write_durable(self._folder / audit.HEAD, data)

    def _signature(self, end: Mark) -> tuple[Head, Entry]:
        signature = self._identity.sign(audit.to_sign(end)).hex()
        now = iso_utc(self._world.clock.now_ms())
        facts = {"node": peer_id(self._identity.node), "signature": signature}
        return Head(*end, signature), audit.entry_after(end, now, audit.SIGNED, facts)

    def _append(self, path: Path, data: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, self._size_bytes)  # half a line would be a break
                raise
        finally:
            os.close(handle)
        self._size_bytes += len(data)

    def _begin_file(self) -> None:
        """Go on in a new file; the oldest go when there are too many, and the log says so."""
        path = audit.file_from(self._folder, self._end.n + 1)
        now = iso_utc(self._world.clock.now_ms())
        end, lines = self._end, b""
        files = audit.files_in(self._folder)
        if self._end.n:
            entry = audit.entry_after(end, now, audit.CONTINUED, {"before": end.chain})
            end, lines = Mark(entry.n, entry.chain), audit.line_of(entry)
        going = files[: max(0, len(files) + 1 - limits.AUDIT_FILES_MAX)]
        if going:
            until = int(files[len(going)].stem) - 1
            entry = audit.entry_after(end, now, audit.DROPPED, {"until": str(until)})
            end, lines = Mark(entry.n, entry.chain), lines + audit.line_of(entry)
        self._size_bytes = 0
        self._append(path, lines)
        audit.sync_folder(self._folder)
        self._file, self._end = path, end
        for old in going:
            old.unlink(missing_ok=True)

    # --- the start ---------------------------------------------------------------------------

    def _recover(self) -> list[tuple[str, dict[str, str], str]]:
        """Find the end; return what is to be said of it: act, facts, and the problem or ""."""
        told: list[tuple[str, dict[str, str], str]] = []
        for path in reversed(audit.files_in(self._folder)):
            torn = self._cut_torn(path)
            if torn is not None:
                told.append(("audit.torn", torn, ""))
            entries = [audit.read_line(line) for line in audit.lines_of(path)]
            known = [entry for entry in entries if entry is not None]
            if len(known) < len(entries):
                words = f"{path.name} has lines that cannot be read"
                told.append(("audit.broken", {"file": path.name}, words))
            marks = [Mark(entry.n, entry.chain) for entry in known]
            for before, entry in zip(marks, known[1:], strict=False):
                if not audit.follows(entry, before):
                    words = f"entry {entry.n}, or the one before, was changed"
                    told.append(("audit.broken", {"entry": str(entry.n)}, words))
                    break
            for entry in known:
                if entry.act == "node.started":
                    self._settings = entry.facts.get("settings", "")
            if known:
                self._end = Mark(known[-1].n, known[-1].chain)
                self._file, self._size_bytes = path, path.stat().st_size
                signed = [entry.n for entry in known if entry.act == audit.SIGNED]
                self._signed = signed[-1] if signed else known[0].n - 1
                break
            path.rename(path.with_name(f"torn-{path.stem}-empty"))  # it holds no entry
        head = audit.read_head(self._folder)
        if head is not None and head.n > self._end.n:
            words = f"the log ends with entry {self._end.n}; it was signed until entry {head.n}"
            facts = {"ends": str(self._end.n), "signed": str(head.n)}
            told.append(("audit.broken", facts, words))
        return told

    def _cut_torn(self, path: Path) -> dict[str, str] | None:
        """Move what follows the last whole line aside; return what it was."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        tail = data[whole:]
        if not tail:
            return None
        name = f"torn-{path.stem}-{digest(tail).hex()[:16]}"
        self._world.files.write_durable(self._folder / name, tail)
        os.truncate(path, whole)
        self._world.files.sync(path)
        return {"bytes": str(len(tail)), "blake3": digest(tail).hex(), "kept": name}


def _bounded(facts: Mapping[str, str]) -> dict[str, str]:
    """Return facts that fit into a line, without the values under names of secrets."""
    kept: dict[str, str] = {}
    for name, value in list(facts.items())[: limits.AUDIT_FACTS_MAX]:
        text = "(secret)" if name in SECRET_NAMES else str(value)
        if len(text) > limits.AUDIT_FACT_CHARS_MAX:
            text = text[: limits.AUDIT_FACT_CHARS_MAX] + _TRUNCATED
        kept[name[:64]] = text.encode("utf-8", "replace").decode()
    return kept
