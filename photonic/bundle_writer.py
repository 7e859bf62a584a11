"""Writes an exported catalog: into a folder beside its final place, renamed when it is complete.

So an export is there whole or not at all. What fails (a full disk, no rights) is ExportUnwritable,
and what was begun is taken away. Blocking; used by one thread at a time.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import blake3
import msgspec
from msgspec.structs import replace

from photonic import limits
from photonic.bundle import CHECKSUMS, HEADER, SIDECARS, STEMS, Header, file_name
from photonic.errors import ExportUnwritable
from photonic.ids import digest
from photonic.ingest.places import shown
from photonic.names import path_below
from photonic.photos import SIDECAR_SUFFIX

_encoder = msgspec.json.Encoder()


class _Lines:
    """The files of one kind: lines go to the last one until it is full."""

    def __init__(self, folder: Path, stem: str, bytes_max: int) -> None:
        self._folder, self._stem, self._max = folder, stem, bytes_max
        self._file: BinaryIO | None = None
        self._size = self.count = 0
        self._hasher = blake3.blake3()
        self.sums: dict[str, str] = {}  # of the files that are complete

    def write(self, line: bytes) -> None:
        if self._file is None or self._size + len(line) > self._max:
            self.close()
            name = file_name(self._stem, len(self.sums) + 1)
            self._file = (self._folder / name).open("xb")
            self._size, self._hasher = 0, blake3.blake3()
        self._file.write(line)
        self._hasher.update(line)
        self._size += len(line)
        self.count += 1

    def close(self) -> None:
        """Make the last file durable. Raises OSError."""
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            file.flush()
            os.fsync(file.fileno())
        self.sums[file_name(self._stem, len(self.sums) + 1)] = self._hasher.hexdigest()


_ATTEMPTS_MAX = 1_000


class BundleWriter:
    """One export on its way. Make it with `begun`, which takes away what was not finished."""

    def __init__(self, final: Path, begun: Path, file_bytes_max: int) -> None:
        self._final, self._begun = final, begun
        self._lines = {stem: _Lines(begun, stem, file_bytes_max) for stem in STEMS}
        self._sidecar_sums = (begun / f".{CHECKSUMS}").open("x+b")
        self._sidecars = 0

    def write(self, stem: str, record: dict[str, Any]) -> None:
        """Append one line to the files of `stem`, one of STEMS."""
        with _told(self._final):
            self._lines[stem].write(_encoder.encode(record) + b"\n")

    def write_sidecar(self, folder: str, name: str, photo: str, data: bytes) -> str:
        """Write a photo's sidecar and return its path in the export.

        Photos that have folder and name in common get part of their id into the name.
        """
        with _told(self._final):
            path = _sidecar_path(folder, name)
            for attempt in _attempts(path, photo):
                target = self._begun / attempt
                target.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError), target.open("xb") as file:
                    file.write(data)
                    break
            else:
                raise FileExistsError(17, f"there is no free name for the sidecar of {photo}")
            self._sidecar_sums.write(_checksum(digest(data).hex(), str(attempt)))
            self._sidecars += 1
            return str(attempt)

    def finish(self, header: Header) -> Header:
        """Write what is in the export, make all of it durable and give it its name.

        Returns the header with files and counts.
        """
        with _told(self._final):
            sums: dict[str, str] = {}
            for lines in self._lines.values():
                lines.close()
                sums |= lines.sums
            counts = {stem: lines.count for stem, lines in self._lines.items()}
            told = replace(
                header, counts=counts | {SIDECARS: self._sidecars}, files=tuple(sorted(sums))
            )
            text = msgspec.json.format(_encoder.encode(told)) + b"\n"
            _write_durable(self._begun / HEADER, text)
            sums = {HEADER: digest(text).hex(), **dict(sorted(sums.items()))}
            self._write_checksums(sums)
            os.sync()  # the sidecars: one wait for all of them
            self._begun.rename(self._final)  # an empty folder gives way
            _sync_folder(self._final.parent)
            return told

    def _write_checksums(self, sums: dict[str, str]) -> None:
        with (self._begun / CHECKSUMS).open("xb") as file:
            file.writelines(_checksum(value, name) for name, value in sums.items())
            self._sidecar_sums.seek(0)
            shutil.copyfileobj(self._sidecar_sums, file)
            file.flush()
            os.fsync(file.fileno())
        self._sidecar_sums.close()
        (self._begun / f".{CHECKSUMS}").unlink()

    def discard(self) -> None:
        """Take away what was begun; nothing happens if it is finished."""
        for lines in self._lines.values():
            with suppress(OSError):
                lines.close()
        with suppress(OSError):
            self._sidecar_sums.close()
        shutil.rmtree(self._begun, ignore_errors=True)


@contextmanager
def begun(
    folder: Path, file_bytes_max: int = limits.EXPORT_FILE_BYTES_MAX
) -> Iterator[BundleWriter]:
    """Begin an export that will be `folder`; without `finish` nothing of it stays.

    Raises ExportUnwritable, also if there is something at `folder` already.
    """
    with _told(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        check_free(folder)
        for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.part"):  # by a crash
            shutil.rmtree(left, ignore_errors=True)
        place = tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent)
        writer = BundleWriter(folder, Path(place), file_bytes_max)
    try:
        yield writer
    finally:
        writer.discard()


def check_free(folder: Path) -> None:
    """Raise ExportUnwritable unless `folder` is new or an empty folder."""
    with _told(folder):
        if os.path.lexists(folder) and any(folder.iterdir()):
            raise ExportUnwritable(f"there is something in {shown(folder)} already")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportUnwritable(f"{shown(folder)}: {error.strerror or error}") from error


def _checksum(value: str, name: str) -> bytes:
    return f"{value}  {name}\n".encode()


def _attempts(path: Path, photo: str) -> Iterator[Path]:
    """Yield names for a sidecar until one is free; photos' names and ids are what peers say."""
    yield path
    yield path.with_name(f"{path.stem}~{photo[:16]}{SIDECAR_SUFFIX}")
    yield path.with_name(f"{photo}{SIDECAR_SUFFIX}")
    for number in range(_ATTEMPTS_MAX):
        yield path.with_name(f"{photo}~{number}{SIDECAR_SUFFIX}")


def _sidecar_path(folder: str, name: str) -> Path:
    """Return where a sidecar goes: below its folder, whatever a peer says that this is."""
    below = path_below(folder, name)
    # No folder is called like a sidecar that may come.
    parts = [one + "_" if one.casefold().endswith(SIDECAR_SUFFIX) else one for one in below.parts]
    return Path(SIDECARS, *parts[:-1], below.name + SIDECAR_SUFFIX)


def _write_durable(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
