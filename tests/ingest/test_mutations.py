"""Photos that were spoilt at random: a reader answers or costs its process, and never hangs.

Mutations of real camera files (beside the repository, where they are) and of those that the tests
make, through the product's own pool of confined processes. PHOTONIC_FUZZ_PHOTOS says how many; the
suite takes a few, `tox -e fuzz` many. The seed of a failure is in its message.
"""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest
import trio

from photonic import limits
from photonic.errors import FileEmpty, FileSetAside, PhotoUnreadable, WorkerDied
from photonic.ids import BlobId, digest
from photonic.ingest.suspects import Suspects
from photonic.ingest.workers import Workers
from photonic.photos import media_type
from photonic.world import World
from tests.bombs import BOMBS
from tests.cameras import GOOD
from tests.ingest.test_metadata import SHARED
from tests.ingest.test_workers import with_workers

COUNT = int(os.environ.get("PHOTONIC_FUZZ_PHOTOS", "150"))
LARGEST_BYTES = 600_000  # whoever changes a few bytes of a large file mostly changes pixels
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def samples(folder: Path) -> list[tuple[str, bytes]]:
    """Return files to spoil: of every kind that the tests make, and of real cameras."""
    found = []
    for file in GOOD:
        file.make(folder / file.name)
        found.append((file.name, (folder / file.name).read_bytes()))
    return found + [
        (path.name, path.read_bytes())
        for path in (sorted(SHARED.rglob("*")) if SHARED.is_dir() else [])
        if path.is_file() and media_type(path.name) and path.stat().st_size < LARGEST_BYTES
    ]


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """Return `data` changed as damage and attackers do, more often near the beginning."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if not changed:
            break
        top = min(len(changed), chance.choice([64, 512, 4_096, 65_536, len(changed)]))
        at = chance.randrange(top)
        match chance.randrange(6):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                form = chance.choice([">H", "<H", ">I", "<I"])
                number = chance.choice(_NUMBERS) & (0xFFFF if "H" in form else 0xFFFFFFFF)
                changed[at : at + struct.calcsize(form)] = struct.pack(form, number)
            case 2:
                del changed[at : at + chance.randint(1, 64)]
            case 3:
                changed[at:at] = chance.randbytes(chance.randint(1, 64))
            case 4:
                start = chance.randrange(len(changed))
                changed[at:at] = changed[start : start + chance.randint(1, 4_096)]
            case 5:
                del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


@pytest.mark.slow
def test_spoilt_photos_are_answered_or_cost_their_reader(tmp_path: Path) -> None:
    stored = tmp_path / "blobs"
    stored.mkdir()
    seed = int(os.environ.get("PHOTONIC_FUZZ_SEED", "5"))
    files = samples(tmp_path)
    book = Suspects(tmp_path / "suspects.json", World())
    outcomes: dict[str, int] = {}

    async def work(workers: Workers) -> None:
        chance = random.Random(seed)
        for number in range(COUNT):
            name, data = chance.choice(files)
            data = spoilt(data, chance)
            blob = BlobId(digest(data))
            path = stored / blob.hex()
            path.write_bytes(data)
            bound_s = 3 * (limits.METADATA_TIMEOUT_S + limits.RENDITION_TIMEOUT_S)
            outcome = "shown"
            try:
                with trio.fail_after(bound_s):
                    found = await workers.examine(path, name, blob)
                assert len(found.renditions) in (0, len(limits.PREVIEW_EDGES_PX))
            except (PhotoUnreadable, FileEmpty, WorkerDied, FileSetAside) as error:
                outcome = error.code
            except BaseException:
                print(f"seed {seed}, number {number}, {name}")
                raise
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            path.unlink()
        name, data = files[0]
        (stored / "last").write_bytes(data)
        assert (await workers.examine(stored / "last", name)).damage is None, "fit for the next"

    with_workers(2, work, limits.METADATA_TIMEOUT_S, stored, book, within_s=120 + COUNT * 0.5)
    print(outcomes)
    assert sum(outcomes.values()) == COUNT
    assert outcomes.get("shown", 0) and outcomes.get("ingest.unreadable", 0)


def test_every_bomb_is_answered_within_the_walls(tmp_path: Path) -> None:
    stored = tmp_path / "blobs"
    stored.mkdir()
    codes: dict[str, str] = {}

    async def work(workers: Workers) -> None:
        for name, make in BOMBS.items():
            path = stored / "5e0f"
            path.write_bytes(make())
            try:
                await workers.examine(path, name)
                codes[name] = "shown"
            except (PhotoUnreadable, WorkerDied) as error:
                codes[name] = error.code
            (pid,) = workers.pids or [0]
            if pid:
                assert _peak_bytes(pid) < limits.WORKER_MEMORY_BYTES_MAX // 4, name

    with_workers(1, work, readable=stored)
    assert set(codes) == set(BOMBS)


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
