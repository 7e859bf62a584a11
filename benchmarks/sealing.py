"""What sealing costs: `python -m benchmarks.sealing [FOLDER] [PHOTOS]`.

The same made-up photos, each with a place, are written into two catalogs: one that seals places
and one whose policy leaves them in the clear. Then an index is made of each, closed, and opened
again until the first answer about a place. Medians are not taken: the catalogs take turns, piece by
piece, so what else the machine does meets both. Alone, one value is sealed and opened many times.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photonic.crdt.batches import Batch
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import FACTS, FOLDER, IMPORTED, NAME, ORIGINAL
from photonic.crdt.index import PhotoIndex
from photonic.crdt.keys import SHARD_COUNT
from photonic.crdt.loader import Loader
from photonic.crdt.place_seal import PlaceSeal, place_key
from photonic.crdt.query import PhotoQuery
from photonic.crdt.sealing import POLICY_FIELDS, SEALING_POLICY
from photonic.crdt.standpoint import Standpoint, by_subject, in_pieces
from photonic.identity import Identity
from photonic.ids import BlobId, digest, photo_subject
from photonic.journal.journal import Journal
from photonic.layout import Layout
from photonic.membership import found_library
from photonic.search.criteria import Place
from photonic.world import World

_AT_ONCE = 500
_VALUES = 20_000
_BOX = Place(64.0, -22.5, 64.5, -21.0)


def drafts(numbers: Sequence[int]) -> list[Draft]:
    """Return photos that are scattered over Iceland."""
    made = []
    for number in numbers:
        photo = BlobId(digest(b"photo %d" % number))
        random = np.random.default_rng(number)
        position = {
            "latitude": round(float(random.uniform(63.3, 66.5)), 7),
            "longitude": round(float(random.uniform(-24.5, -13.5)), 7),
            "altitude_m": round(float(random.uniform(0, 2_000)), 1),
        }
        facts = {
            "media_type": "image/jpeg",
            "width": 6_000,
            "height": 4_000,
            "taken": f"20{number % 20:02}-{number % 12 + 1:02}-{number % 28 + 1:02}T10:00:00",
            "camera_make": "FUJIFILM",
            "camera_model": "X-T5",
            "position": position,
        }
        sets = {
            ORIGINAL: [photo, 25_000_000, bytes(32)],
            NAME: f"DSCF{number % 10_000:04}.JPG",
            FOLDER: f"20{number % 20:02}",
            FACTS: facts,
            IMPORTED: 1_700_000_000_000,
        }
        made.append(Draft(photo_subject(photo), sets))
    return made


@dataclass
class Side:
    """One catalog, and the seconds that things took."""

    name: str
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world, layout = World(), Layout(self.folder)
        self.me = Identity.load_or_create(layout.node_key, world)
        self.record = found_library(
            layout, self.me, name="Benchmark", role="central", node_name="here", world=world
        )
        library = self.record.library
        self.journal = Journal(layout.journal(library))
        self.catalog = Catalog(library, self.me, self.journal, world, layout.directory(library))
        self.index_file = layout.index(library)
        self.seal = PlaceSeal(place_key(self.me, library))

    def write(self, some: list[Draft]) -> None:
        began_s = time.perf_counter()
        self.catalog.write(some)
        self.catalog.flush()
        self.note("write", time.perf_counter() - began_s)

    def note(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def load(self) -> None:
        """Make the whole index, as `photonic/indexer.py` does."""
        began_s = time.perf_counter()
        loader = Loader(self.index_file, 0, self.seal)
        root = Standpoint(self.catalog.roster, self.catalog.display, lambda _: (), 0)
        for shard in range(SHARD_COUNT - 1):
            loader.begin(shard)
            for piece in in_pieces(by_subject(self.catalog.shard(shard))):
                batch: Batch = root.batch(piece)
                loader.add(batch)
        assert loader.build()
        loader.close()
        PhotoIndex(self.index_file, self.seal).close()
        index = PhotoIndex(self.index_file, self.seal)
        index.replace(loader.path)
        index.close()
        self.note("index", time.perf_counter() - began_s)

    def start(self) -> tuple[int, int]:
        """Open the index and ask for a place; return how many are found, and memory's bytes."""
        began_s = time.perf_counter()
        index = PhotoIndex(self.index_file, self.seal)
        self.note("open", time.perf_counter() - began_s)
        index.positions.load()
        self.note("places", time.perf_counter() - began_s)
        query = PhotoQuery(index.engine)
        began_s = time.perf_counter()
        found = query.count(_BOX)
        self.note("first answer", time.perf_counter() - began_s)
        began_s = time.perf_counter()
        query.page(_BOX, 100, None)
        self.note("page of 100", time.perf_counter() - began_s)
        size_bytes = index.positions.size_bytes
        index.close()
        return found.count, size_bytes


def values(side: Side) -> None:
    """Seal and open one value many times."""
    (draft,) = drafts([0])
    sealing, facts = side.catalog.sealing, draft.sets[FACTS]
    began_s = time.perf_counter()
    for _ in range(_VALUES):
        sealed = sealing.sealed(draft.subject, {FACTS: facts})
    print(f"seal one place: {(time.perf_counter() - began_s) / _VALUES * 1e6:.1f} us")
    (signed,) = side.catalog.directory.changes(draft.subject)
    assert signed.change.sets[FACTS] == sealed[FACTS]
    began_s = time.perf_counter()
    for _ in range(_VALUES):
        sealing.opened(signed)
    print(f"open one change: {(time.perf_counter() - began_s) / _VALUES * 1e6:.1f} us")


def measure(folder: Path, photos: int) -> None:
    sides = [Side("sealed", folder / "sealed"), Side("clear", folder / "clear")]
    sides[1].catalog.write([Draft(SEALING_POLICY, {POLICY_FIELDS: []})])
    sides[1].catalog.flush()
    for start in range(0, photos, _AT_ONCE):
        some = drafts(range(start, min(start + _AT_ONCE, photos)))
        for side in sides:
            side.write(some)
    values(sides[0])
    for side in sides:
        side.load()
        count, size_bytes = side.start()
        print(f"{side.name}: {photos / side.seconds['write']:,.0f} photos/s written,", end=" ")
        print(f"index {side.seconds['index']:.1f} s, opened in {side.seconds['open']:.3f} s,")
        print(f"  places in memory after {side.seconds['places']:.2f} s ({size_bytes:,} bytes),")
        print(f"  {count:,} found in {side.seconds['first answer'] * 1e3:.1f} ms,", end=" ")
        print(f"a page of 100 in {side.seconds['page of 100'] * 1e3:.1f} ms")
        side.catalog.close()
        side.journal.close()


def main() -> None:
    words = sys.argv[1:]
    below = Path(words[0]) if words else None
    photos = int(words[1]) if len(words) > 1 else 100_000
    with tempfile.TemporaryDirectory(dir=below) as folder:
        measure(Path(folder), photos)


if __name__ == "__main__":
    main()
