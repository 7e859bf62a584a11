"""A journal file that is damaged anywhere opens, gives no wrong byte, and says what it lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from photonic.errors import JournalUnwritable
from photonic.journal import salvage as salvage_module
from photonic.journal.journal import CHANGES, HOLDINGS, Entry, Journal, ShardDigest

CASES = 240
LAST_SEQ = 90
Place = tuple[int, int]


@dataclass
class Original:
    """A journal as it was, and what a copy of it may say."""

    folder: Path
    held: dict[Place, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    genuine: dict[Place, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    last: list[Entry] = field(default_factory=list)  # of the last commit

    @property
    def places(self) -> list[Place]:
        return sorted(self.held)


def fill(journal: Journal, original: Original) -> None:
    chance = random.Random(11)

    def merge(parts: Sequence[bytes]) -> bytes:
        data = b"".join(parts)
        original.genuine[place].add(data)
        return data

    for seq in range(1, LAST_SEQ + 1):
        batch = []
        for _ in range(chance.randrange(1, 9)):
            size = chance.choice((40, 200, 900, 900, 5_000, 60_000 if seq % 9 == 0 else 900))
            entry = Entry(chance.randrange(4), chance.choice((0, 0, 1)), chance.randbytes(size))
            batch.append(entry)
            original.held[entry[:2]].append(entry.data)
            original.genuine[entry[:2]].add(entry.data)
        digests = {entry.shard: ShardDigest(bytes(32), bytes(32), seq) for entry in batch}
        journal.commit(batch, digests, {"seq": seq.to_bytes(8, "big")})
        original.last = batch
        if seq % 10 == 0 and (due := journal.compaction_due()):
            place = due
            journal.compact_step(*place, merge)


@pytest.fixture(scope="module", params=["closed", "abrupt"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A journal that was closed, and one whose process died with much in the log."""
    made = Original(tmp_path_factory.mktemp("original"))
    path = made.folder / "journal.db"
    journal = Journal(path)
    fill(journal, made)
    if request.param == "closed":
        journal.close()
        return made
    copy = tmp_path_factory.mktemp("abrupt")
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(made.folder / name, copy / name)
    journal.close()
    made.folder = copy
    assert (copy / "journal.db-wal").stat().st_size > 100_000
    return made


def damage(data: bytearray, chance: random.Random, *, may_cut: bool) -> None:
    """Flip a bit, wipe, overwrite or cut. (A log that is cut is just that of an earlier time.)"""
    at = chance.randrange(len(data))
    size = min(chance.choice((1, 8, 100, 512, 4_096, 4_096, 20_000)), len(data) - at)
    if chance.random() < 0.5:
        at -= at % 512
    match chance.randrange(5):
        case 0 | 1:
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            data[at : at + size] = bytes(size)
        case 3:
            data[at : at + size] = chance.randbytes(size)
        case 4 if may_cut:
            del data[at:]


def check(journal: Journal, original: Original) -> None:
    """Nothing that is given is wrong, and nothing that is missing goes without being told."""
    told_tail = journal.torn_bytes > 0
    is_vague = journal.salvage is not None and journal.salvage.is_vague
    told_all = is_vague or journal._file.was_empty
    assert journal.is_salvaged or not told_all
    for place in original.places:
        given = journal.updates(*place)
        assert set(given) <= original.genuine[place], place
        joined = b"".join(given)
        missing = [data for data in original.held[place] if data not in joined]
        if (
            not missing
            or told_all
            or place in {(one.shard, one.document) for one in journal.damaged}
        ):
            continue
        last = {entry.data for entry in original.last}
        assert told_tail and set(missing) <= last, f"{len(missing)} of {place} lost silently"
    seq = journal.fact("seq")
    assert seq == LAST_SEQ.to_bytes(8, "big") or told_tail or journal.is_salvaged
    assert set(journal.digests()) | journal.suspect >= {
        shard for shard, document in original.places if journal.entry_count(shard, document)
    }


@pytest.mark.parametrize("batch", range(8))
def test_damage_anywhere_is_told_and_never_returned(
    original: Original, tmp_path: Path, batch: int
) -> None:
    salvaged = lost = 0
    for seed in range(batch * CASES // 16, (batch + 1) * CASES // 16):
        chance = random.Random(seed)
        folder = tmp_path / str(seed)
        shutil.copytree(original.folder, folder)
        target = folder / chance.choice(sorted(one.name for one in folder.iterdir()))
        data = bytearray(target.read_bytes())
        # The first pages are the ones that everything hangs on.
        for _ in range(chance.randrange(1, 3)):
            head = bytearray(data[:40_000])
            if chance.random() < 0.3:
                damage(head, chance, may_cut=False)
                data[: len(head)] = head
            elif data:
                damage(data, chance, may_cut=target.suffix == ".db" and chance.random() < 0.3)
        target.write_bytes(data)

        journal = Journal(folder / "journal.db")
        check(journal, original)
        position: int | None = -1
        while position is not None:
            position = journal.scrub(position, 2)
        check(journal, original)
        salvaged += journal.salvage is not None
        lost += bool(journal.damaged)
        journal.commit([Entry(2, CHANGES, b"goes on")], {}, {})
        for _ in range(3):  # what is forgotten may uncover more, and be salvaged meanwhile
            for place in {(one.shard, one.document) for one in journal.damaged}:
                journal.forget_damaged(*place)
            for place in original.places:
                journal.updates(*place)
        assert journal.damaged == []
        journal.close()

        again = Journal(folder / "journal.db")
        assert b"goes on" in again.updates(2, CHANGES)
        again.close()
        shutil.rmtree(folder)
    assert salvaged and lost, "a fuzz that breaks nothing tests nothing"


def wipe_root(path: Path, name: str = "entries") -> None:
    """Wipe the page that all of a table or an index hangs on."""
    db = sqlite3.connect(path)
    query = "SELECT rootpage FROM sqlite_schema WHERE name=?"
    (page,) = db.execute(query, (name,)).fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))


def wreck(folder: Path, into: Path) -> Path:
    shutil.copytree(folder, into)
    wipe_root(into / "journal.db")
    return into / "journal.db"


def test_entries_are_saved_without_the_tree_above_them(original: Original, tmp_path: Path) -> None:
    path = wreck(original.folder, tmp_path / "wreck")
    wrecked = path.read_bytes()
    journal = Journal(path)
    for place in original.places:
        joined = b"".join(journal.updates(*place))
        assert all(data in joined for data in original.held[place])
    assert journal.fact("seq") == LAST_SEQ.to_bytes(8, "big")
    assert journal.salvage is not None
    assert journal.salvage.lost == ()
    assert path.with_name(journal.salvage.set_aside).read_bytes() == wrecked
    assert journal.suspect == {shard for shard, _ in original.places}
    assert any("was damaged" in note for note in journal.notes)
    journal.close()


def test_a_salvage_is_remembered_until_the_catalog_has_reacted(
    original: Original, tmp_path: Path
) -> None:
    path = wreck(original.folder, tmp_path / "wreck")
    Journal(path).updates(0, CHANGES)
    journal = Journal(path)
    assert journal.is_salvaged
    journal.settle_salvage()
    journal.close()
    assert not Journal(path).is_salvaged


def test_a_salvage_that_is_cut_short_anywhere_is_finished_later(
    original: Original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        """The power fails."""

    steps = 0
    for steps in range(1, 100):
        path = wreck(original.folder, tmp_path / str(steps))
        left = steps

        def fall(*args: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Cut

        with monkeypatch.context() as patch:
            for owner, name in (
                (Path, "unlink"),
                (Path, "replace"),
                (salvage_module, "sync_folder"),
                (salvage_module, "count_entries"),
            ):
                real = getattr(owner, name)

                def step(*args: object, real: object = real, **options: object) -> object:
                    fall()
                    return real(*args, **options)  # type: ignore[operator]

                patch.setattr(owner, name, step)
            try:
                Journal(path).close()
                break
            except Cut:
                pass
        journal = Journal(path)
        for place in original.places:
            joined = b"".join(journal.updates(*place))
            assert all(data in joined for data in original.held[place]), f"cut at step {steps}"
        journal.close()
        shutil.rmtree(path.parent)
    assert 5 < steps < 99


def test_damage_that_shows_while_it_is_in_use_is_salvaged_in_place(
    original: Original, tmp_path: Path
) -> None:
    folder = tmp_path / "used"
    shutil.copytree(original.folder, folder)
    path = folder / "journal.db"
    Journal(path).close()  # so that all of it is in the file
    journal = Journal(path)
    wipe_root(path, "entries_by_document")
    joined = b"".join(journal.updates(1, CHANGES))
    assert all(data in joined for data in original.held[1, CHANGES])
    assert journal.is_salvaged and journal.must_reopen
    digest = ShardDigest(bytes(32), bytes(32), 1)
    journal.commit([Entry(1, HOLDINGS, b"goes on")], {1: digest}, {})
    journal.close()
    again = Journal(path)
    assert b"goes on" in again.updates(1, HOLDINGS)
    assert 1 in again.suspect, "a digest of what was in memory would hide what is missing"
    assert not again.must_reopen
    again.close()


def test_only_the_newest_damaged_files_are_kept(original: Original, tmp_path: Path) -> None:
    path = wreck(original.folder, tmp_path / "wreck")
    for _ in range(5):
        Journal(path).close()
        wipe_root(path)
    kept = sorted(one.name for one in path.parent.glob("journal.db.damaged-?"))
    assert kept == [f"journal.db.damaged-{number}" for number in (3, 4, 5)]


def test_a_file_that_may_not_be_read_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.mkdir()
    with pytest.raises(JournalUnwritable):
        Journal(path)
