"""What was read is remembered as long as the file stays the same, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from photonic import limits
from photonic.ids import BlobId, digest
from photonic.ingest.seen import Seen, sight
from photonic.world import World

BLOB = BlobId(digest(b"what it held"))


class Later:
    """A clock that is ahead of the disk's."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead_ms = int(ahead_s * 1_000)

    def now_ms(self) -> int:
        return World().clock.now_ms() + self._ahead_ms

    def monotonic_s(self) -> float:
        return 0.0


def test_a_file_is_remembered_over_a_restart_until_it_changes(tmp_path: Path) -> None:
    path, home = tmp_path / "a.jpg", tmp_path / "seen.db"
    path.write_bytes(b"one")
    seen = Seen(home, Later(60))
    seen.note([(sight(path), BLOB)])
    seen.close()
    again = Seen(home, Later(60))
    assert again.blob(sight(path)) == BLOB
    assert again.blob(sight(path, photo=BLOB)) is None
    status = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as `cp -p` and rsync do
    assert again.blob(sight(path)) is None
    again.close()


def test_a_file_that_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    seen = Seen(None, Later(0))
    seen.note([(sight(path), BLOB)])
    assert seen.blob(sight(path)) is None
    seen.close()


def test_a_damaged_memory_is_begun_anew(tmp_path: Path) -> None:
    path, home = tmp_path / "a.jpg", tmp_path / "seen.db"
    path.write_bytes(b"one")
    home.write_bytes(b"no database at all" * 1_000)
    seen = Seen(home, Later(60))
    seen.note([(sight(path), BLOB)])
    assert seen.blob(sight(path)) == BLOB
    seen.close()
    seen.note([(sight(path), BLOB)])  # closed: nothing to remember with, and no failure
    assert seen.blob(sight(path)) is None


def test_the_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for path in paths:
        path.write_bytes(b"x")
    seen = Seen(None, Later(60))
    monkeypatch.setattr(limits, "SEEN_FILES_MAX", 3)
    seen.note([(sight(path), BLOB) for path in paths])
    assert [seen.blob(sight(path)) is not None for path in paths] == [False] * 2 + [True] * 3
    seen.close()
