"""What happens to files on disks: bytes flip, ends are lost, files go, and reads fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import strategies as st


@dataclass(frozen=True)
class Fault:
    """Something that happens to a file of some size; `at` and `size_bytes` are shares of it."""

    kind: str
    at: float = 0.0

    def happen(self, path: Path) -> None:
        size_bytes = path.stat().st_size
        offset = min(size_bytes - 1, int(self.at * size_bytes))
        if self.kind == "delete":
            path.unlink()
            return
        path.chmod(0o600)
        with path.open("r+b") as file:
            if self.kind == "truncate":
                file.truncate(offset)
            elif self.kind == "extend":
                file.seek(0, os.SEEK_END)
                file.write(b"more" * (1 + offset % 1_000))
            else:
                file.seek(offset)
                byte = file.read(1)[0]
                file.seek(offset)
                file.write(bytes([byte ^ (1 << offset % 8)]))

    def hit(self, offsets: Sequence[int]) -> set[int]:
        """Return the chunks that this damages of a blob with such `offsets`."""
        chunks = range(len(offsets) - 1)
        at = min(offsets[-1] - 1, int(self.at * offsets[-1]))
        match self.kind:
            case "flip":
                return {index for index in chunks if offsets[index] <= at < offsets[index + 1]}
            case "truncate":
                return {index for index in chunks if offsets[index + 1] > at}
            case "delete":
                return set(chunks)
        return set()


def faults(*kinds: str) -> st.SearchStrategy[Fault]:
    return st.builds(Fault, st.sampled_from(kinds), st.floats(0, 1, exclude_max=True))


@contextmanager
def failing_reads(path: Path, offset_bytes: int, size_bytes: int) -> Iterator[list[int]]:
    """Let the disk give an error for a range of one file; yields a list of the failed reads."""
    failed: list[int] = []
    real, name = os.pread, str(path.resolve())

    def pread(handle: int, count: int, offset: int) -> bytes:
        overlaps = offset < offset_bytes + size_bytes and offset_bytes < offset + count
        if overlaps and str(Path(f"/proc/self/fd/{handle}").readlink()) == name:
            failed.append(offset)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(handle, count, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", pread)
        yield failed
