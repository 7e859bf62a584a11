"""An exported catalog on disk: which files it has, and how it is checked and read.

    library.json         what it is an export of, and how much is in it
    photos-0001.jsonl    one photo a line, as it is shown; for people and other programs
    changes-0001.jsonl   one signed change a line: all that an import needs
    albums-, members-, policies-0001.jsonl
    sidecars/FOLDER/NAME.xmp
    checksums.b3         the BLAKE3 of each file, as `b3sum --check` reads it; written last

`Bundle.verify` reads everything that an import would, before anything is imported: what is torn or
altered is ExportInvalid with file and line. The bytes are foreign: sizes are bounded, and no path
is taken from them. `bundle_writer.py` writes. docs/export-format.md is the page.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import blake3
import msgspec

from photonic import limits
from photonic.errors import ExportInvalid, ExportNewer, FolderUnknown
from photonic.ids import LIBRARY_BYTES, LibraryId, NodeId
from photonic.ingest.places import explained, shown

FORMAT = 1
HEADER, CHECKSUMS, SIDECARS = "library.json", "checksums.b3", "sidecars"
PHOTOS, CHANGES, ALBUMS, MEMBERS, POLICIES = "photos", "changes", "albums", "members", "policies"
STEMS = (PHOTOS, CHANGES, ALBUMS, MEMBERS, POLICIES)
_FILE = re.compile(rf"({'|'.join(STEMS)})-\d{{4,6}}\.jsonl")
_CHECKSUM = re.compile(r"([0-9a-f]{64})  (.+)\n")
_HASHED_AT_ONCE = 1 * limits.MIB

Line = TypeVar("Line")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of library.json. `library` and `node` are told by their ids and names."""

    format: int
    library: str
    library_name: str
    node: str
    node_name: str
    exported: str
    counts: dict[str, int]
    files: tuple[str, ...]

    @property
    def library_id(self) -> LibraryId:
        return LibraryId(bytes.fromhex(self.library))

    def named(self, stem: str) -> list[str]:
        return [name for name in self.files if name.rpartition("-")[0] == stem]


class _Version(msgspec.Struct, frozen=True):
    format: int


class _ChangeLine(msgspec.Struct, frozen=True):
    data: bytes  # base64
    effective: bool = True
    opened: bytes = b""  # base64; what it sets, where some of that is sealed in `data`


class _MemberLine(msgspec.Struct, frozen=True):
    key: str
    name: str


class Said(NamedTuple):
    """One change as it stands in an export, and where."""

    data: bytes
    is_effective: bool
    file: str
    line: int
    opened: bytes = b""

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.line}"


def file_name(stem: str, number: int) -> str:
    return f"{stem}-{number:04}.jsonl"


class Bundle:
    """One exported catalog. Every method blocks, and raises ExportInvalid."""

    def __init__(self, folder: Path) -> None:
        """Read what the export says about itself. Raises FolderUnknown, ExportNewer, too."""
        if not folder.is_dir():
            raise FolderUnknown(f"{shown(folder)} is no folder on this machine")
        self.folder = folder
        self.header = _header(folder)

    def verify(self, progress: Callable[[], None] = lambda: None) -> None:
        """Read every file that an import reads, and judge it; `progress` is called at times."""
        sums = self._checksums()
        for name in (HEADER, *self.header.files):
            if name not in sums:
                raise ExportInvalid(f"{CHECKSUMS} does not name {name}: the export is torn")
            with self._open(name) as file:
                hasher = blake3.blake3()
                while piece := file.read(_HASHED_AT_ONCE):
                    hasher.update(piece)
                    progress()
            if hasher.hexdigest() != sums[name]:
                raise ExportInvalid(f"{self._fault(name)} is not what it was when it was exported")
        count = 0
        for count, _ in enumerate(self.changes(), 1):
            if count % limits.CATALOG_IMPORT_CHANGES_AT_ONCE == 0:
                progress()
        wanted = self.header.counts.get(CHANGES)
        if count != wanted:
            raise ExportInvalid(f"{HEADER} names {wanted} changes, but {count:,} are there")

    def _fault(self, name: str) -> str:
        """Name the first line of a file that cannot be read; the file, if all of them can."""
        kind = _ChangeLine if name.startswith(CHANGES) else dict
        if name != HEADER:
            try:
                for _ in self._lines(name, kind):
                    pass
            except ExportInvalid as error:
                return f"{error};  {name}"
        return name

    def changes(self) -> Iterator[Said]:
        """Yield all changes, those of a subject together, parents before children."""
        for name in self.header.named(CHANGES):
            for number, line in self._lines(name, _ChangeLine):
                yield Said(line.data, line.effective, name, number, line.opened)

    def names(self) -> dict[NodeId, str]:
        """Return what the members of the library were called."""
        found: dict[NodeId, str] = {}
        for name in self.header.named(MEMBERS):
            for number, line in self._lines(name, _MemberLine):
                try:
                    found[NodeId(bytes.fromhex(line.key))] = line.name
                except ValueError:
                    raise ExportInvalid(f"{name}, line {number}: a key is hex digits") from None
        return found

    def _checksums(self) -> dict[str, str]:
        """Return the checksums of what an import reads; those of the sidecars are passed over."""
        wanted = {HEADER, *self.header.files}
        found: dict[str, str] = {}
        with self._open(CHECKSUMS) as file:
            for number, line in enumerate(_bounded(file, CHECKSUMS), 1):
                match = _CHECKSUM.fullmatch(line.decode("utf-8", "replace"))
                if match is None:
                    raise ExportInvalid(f"{CHECKSUMS}, line {number} is torn")
                if match[2] in wanted:
                    found[match[2]] = match[1]
                if len(found) == len(wanted):
                    break
        return found

    def _lines(self, name: str, kind: type[Line]) -> Iterator[tuple[int, Line]]:
        decoder = msgspec.json.Decoder(kind)
        with self._open(name) as file:
            for number, line in enumerate(_bounded(file, name), 1):
                if not line.endswith(b"\n"):
                    raise ExportInvalid(f"{name}, line {number} is torn")
                try:
                    yield number, decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise ExportInvalid(f"{name}, line {number}: {error}") from error

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        path = self.folder / name
        try:
            with _opened(path) as file:
                yield file
        except FileNotFoundError as error:
            raise ExportInvalid(f"{name} is not there: the export is torn") from error
        except OSError as error:
            raise explained(error, path) from error


def _header(folder: Path) -> Header:
    """Read library.json. Raises ExportInvalid, ExportNewer."""
    path = folder / HEADER
    try:
        with _opened(path) as file:
            data = file.read(limits.EXPORT_LINE_BYTES_MAX)
        version = msgspec.json.decode(data, type=_Version).format
        if version > FORMAT:
            raise ExportNewer(f"{shown(folder)} has format {version}; this version reads {FORMAT}")
        header = msgspec.json.decode(data, type=Header)
    except FileNotFoundError as error:
        raise ExportInvalid(f"{shown(folder)} is no export: it has no {HEADER}") from error
    except OSError as error:
        raise explained(error, path) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExportInvalid(f"{HEADER}: {error}") from error
    strange = [name for name in header.files if not _FILE.fullmatch(name)]
    if strange:
        raise ExportInvalid(f"{HEADER} names {strange[0]!r}, which is no file of an export")
    if not re.fullmatch(rf"[0-9a-f]{{{2 * LIBRARY_BYTES}}}", header.library):
        raise ExportInvalid(f"{HEADER}: {header.library[:80]!r} is no library")
    return header


def _opened(path: Path) -> BinaryIO:
    """Open a plain file of an export: no link to elsewhere, no pipe that never ends.

    Raises ExportInvalid, OSError.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ExportInvalid(f"{shown(path)} is a link, and no file of an export") from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ExportInvalid(f"{shown(path)} is no file")
    return os.fdopen(handle, "rb")


def _bounded(file: BinaryIO, name: str) -> Iterator[bytes]:
    number = 0
    while line := file.readline(limits.EXPORT_LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > limits.EXPORT_LINE_BYTES_MAX:
            raise ExportInvalid(f"{name}, line {number} is longer than a line may be")
        yield line
