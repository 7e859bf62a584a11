"""What is measured of a library, phase by phase. Each takes a stage and returns its findings."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import anyio

from benchmarks.asking import ask
from benchmarks.ceilings import insert_s, signatures, stream_mb_s
from benchmarks.findings import Finding, Growth, percentiles
from benchmarks.homes import file_bytes, put_everything_out, put_out
from benchmarks.libraries import TABLET, Library, Taken
from benchmarks.meetings import bootstrap, exchanges_of_one_edit, see_edits, write_drafts
from benchmarks.pairs import pushes_s
from benchmarks.questions import FIRST, Questions
from benchmarks.stage import Stage
from benchmarks.starts import STATUS, start
from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING
from photonic.crdt.keys import SHARD_COUNT
from photonic.crdt.replica import CatalogReplica
from photonic.drafts import introduction
from photonic.ids import BlobId, photo_subject
from photonic.journal.journal import CHANGES

_REST_KINDS = (FIRST, "rating", "tag", "camera", "date range", "text, common", "combination")
_START_S = 6.0  # of two daemons, whatever is in them
_BUILDING = ("open", "written", "received", "held", "edited", "contested")


async def build(stage: Stage) -> list[Finding]:
    """How fast the library was built: signed or judged, journalled, folded and indexed."""
    making = stage.making
    total_s = sum(making.seconds.get(name, 0.0) for name in _BUILDING)
    signed, verified = await anyio.to_thread.run_sync(signatures)
    found = [
        Finding("build", total_s, "s", growth=Growth.LINEAR, noise=5),
        Finding("build, photos a second", stage.photos / total_s, "/s"),
    ]
    for name, said in (
        ("written", "photos written here"),
        ("received", "photos received from a peer"),
        ("held", "holdings received"),
        ("edited", "edits written"),
    ):
        rate = making.counts.get(name, 0) / making.seconds[name] if name in making.seconds else 0.0
        found.append(Finding(f"build, {said}", rate, "/s"))
    return [
        *found,
        Finding("limit: signatures made by a core", signed, "/s"),
        Finding("limit: signatures verified by a core", verified, "/s"),
    ]


async def disk(stage: Stage) -> list[Finding]:
    """What the library weighs, beside its changes alone in a bare SQLite table."""
    return await anyio.to_thread.run_sync(_disk, stage)


def _disk(stage: Stage) -> list[Finding]:
    sizes = {"changes": 0, "vector": 0, "count": 0}
    with stage.home.catalog() as catalog:
        bare_s = insert_s(_rows(catalog, sizes), limits.IMPORT_BATCH_MAX, stage.folder)
        vector = max(len(CatalogReplica(catalog).vector(n, CHANGES)) for n in range(16))
    home = stage.home
    journal, directory, index = map(file_bytes, (home.journal, home.directory, home.index))
    return [
        Finding("disk, signed changes", sizes["changes"] / stage.photos, "B a photo"),
        Finding("disk, journal", journal / stage.photos, "B a photo"),
        Finding("disk, directory of the journal", directory / stage.photos, "B a photo"),
        Finding("disk, index", index / stage.photos, "B a photo"),
        Finding("disk, changes", sizes["count"] / stage.photos, "a photo"),
        Finding(
            f"state vector of a shard after {stage.making.sessions} lives",
            vector, "B", growth=Growth.FLAT, noise=2_000,
        ),
        Finding("limit: the same changes into bare SQLite", bare_s, "s"),
    ]  # fmt: skip


def _rows(catalog: Catalog, sizes: dict[str, int]) -> Iterator[bytes]:
    for number in range(SHARD_COUNT):
        for signed in catalog.directory.shard(number):
            sizes["changes"] += len(signed.data)
            sizes["count"] += 1
            yield signed.data


async def rebuild(stage: Stage) -> list[Finding]:
    """Delete the index and have it made again from the journal."""
    for part in stage.home.index.parent.glob(f"{stage.home.index.name}*"):
        part.unlink()
    began_s = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        keeper = stage.home.keeper()
        await tasks.start(keeper.run)
        while keeper.progress[0]:  # noqa: ASYNC110 - another thread counts it
            await anyio.sleep(0.02)
        taken_s = time.perf_counter() - began_s
        there = await anyio.to_thread.run_sync(keeper.index.photo_count)
        assert there == stage.photos, f"{there:,} photos are in the index"
        tasks.cancel_scope.cancel()
    return [
        Finding("index rebuilt", taken_s, "s", growth=Growth.LINEAR, noise=2),
        Finding("index rebuilt, for each photo", taken_s / stage.photos * 1e6, "us"),
    ]


async def query(stage: Stage) -> list[Finding]:
    """Ask the index, in this process."""
    return await anyio.to_thread.run_sync(ask, stage.home, stage.library, stage.questions)


async def write(stage: Stage) -> list[Finding]:
    """What one edit of any photo costs, durable and indexed, on a node that has everything."""
    folder, dice = stage.folder / "writer", stage.dice
    home = stage.home.copy_for(TABLET, stage.making.keys["tablet"], folder)
    with home.catalog() as catalog:
        photos = stage.some_photos(catalog, 2 * stage.repeats)
    cold, warm, imported = list[float](), list[float](), list[float]()
    async with anyio.create_task_group() as tasks:
        keeper = home.keeper()
        await tasks.start(keeper.run)
        for photo in photos:
            for times in (cold, warm):
                draft = Draft(photo_subject(BlobId(photo)), {RATING: dice.randint(0, 5)})
                began_s = time.perf_counter()
                await keeper.call(partial(write_drafts, [draft]))
                times.append(time.perf_counter() - began_s)
        for drafts in _imports(stage):
            began_s = time.perf_counter()
            await keeper.call(partial(write_drafts, drafts))
            imported.append(time.perf_counter() - began_s)
        tasks.cancel_scope.cancel()
    shutil.rmtree(folder)
    return [
        *percentiles(
            f"import of {limits.IMPORT_BATCH_MAX} photos, into the catalog", imported,
            must=limits.IMPORT_BATCH_MAX * 60.0, growth=Growth.FLAT, noise=100,
        ),
        *percentiles("edit, photo not touched lately", cold, growth=Growth.FLAT, noise=20),
        *percentiles("edit, again", warm, growth=Growth.FLAT, noise=20),
    ]  # fmt: skip


def _imports(stage: Stage) -> Iterator[list[Draft]]:
    """Yield what an import writes at one time: photos that the library has not."""
    others = Library(stage.repeats * limits.IMPORT_BATCH_MAX, stage.making.seed + 1).deeds()
    taken = (introduction(deed.photo, deed.at_ms) for deed in others if isinstance(deed, Taken))
    while drafts := list(islice(taken, limits.IMPORT_BATCH_MAX)):
        yield drafts


async def begin(stage: Stage) -> list[Finding]:
    """Start real daemons: on an empty home and on the library, warm and cold; ask over REST."""
    return await anyio.to_thread.run_sync(_begin, stage)


def _begin(stage: Stage) -> list[Finding]:
    questions = Questions(stage.library, seed=5)
    texts = {kind: [questions.text(kind) for _ in range(stage.repeats)] for kind in _REST_KINDS}
    empty, home = stage.folder / "empty", stage.home.folder
    start(empty)
    bare = start(empty)
    put_out(home)
    cold = start(home, texts)
    warm = start(home)
    said: dict[str, Any] = {"must": 3.0, "growth": Growth.LINEAR, "noise": 1.0}
    rows = [
        Finding("start to the first page", cold.first_page_s, "s", **said),
        Finding("start to the first page, its files in memory", warm.first_page_s, "s", **said),
        Finding("limit: start of an empty home", bare.first_page_s, "s"),
        Finding("resident at the first page", cold.resident_mb, "MB", must=400.0),
        Finding("resident at most, while asked", cold.peak_mb, "MB", must=400.0),
        Finding("limit: resident with an empty home", bare.resident_mb, "MB"),
    ]
    for kind, seconds in cold.asked_s.items():
        must = {} if kind == STATUS else {"must": 30.0}
        rows += percentiles(f"REST: {kind}", seconds, growth=Growth.LINEAR, noise=15, **must)
    if put_everything_out():
        booted = start(home).first_page_s
        note = "the program comes from the disk, too"
        rows.append(Finding("start to the first page, after a boot", booted, "s", note=note))
    return rows


async def reconcile(stage: Stage) -> list[Finding]:
    """What two catalogs exchange after one edit, without a network between them."""
    with stage.home.catalog() as catalog:
        photos = stage.some_photos(catalog, stage.repeats)
    met = await exchanges_of_one_edit(stage.home, stage.tablet(), photos, stage.dice)
    assert all(one.is_same for one in met), "the two must be equal after they met"
    both = [one.out_bytes + one.back_bytes for one in met]
    return [
        Finding(
            "one edit, bytes to reconcile, both ways", max(both), "B",
            must=16_000, growth=Growth.FLAT, noise=6_000,
            note=f"median {statistics.median(both):,.0f}",
        ),
        Finding("one edit, messages", max(one.messages for one in met), growth=Growth.FLAT),
        *percentiles(
            "one edit, reconciled in one process", [one.seconds for one in met],
            must=1_000.0, growth=Growth.FLAT, noise=50,
        ),
    ]  # fmt: skip


async def see(stage: Stage) -> list[Finding]:
    """When an edit is seen on another daemon."""
    tablet = stage.tablet()
    with stage.home.catalog() as catalog:
        photos = stage.some_photos(catalog, stage.repeats)
    pushed_s = await pushes_s(stage.home, tablet, photos, stage.dice)
    names = [photo.hex() for photo in photos]
    found = await anyio.to_thread.run_sync(see_edits, stage.home, tablet, names, stage.dice)
    return [
        *percentiles(
            "one edit, in the peer's index, by catalog and libp2p alone", pushed_s,
            must=1_000.0, growth=Growth.FLAT, noise=50,
        ),
        *percentiles("REST: an edit, answered", found.edit_s, growth=Growth.FLAT, noise=50),
        *percentiles(
            "one edit, visible on the peer", found.pushed_s,
            must=1_000.0, growth=Growth.FLAT, noise=100,
        ),
        Finding(
            "edited apart, visible after the peer serves", found.met_s, "s",
            must=1.0, growth=Growth.FLAT, noise=1.0,
        ),
    ]  # fmt: skip


async def join(stage: Stage) -> list[Finding]:
    """Have an empty node take everything."""
    stream = await stream_mb_s()
    folder = stage.folder / "newcomer"
    shutil.rmtree(folder, ignore_errors=True)
    found = await anyio.to_thread.run_sync(bootstrap, stage.home, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return [
        Finding(
            "new node has all", found.seconds, "s",
            must=_START_S + 300 * found.photos / 1e6, growth=Growth.LINEAR, noise=20,
        ),
        Finding("new node, photos a second", found.photos / found.seconds, "/s"),
        Finding("new node, resident at most", found.taker_peak_mb, "MB", must=400.0),
        Finding("its giver, resident at most", found.giver_peak_mb, "MB", must=400.0),
        Finding("limit: one libp2p stream", stream, "MB/s"),
    ]  # fmt: skip


PHASES: dict[str, Callable[[Stage], Awaitable[list[Finding]]]] = {
    "build": build,
    "disk": disk,
    "rebuild": rebuild,
    "query": query,
    "write": write,
    "start": begin,
    "reconcile": reconcile,
    "see": see,
    "join": join,
}
