"""Home folders of nodes that have the built library: copied, opened without a daemon, looked at."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.libraries import LAPTOP, NODES
from photonic.crdt.catalog import Catalog
from photonic.crdt.commits import Committed
from photonic.crdt.place_seal import PlaceSeal, place_key
from photonic.identity import Identity
from photonic.journal.journal import Journal
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.world import SystemFiles, World

_CACHES = Path("/proc/sys/vm/drop_caches")


class Home:
    """One node's home folder with the library in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.layout = folder, Layout(folder)
        record = self.layout.read_record()
        assert record is not None, f"{folder} holds no library"
        self.record: LibraryRecord = record
        self.identity = Identity.load_or_create(self.layout.node_key, World())

    @property
    def journal(self) -> Path:
        return self.layout.journal(self.record.library)

    @property
    def index(self) -> Path:
        return self.layout.index(self.record.library)

    @property
    def seal(self) -> PlaceSeal:
        """What places are sealed with in this home's index."""
        return PlaceSeal(place_key(self.identity, self.record.library))

    @property
    def directory(self) -> Path:
        return self.layout.directory(self.record.library)

    def keeper(self, on_commit: Callable[[Committed], None] = lambda _: None) -> Keeper:
        """Return a keeper of this home."""
        return open_keeper(self.layout, self.record, self.identity, World(), on_commit)

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """Open the catalog as a process of its own would."""
        journal = Journal(self.journal)
        library, identity = self.record.library, self.identity
        catalog = Catalog(library, identity, journal, World(), self.directory)
        try:
            yield catalog
        finally:
            catalog.close()
            journal.close()

    def copy_for(self, node: int, seed: bytes, folder: Path) -> Home:
        """Make the home of another member who has everything, with its own key."""
        name, role = NODES[node]
        assert node != LAPTOP, f"{name} has its home"
        files, layout = SystemFiles(), Layout(folder)
        files.write_durable(layout.node_key, seed)
        target = layout.journal(self.record.library).parent
        target.mkdir(parents=True)
        for path in (self.journal, self.directory, self.index):
            for part in path.parent.glob(f"{path.name}*"):
                shutil.copy(part, target / part.name)
        layout.write_record(LibraryRecord(self.record.id, self.record.name, role), files)
        forget_numbers(layout.journal(self.record.library))
        home = Home(folder)
        seal_anew(home.index, self.seal, home.seal)
        return home


def open_keeper(
    layout: Layout,
    record: LibraryRecord,
    identity: Identity,
    world: World,
    on_commit: Callable[[Committed], None] = lambda _: None,
) -> Keeper:
    """Return a keeper, not yet run, of a library without a single blob in the store."""
    return Keeper(layout, record.library, identity, world, lambda blobs: (), on_commit)


def seal_anew(index: Path, old: PlaceSeal, new: PlaceSeal) -> None:
    """Let a copied index be its owner's: places in it open with its key alone."""
    with closing(sqlite3.connect(index)) as db, db:
        found = db.execute("SELECT n, photo, place FROM photo WHERE place IS NOT NULL").fetchall()
        rows = [(new.seal(photo, *old.open(photo, place)), n) for n, photo, place in found]
        db.executemany("UPDATE photo SET place = ? WHERE n = ?", rows)


def forget_numbers(path: Path) -> None:
    """Let a copied journal begin with its owner's first number: that one never wrote anything."""
    journal = Journal(path)
    journal.commit((), {}, {"seq": bytes(8)})
    journal.close()


def file_bytes(path: Path) -> int:
    """Return what a SQLite database weighs, with what lies beside it."""
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


def put_out(folder: Path) -> None:
    """Put the files below `folder` out of the page cache: the kernel lets go of what is clean."""
    os.sync()
    for path in SystemFiles().walk(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def put_everything_out() -> bool:
    """Drop the whole page cache, programs too, as after a boot; False where one may not."""
    os.sync()
    try:
        _CACHES.write_text("3")
    except OSError:
        return False
    return True


def resident_mb(pid: int) -> tuple[float, float]:
    """Return what a process has in memory now, and had at most, in megabytes (10^6 bytes)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kibibytes = dict(line.split(":", 1) for line in lines)
    now, peak = (int(kibibytes[name].split()[0]) for name in ("VmRSS", "VmHWM"))
    return now * 1024 / 1e6, peak * 1024 / 1e6
