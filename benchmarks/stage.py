"""A built library that figures are taken of: where it lies, and what is known of its making."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.building import SESSIONS, Builder
from benchmarks.homes import Home
from benchmarks.libraries import NODES, TABLET, Library
from photonic.crdt.catalog import Catalog
from photonic.ids import PHOTO
from photonic.limits import SHARDS


class Making(msgspec.Struct):
    """How a library was built; kept beside it, so that it need not be built again."""

    photos: int
    seed: int
    sessions: int
    seconds: dict[str, float]
    counts: dict[str, int]
    keys: dict[str, bytes]  # the nodes' private keys: of a library without a photo in it


@dataclass(slots=True)
class Stage:
    """One size."""

    folder: Path
    making: Making
    library: Library
    home: Home
    questions: int  # asked of each kind
    repeats: int  # of what takes longer
    dice: random.Random = field(default_factory=lambda: random.Random(11))

    @property
    def photos(self) -> int:
        return self.making.photos

    def tablet(self) -> Home:
        """Return the home of a second member that has everything."""
        folder = self.folder / "tablet"
        if not folder.exists():
            self.home.copy_for(TABLET, self.making.keys["tablet"], folder)
        return Home(folder)

    def some_photos(self, catalog: Catalog, count: int) -> list[bytes]:
        """Return photos at random, each of another shard as far as there are shards."""
        found: list[bytes] = []
        shards = self.dice.sample(range(SHARDS), SHARDS)
        for turn in range(8 * SHARDS):
            subjects = catalog.subjects(shards[turn % SHARDS])
            photos = [subject.key for subject in subjects if subject.kind == PHOTO]
            if photos:
                found.append(self.dice.choice(photos))
            if len(found) == count:
                break
            catalog.trim()
        return found


async def open_stage(
    folder: Path, photos: int, *, seed: int, sessions: int, questions: int, repeats: int
) -> Stage:
    """Return the stage in `folder`; the library is built unless it is there."""
    record, library = folder / "making.json", Library(photos, seed)
    if not record.exists():
        builder = Builder(folder / "laptop", library)
        built = await builder.build(sessions)
        keys = {
            name: identity.seed
            for (name, _), identity in zip(NODES, builder.identities, strict=True)
        }
        making = Making(photos, seed, sessions, dict(built.seconds), dict(built.counts), keys)
        record.write_bytes(msgspec.json.encode(making))
    making = msgspec.json.decode(record.read_bytes(), type=Making)
    assert (making.photos, making.seed) == (photos, seed), f"{folder} holds another library"
    return Stage(folder, making, library, Home(folder / "laptop"), questions, repeats)


__all__ = ["SESSIONS", "Making", "Stage", "open_stage"]
