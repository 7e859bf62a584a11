"""The audit log on disk: how an entry reads, how the chain is made, and whether it is sound.

A folder of files of JSON lines, each named after the number of its first entry. Every entry carries
the BLAKE3 of itself and the entry before, so that none is changed, taken out or put in between
unnoticed; now and then an entry is the node's signature of the chain until there, which nobody can
make who has write access and not the node's key. Where the log breaks off after a signature nothing
in it says so: `head.json` names the last signature, and the running node knows the end.

Nothing here writes (`audit_log.py` does). docs/operations.md says what a break means.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import blake3
import msgspec

from photonic import limits
from photonic.audit_views import AuditVerdict
from photonic.identity import is_signed_by
from photonic.ids import NodeId, peer_id

SIGNED, CONTINUED, DROPPED = "audit.signed", "audit.continued", "audit.dropped"
HEAD = "head.json"
_NAME = re.compile(r"[0-9]{12}\.jsonl")
_CONTEXT = "photonic audit log, version 1"
_ENDING = ".jsonl"
# The node signs after so many entries; its signature and what a new file begins with come on top.
_UNSIGNED_MAX = limits.AUDIT_SIGN_EVERY + 4
Number = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class Entry(msgspec.Struct, frozen=True):
    """One line: number, moment in UTC, what was done, facts of it, and the chain until here."""

    n: Number
    at: str
    act: str
    facts: dict[str, str]
    chain: str


class Head(msgspec.Struct, frozen=True):
    """The last entry that a signature covers."""

    n: Number
    chain: str
    signature: str


class Mark(NamedTuple):
    """An entry's number and the chain until it."""

    n: int
    chain: str


def beginning(node: NodeId) -> Mark:
    """Return what is before a node's first entry."""
    return Mark(0, blake3.blake3(node, derive_key_context=_CONTEXT).hexdigest())


def entry_after(before: Mark, at: str, act: str, facts: Mapping[str, str]) -> Entry:
    """Return the entry that follows `before`."""
    ordered = dict(sorted(facts.items()))
    return Entry(before.n + 1, at, act, ordered, _chained(before, at, act, ordered))


def _chained(before: Mark, at: str, act: str, facts: Mapping[str, str]) -> str:
    content = msgspec.msgpack.encode((before.n + 1, at, act, sorted(facts.items())))
    data = bytes.fromhex(before.chain) + content
    return blake3.blake3(data, derive_key_context=_CONTEXT).hexdigest()


def to_sign(mark: Mark) -> bytes:
    """Return the bytes by which a node signs its log until `mark`."""
    return _CONTEXT.encode() + b"\0" + mark.n.to_bytes(8) + bytes.fromhex(mark.chain)


def follows(entry: Entry, before: Mark) -> bool:
    """Tell whether an entry is the one after `before`, unchanged."""
    return entry.n == before.n + 1 and entry.chain == _chained(
        before, entry.at, entry.act, entry.facts
    )


def line_of(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def read_line(line: bytes) -> Entry | None:
    """Return the entry of a line; None if it is none."""
    try:
        entry = _decoder.decode(line)
        bytes.fromhex(entry.chain)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return entry


_decoder = msgspec.json.Decoder(Entry)


def files_in(folder: Path) -> list[Path]:
    """Return the files of a log, the oldest first."""
    try:
        found = [one for one in folder.iterdir() if _NAME.fullmatch(one.name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda one: int(one.stem))


def file_from(folder: Path, n: int) -> Path:
    """Return the file whose first entry has this number."""
    return folder / f"{n:012}{_ENDING}"


def read_head(folder: Path) -> Head | None:
    try:
        return msgspec.json.decode((folder / HEAD).read_bytes(), type=Head)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, the last one without its end if it was torn; bounded."""
    with path.open("rb") as file:
        while line := file.readline(limits.AUDIT_LINE_BYTES_MAX + 1):
            yield line


# --- judging -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Judge:
    """Walks along a log and stops at the first thing that is wrong."""

    node: NodeId
    before: Mark | None = None
    first: int = 0
    entries: int = 0
    signed_to: int = 0
    unsigned_start: bool = False  # the first entries were dropped, which a later one must own to
    problem: str = ""

    def take(self, line: bytes, path: Path, *, begins: bool) -> bool:
        """Judge the next line; False at a break."""
        entry = read_line(line)
        due = self.before.n + 1 if self.before is not None else None
        if entry is None or not line.endswith(b"\n"):
            where = f"entry {due}" if due is not None else "the first entry"
            return self._break(f"{where} in {path.name} cannot be read")
        if self.before is None:
            self._start(entry)
            assert self.before is not None
        if entry.n != self.before.n + 1:
            return self._break(f"entry {self.before.n + 1} is missing: {entry.n} comes instead")
        if begins and entry.n != int(path.stem):
            return self._break(f"{path.name} begins with entry {entry.n}")
        if entry.chain != _chained(self.before, entry.at, entry.act, entry.facts):
            return self._break(f"entry {entry.n}, or the one before, was changed")
        if entry.act == SIGNED and not self._is_signed(entry):
            return self._break(f"entry {entry.n} is no signature of {peer_id(self.node)}")
        if entry.act == DROPPED and entry.facts.get("until") == str(self.first - 1):
            self.unsigned_start = False
        self.before = Mark(entry.n, entry.chain)
        self.entries += 1
        if entry.n - max(self.signed_to, self.first - 1) > _UNSIGNED_MAX:
            return self._break(f"entries {self.signed_to + 1} to {entry.n} carry no signature")
        return True

    def _start(self, entry: Entry) -> None:
        self.first = entry.n
        self.before = beginning(self.node)
        if entry.n != 1 and entry.act == CONTINUED:
            self.unsigned_start = True
            self.before = Mark(entry.n - 1, _hex(entry.facts.get("before", "")))

    def _is_signed(self, entry: Entry) -> bool:
        assert self.before is not None
        signature = bytes.fromhex(_hex(entry.facts.get("signature", "")))
        if not is_signed_by(self.node, signature, to_sign(self.before)):
            return False
        self.signed_to = self.before.n
        return True

    def _break(self, problem: str) -> bool:
        self.problem = problem
        return False


def _hex(text: str) -> str:
    try:
        return bytes.fromhex(text).hex()
    except ValueError:
        return ""


def verify(folder: Path, node: NodeId, end: Mark | None = None) -> AuditVerdict:
    """Judge the whole log of `node`. Blocking, memory bounded; a log that is written meanwhile is
    judged until `end`, which the one who writes knows. Raises OSError.
    """
    judge = _Judge(node)
    for path in files_in(folder):
        begins = True
        for line in lines_of(path):
            if end is not None and judge.before is not None and judge.before.n >= end.n:
                break
            if not judge.take(line, path, begins=begins):
                break
            begins = False
        if judge.problem:
            break
    if not judge.problem:
        judge.problem = _wrong_at_ends(judge, folder, end)
    last = judge.before.n if judge.before is not None else 0
    torn = len(list(folder.glob("torn-*"))) if folder.is_dir() else 0
    return AuditVerdict(
        sound=not judge.problem,
        problem=judge.problem or None,
        entries=judge.entries,
        first=judge.first,
        last=last,
        signed_to=judge.signed_to,
        torn=torn,
        node=peer_id(node),
    )


def _wrong_at_ends(judge: _Judge, folder: Path, end: Mark | None) -> str:
    """Return what is wrong with where the log begins or ends."""
    before = judge.before or beginning(judge.node)
    if judge.unsigned_start:
        return (
            f"the entries before {judge.first} are gone, and no entry says that they were dropped"
        )
    if end is not None and before != end:
        return f"the log ends with entry {before.n}; the node wrote {end.n}, and otherwise"
    head = read_head(folder)
    if judge.signed_to and head is None:
        return f"{HEAD}, which names the last signature, is gone"
    if head is None:
        return ""
    mark = Mark(head.n, _hex(head.chain))
    if not is_signed_by(judge.node, bytes.fromhex(_hex(head.signature)), to_sign(mark)):
        return f"{HEAD} is not signed by {peer_id(judge.node)}"
    if head.n > judge.signed_to:
        return f"the log was signed until entry {head.n}, and now only until {judge.signed_to}"
    return ""


# --- reading -------------------------------------------------------------------------------------


class Page(NamedTuple):
    """Entries, the latest first, and where to go on: before this number; None at the beginning."""

    entries: list[Entry]
    following: int | None


def page(folder: Path, limit: int, before: int | None, act: str, end: Mark) -> Page:
    """Return the latest entries before `before` whose act is `act` or lies below it ("" for all).

    Looks at AUDIT_SCANNED_MAX entries at most: a page may be short, or empty, and have a next one.
    Blocking. Raises OSError.
    """
    found: list[Entry] = []
    scanned, until = 0, min(before or end.n + 1, end.n + 1)
    for path in reversed(files_in(folder)):
        if int(path.stem) >= until:
            continue
        entries = [entry for line in lines_of(path) if (entry := read_line(line)) is not None]
        for entry in sorted(entries, key=lambda one: one.n, reverse=True):
            if entry.n >= until:
                continue
            scanned, until = scanned + 1, entry.n
            if not act or entry.act == act or entry.act.startswith(f"{act}."):
                found.append(entry)
            if len(found) >= limit or scanned >= limits.AUDIT_SCANNED_MAX:
                return Page(found, until if until > 1 else None)
    return Page(found, None)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
