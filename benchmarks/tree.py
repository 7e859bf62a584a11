"""How long a tree of many photos takes: `python -m benchmarks.tree [FOLDER] [PHOTOS]`.

A store below FOLDER gets PHOTOS (200,000) files of its own, a sidecar for every tenth of them, and
a ledger that knows all of them (the warm index): 300 photos a day, as many in a folder. Their bytes
are none, for what is measured is the tree. Then, in this order: the tree is built from nothing; it
is looked at again, and nothing may change; its ledger forgets what is there and it is built again;
one photo more comes. Where a Ganesha can run, a client lists all of it and asks for the status of
files by sixteen at a time. Promised: built within 60 s, 2,000 statuses a second.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import nfs_rs
import trio

from photonic.blobs.chunks import ChunkList, Scan
from photonic.blobs.files import FileStore
from photonic.blobs.ledger import Ledger
from photonic.blobs.shelf import LEDGER, final_path
from photonic.blobs.store import Origin
from photonic.ids import BlobId, ChangeId, digest
from photonic.nfs.exporter import Export, User
from photonic.nfs.ganesha import Ganesha
from photonic.nfs.rules import parse_rules
from photonic.photos import BlobRef
from photonic.tree.builder import TreeBuilder
from photonic.tree.disk import TreeDisk, Writers
from photonic.tree.ledger import TreeLedger
from photonic.tree.picture import IMPORTED, Picture, SidecarVersion
from photonic.world import World

_BATCH, _A_DAY, _SIDECAR_EACH = 2_000, 300, 10
_NOBODY = User(65_534, 65_534)
_CLIENTS, _STATS = 16, 1_000
_PORT = 22_111


def pictures(count: int, sidecar: BlobId) -> Iterator[Picture]:
    for number in range(count):
        photo = BlobId(digest(number.to_bytes(8, "big")))
        day, month, year = number // _A_DAY % 28, number // _A_DAY // 28 % 12, 2000
        year += number // _A_DAY // 28 // 12
        folder = f"{year}/{year}-{month + 1:02}-{day + 1:02} Somewhere"
        claim = (f"{folder}/IMG_{number % 10_000:04}.CR3", number, ChangeId(photo))
        versions = (SidecarVersion(IMPORTED, sidecar, ChangeId(photo), number),)
        yield Picture(photo, photo, True, (claim,), versions if number % _SIDECAR_EACH == 0 else ())


def fill(root: Path, some: Sequence[Picture]) -> None:
    """Give every photo a file under its final name, and enter it as held."""
    nothing = ChunkList(())
    ledger = Ledger(root / LEDGER)
    for start in range(0, len(some), _BATCH):
        part = some[start : start + _BATCH]
        for picture in part:
            path = final_path(root, picture.original)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))
        scans = [Scan(BlobRef(one.original, 0, nothing.id), nothing) for one in part]
        ledger.record(scans, Origin.LOCAL, 1)
    ledger.close()


def timed(what: str, count: int, work: Callable[[], object]) -> float:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    rate = f"{count / took_s:10,.0f} a second"
    print(f"{what:40} {took_s:7.2f} s ({cpu_s:6.2f} s of a CPU) {rate}", flush=True)
    return took_s


def inodes(root: Path) -> dict[str, int]:
    return {
        os.path.join(folder, name): os.lstat(os.path.join(folder, name)).st_ino  # noqa: PTH118
        for folder, _, names in os.walk(root)
        for name in names
    }


def main(folder: Path, count: int) -> None:
    world, store_root = World(), folder / "blobs"
    store = FileStore.open(store_root, world)
    sidecar = store.put(b"<x:xmpmeta/>").ref.blob
    some = list(pictures(count + 1, sidecar))
    store.close()
    timed("(files in the store)", count, lambda: fill(store_root, some))
    store = FileStore.open(store_root, world)
    ledger = TreeLedger(folder / "tree.db")
    disk = TreeDisk(
        folder / "tree", lambda: world.entropy.token(8).hex(), Writers(_NOBODY.uid, _NOBODY.gid)
    )
    disk.prepare(store_root)
    builder = TreeBuilder(ledger, disk, store)
    last, rest = some[-1], some[:-1]
    timed("(the ledger learns of them)", count, lambda: _learn(ledger, rest))
    photos = [one.photo for one in rest]
    timed("built from a warm index", count, lambda: builder.build(photos))
    before = inodes(disk.root)
    timed("looked at again, nothing changes", count, lambda: builder.build(photos))
    with ledger.batch():
        ledger.forget(list(before_paths(before, disk.root)))
    timed("built again over what is there", count, lambda: builder.build(photos))
    assert inodes(disk.root) == before, "neither a path nor an inode changed"
    with ledger.batch():
        ledger.learn([last])
    timed("one photo more", 1, lambda: builder.build([last.photo]))
    if shutil.which("ganesha.nfsd") and os.geteuid() == 0:
        trio.run(_over_nfs, folder, disk.root, [one.claims[0][0] for one in rest])
    ledger.close()
    store.close()


def before_paths(found: dict[str, int], root: Path) -> Iterator[str]:
    for path in found:
        yield str(Path(path).relative_to(root))


def _learn(ledger: TreeLedger, some: Sequence[Picture]) -> None:
    waiting = iter(some)
    while part := list(islice(waiting, _BATCH)):
        with ledger.batch():
            ledger.learn(part)


async def _over_nfs(folder: Path, tree: Path, paths: Sequence[str]) -> None:
    answers = trio.Event()

    def note(error: Exception | None) -> None:
        if error is None:
            answers.set()

    export = Export(tree, parse_rules(["127.0.0.1 ro"]), _NOBODY)
    server = Ganesha(folder / "nfs", "127.0.0.1", _PORT, export, World().files, note)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        await answers.wait()
        await trio.to_thread.run_sync(_look, paths)
        nursery.cancel_scope.cancel()


def _connect() -> nfs_rs.Client:
    address = f"nfs://127.0.0.1/?version=4.0&noresvport=true&nfsport={_PORT}"
    return nfs_rs.Client.connect(address, connect_timeout=10, operation_timeout=120)


def _look(paths: Sequence[str]) -> None:
    found: list[int] = []
    timed("listed over NFS (find)", len(paths), lambda: found.append(_find(_connect())))
    print(f"   {found[0]:,} files are listed")
    step = max(1, len(paths) // (_CLIENTS * _STATS))
    asked = paths[::step][: _CLIENTS * _STATS]
    timed("status over NFS, 16 at a time", len(asked), lambda: _stat_all(asked))


def _find(client: nfs_rs.Client) -> int:
    count, waiting = 0, ["photos"]
    while waiting:
        here = waiting.pop()
        for entry in client.scandir(here):
            if entry.name.startswith("."):
                continue
            if entry.info.type is nfs_rs.FileType.DIRECTORY:
                waiting.append(f"{here}/{entry.name}")
            else:
                count += 1
    return count


def _stat_all(paths: Sequence[str]) -> None:
    def work(mine: Sequence[str]) -> None:
        client = _connect()
        for path in mine:
            client.stat(f"photos/{path}")

    threads = [
        threading.Thread(target=work, args=(paths[number::_CLIENTS],)) for number in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    base = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.gettempdir())
    photos = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory(dir=base) as place:
        Path(place).chmod(0o700)
        main(Path(place), photos)
