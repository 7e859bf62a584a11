"""What is cut from a log's end is told, and agrees with what SQLite cuts."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from photonic.journal.journal import CHANGES, Entry, Journal
from photonic.journal.tail import Tail, frames, read_tail

COMMITS = 12


@pytest.fixture(scope="module")
def abrupt(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A journal's file and its log, as a process that dies leaves them."""
    path = tmp_path_factory.mktemp("abrupt") / "journal.db"
    journal = Journal(path)
    for number in range(COMMITS):
        journal.commit([Entry(number % 3, CHANGES, b"%d" % number * 900)], {}, {})
    both = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    journal.close()
    return both


def commits_that_sqlite_finds(folder: Path, file: bytes, log: bytes) -> int:
    path = folder / "copy.db"
    for suffix, data in (("", file), ("-wal", log)):
        path.with_name(path.name + suffix).write_bytes(data)
    path.with_name("copy.db-shm").unlink(missing_ok=True)
    db = sqlite3.connect(path)
    try:
        (count,) = db.execute("SELECT count(*) FROM entries").fetchone()
    except sqlite3.OperationalError:  # not even the tables
        count = 0
    db.close()
    return int(count)


def test_a_whole_log_has_nothing_torn(abrupt: tuple[bytes, bytes]) -> None:
    tail = read_tail(abrupt[1])
    assert tail.torn_bytes == tail.commits_cut == 0
    assert tail.committed_frames == sum(1 for _ in frames(abrupt[1]))
    assert read_tail(b"") == Tail(0, 0, 0)


def test_a_log_that_ends_anywhere_is_cut_where_sqlite_cuts_it(
    abrupt: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file, log = abrupt
    whole = list(frames(log))
    chance = random.Random(3)
    for end in [0, 31, 32, 57, len(log) - 1, *(chance.randrange(len(log)) for _ in range(40))]:
        tail = read_tail(log[:end])
        # The tables' own commit comes before the entries'.
        ours = sum(frame.is_commit for frame in whole[: tail.committed_frames])
        schema = sum(frame.is_commit for frame in whole) - COMMITS
        assert max(0, ours - schema) == commits_that_sqlite_finds(tmp_path, file, log[:end])
        assert not tail.is_damaged, "one torn commit is no damage"


def test_a_page_that_rots_under_later_commits_is_damage(
    abrupt: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file, log = abrupt
    rotten = bytearray(log)
    rotten[len(log) // 2] ^= 0xFF
    tail = read_tail(bytes(rotten))
    assert tail.is_damaged
    assert 0 < tail.torn_bytes < len(log)
    assert commits_that_sqlite_finds(tmp_path, file, bytes(rotten)) < COMMITS


def test_a_header_that_rots_is_damage(abrupt: tuple[bytes, bytes]) -> None:
    for position in (0, 9, 18, 30):
        rotten = bytearray(abrupt[1])
        rotten[position] ^= 0xFF
        assert read_tail(bytes(rotten)).is_damaged


def test_frames_of_an_earlier_use_of_the_log_are_not_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    for _ in range(30):
        journal.commit([Entry(0, CHANGES, bytes(3_000))], {}, {})
    journal._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    journal.commit([Entry(0, CHANGES, b"one more")], {}, {})
    log = path.with_name("journal.db-wal").read_bytes()
    tail = read_tail(log)
    assert tail.torn_bytes == 0
    assert tail.committed_frames < len(log) // 4096 // 2
    journal.close()


def test_bytes_that_are_no_log_raise_nothing() -> None:
    chance = random.Random(5)
    for size in (1, 40, 60, 5_000, 20_000):
        read_tail(chance.randbytes(size))
