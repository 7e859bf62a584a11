"""What a simulated disk forgets: what was never fsynced, and nothing else."""

from __future__ import annotations

import errno
import random
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from photonic.journal.journal import Entry, Journal, ShardDigest
from simulations.disks import Disk, watched_databases


def _owner(one: Disk, path: str) -> Disk | None:
    return one if one.owns(path) else None


def disk(folder: Path, seed: int = 1) -> Disk:
    return Disk(folder / f"disk{seed}", random.Random(seed), 10**9)


def test_what_was_fsynced_survives_and_what_was_not_may_be_lost(tmp_path: Path) -> None:
    lost = 0
    for seed in range(40):
        one = disk(tmp_path, seed)
        one.files.write_durable(one.root / "safe", b"s" * 5_000)
        path = one.root / "part"
        one.files.write_at(path, 0, b"a" * 9_000)
        one.files.sync(path)
        one.files.write_at(path, 9_000, b"b" * 20_000)
        one.cut_power()
        assert (one.root / "safe").read_bytes() == b"s" * 5_000
        left = (one.root / "part").read_bytes()
        assert left[:9_000] == b"a" * 9_000, "it was fsynced"
        lost += left[9_000:] != b"b" * 20_000
    assert 10 < lost < 40, "sometimes it had been written back already"


def test_whoever_runs_on_after_the_power_went_changes_nothing(tmp_path: Path) -> None:
    one = disk(tmp_path)
    one.files.write_durable(one.root / "file", b"before")
    zombie, root = one.files, one.root
    one.cut_power()
    zombie.write_durable(root / "file", b"after")
    assert (one.root / "file").read_bytes() == b"before"


def test_the_power_goes_at_the_sync_that_was_chosen(tmp_path: Path) -> None:
    one, cuts = disk(tmp_path), list[int]()
    one.on_cut = lambda: cuts.append(one.syncs)
    one.cut_at_sync = one.syncs + 3
    for number in range(4):
        one.files.write_durable(one.root / f"{number}", b"x")  # two syncs each: bytes and name
    assert cuts == [3]


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    one = disk(tmp_path)
    one.left_bytes = 100
    with pytest.raises(OSError, match="No space") as error:
        one.files.write_at(one.root / "big", 0, bytes(101))
    assert error.value.errno == errno.ENOSPC
    one.left_bytes = None
    one.files.write_at(one.root / "big", 0, bytes(101))


@pytest.mark.parametrize(("level", "forgets"), [("FULL", False), ("NORMAL", True), ("OFF", True)])
def test_a_database_keeps_commits_as_it_synced_them(
    tmp_path: Path, level: str, forgets: bool
) -> None:
    forgot = 0
    for seed in range(20):
        one = disk(tmp_path, seed)
        with watched_databases(partial(_owner, one)):
            path = one.root / "some.db"
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={level}")
            db.execute("CREATE TABLE t (n)")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for number in range(30):
                db.execute("BEGIN")
                db.execute("INSERT INTO t VALUES (?)", (number,))
                db.execute("COMMIT")
            db.execute("BEGIN")
            db.execute("INSERT INTO t VALUES (99)")
            one.cut_power()
            db.close()
            again = sqlite3.connect(one.root / "some.db")
            there = [n for (n,) in again.execute("SELECT n FROM t ORDER BY rowid")]
            again.close()
        assert there == list(range(len(there))), "commits are lost from the end, and whole"
        forgot += len(there) < 30
    assert (forgot > 5) is forgets, forgot


def test_a_journal_is_whole_after_every_cut(tmp_path: Path) -> None:
    for seed in range(10):
        one = disk(tmp_path, seed)
        with watched_databases(partial(_owner, one)):
            journal = Journal(one.root / "journal.db")
            for number in range(seed + 1):
                entry = Entry(number % 3, 0, b"update %d" % number)
                digests = {number % 3: ShardDigest(bytes(32), bytes(32), number)}
                journal.commit([entry], digests, {})
            one.cut_power()
            journal.close()
            again = Journal(one.root / "journal.db")
            assert again.last_number == seed + 1
            assert not again.damaged
            again.close()


def test_rot_turns_one_bit(tmp_path: Path) -> None:
    one = disk(tmp_path)
    path = one.root / "photo"
    one.files.write_durable(path, b"p" * 1_000, mode=0o444)
    one.rot(path)
    now = path.read_bytes()
    assert sum((a ^ b).bit_count() for a, b in zip(now, b"p" * 1_000, strict=True)) == 1
