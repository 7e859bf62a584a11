"""A real Ganesha serves the tree to a real client, which can harm no original."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import nfs_rs
import pytest
import trio

from photonic import limits
from photonic.errors import ExporterMissing, ExporterSilent, ExportRuleInvalid
from photonic.nfs.exporter import Export
from photonic.nfs.ganesha import Ganesha
from photonic.nfs.probe import list_folder
from photonic.nfs.rules import parse_rules
from photonic.tree.disk import Writers
from photonic.world import World
from tests.nfs.serving import NOBODY, client, free_port, read, require_ganesha, write
from tests.tree.shelf import TreeShelf

FOLDER = "2024/2024-05-17 Iceland"
ORIGINAL, SIDECAR = f"{FOLDER}/IMG_1.CR3", f"{FOLDER}/IMG_1.CR3.xmp"
RAW = os.urandom(300_000)
BOUND_S = 30.0


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[TreeShelf]:
    require_ganesha()
    shelf = TreeShelf(tmp_path, Writers(NOBODY.uid, NOBODY.gid))
    shelf.add(RAW, ORIGINAL, sidecars=[("xmp", b"<x/>")])
    shelf.build()
    tmp_path.chmod(0o700)  # as a home folder is: nobody of this machine looks in
    yield shelf
    shelf.close()


class Served:
    """A Ganesha that runs, and what was told of it."""

    def __init__(self, shelf: TreeShelf, *rules: str) -> None:
        self.port, self.told = free_port(), list[ExporterSilent | None]()
        self._news = trio.Event()
        self.export = Export(shelf.root, parse_rules(rules), NOBODY)
        self.server = Ganesha(
            shelf.folder / "nfs", "127.0.0.1", self.port, self.export, World().files, self._note
        )

    def _note(self, error: ExporterSilent | None) -> None:
        self.told.append(error)
        self._news.set()
        self._news = trio.Event()

    async def wait_serving(self, restarts: int = 0) -> None:
        with trio.fail_after(BOUND_S):
            while self.server.state.state != "serving" or self.server.state.restarts < restarts:
                await self._news.wait()

    @property
    def pid(self) -> int:
        assert self.server._process is not None
        return self.server._process.pid


@asynccontextmanager
async def serving(shelf: TreeShelf, *rules: str) -> AsyncIterator[Served]:
    served = Served(shelf, *rules)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(served.server.run)
        await served.wait_serving()
        yield served
        nursery.cancel_scope.cancel()


def run(work: Callable[[], Awaitable[None]]) -> None:
    trio.run(work)


def test_a_client_reads_and_writes_sidecars_and_can_harm_no_original(shelf: TreeShelf) -> None:
    async def story() -> None:
        async with serving(shelf, "127.0.0.1 rw") as served:
            await trio.to_thread.run_sync(_try_everything, served.port)

    run(story)
    assert (shelf.root / ORIGINAL).read_bytes() == RAW
    assert (shelf.root / ORIGINAL).stat().st_mode & 0o777 == 0o444
    assert (shelf.root / SIDECAR).read_bytes() == b"<replaced/>"


def _try_everything(port: int) -> None:
    with client(port) as mounted:
        original, sidecar = f"photos/{ORIGINAL}", f"photos/{SIDECAR}"
        assert read(mounted, original) == RAW
        write(mounted, f"photos/{FOLDER}/new.xmp", b"<replaced/>")
        attacks: dict[str, Callable[[], object]] = {
            "write": lambda: write(mounted, original, b"evil"),
            "append": lambda: write(mounted, original, b"evil", "ab"),
            "update": lambda: write(mounted, original, b"evil", "r+b"),
            "truncate": lambda: mounted.truncate(original, 0),
            "chmod": lambda: mounted.chmod(original, 0o666),
            "chown": lambda: mounted.chown(original, NOBODY.uid, NOBODY.gid),
            "remove": lambda: mounted.remove(original),
            "rename": lambda: mounted.rename(original, f"photos/{FOLDER}/other.CR3"),
            "rename over": lambda: mounted.rename(f"photos/{FOLDER}/new.xmp", original),
            "link": lambda: mounted.link(original, f"photos/{FOLDER}/link.CR3"),
            "open the folder": lambda: mounted.chmod(f"photos/{FOLDER}", 0o777),
            "move the folder": lambda: mounted.rename(f"photos/{FOLDER}", "photos/2024/x"),
            "move the year": lambda: mounted.rename("photos/2024", "photos/x"),
            "remove the folder": lambda: mounted.rmdir(f"photos/{FOLDER}"),
            "a folder beside it": lambda: mounted.mkdir("photos/2024/mine"),
        }
        for name, attack in attacks.items():
            with pytest.raises(nfs_rs.NfsError):
                attack()
            assert read(mounted, original) == RAW, name
        write(mounted, sidecar, b"<in-place/>")
        assert read(mounted, sidecar) == b"<in-place/>"
        mounted.rename(f"photos/{FOLDER}/new.xmp", sidecar)  # as who writes a file beside it does


def test_who_may_only_read_writes_nothing_and_others_see_nothing(shelf: TreeShelf) -> None:
    def read_only(port: int) -> None:
        with client(port) as mounted:
            assert read(mounted, f"photos/{ORIGINAL}") == RAW
            with pytest.raises(nfs_rs.NfsError):
                write(mounted, f"photos/{SIDECAR}", b"<no/>")

    def nothing(port: int) -> None:
        with client(port) as mounted, pytest.raises(nfs_rs.NfsError):
            mounted.stat(f"photos/{ORIGINAL}")

    async def story() -> None:
        async with serving(shelf, "127.0.0.1 ro") as served:
            await trio.to_thread.run_sync(read_only, served.port)
            others = replace(served.export, rules=parse_rules(["10.9.9.9 rw"]))
            await served.server.apply(others)
            await trio.to_thread.run_sync(nothing, served.port)

    run(story)


def test_it_has_one_capability_and_is_another_user(shelf: TreeShelf) -> None:
    async def story() -> None:
        async with serving(shelf, "127.0.0.1 ro") as served:
            status = await trio.Path(f"/proc/{served.pid}/status").read_text()
            lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert lines["Uid"].split() == ["65534"] * 4
            sets = [lines[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")]
            assert sets == ["0000000000000004"] * 5
            assert lines["NoNewPrivs"] == "1"

    run(story)


def test_killed_it_is_back_within_5_s(shelf: TreeShelf) -> None:
    async def story() -> None:
        async with serving(shelf, "127.0.0.1 ro") as served:
            await served.wait_serving()
            before_s = trio.current_time()
            os.kill(served.pid, signal.SIGKILL)
            await served.wait_serving(restarts=1)
            assert trio.current_time() - before_s < 5
            assert any(isinstance(one, ExporterSilent) for one in served.told), "it is told"
            assert served.told[-1] is None, "and over"
            await trio.to_thread.run_sync(_reads, served.port)

    run(story)


def _reads(port: int) -> None:
    with client(port) as mounted:
        assert read(mounted, f"photos/{ORIGINAL}") == RAW


def test_a_server_that_an_earlier_run_left_is_ended(shelf: TreeShelf) -> None:
    async def story() -> None:
        async with serving(shelf, "127.0.0.1 ro") as served:
            again = Ganesha(
                shelf.folder / "nfs", "127.0.0.1", served.port, served.export, World().files,
                lambda _: None,
            )  # fmt: skip
            again._end_earlier()
            await served.wait_serving(restarts=1)

    run(story)


def test_a_rule_that_cannot_be_used_is_refused_before_anything_is_touched(
    shelf: TreeShelf,
) -> None:
    async def story() -> None:
        async with serving(shelf, "127.0.0.1 ro") as served:
            config, pid = shelf.folder / "nfs/ganesha.conf", served.pid
            before = config.read_bytes()
            broken = replace(served.export, folder=Path('/srv/"} EXPORT {'))
            with pytest.raises(ExportRuleInvalid):
                await served.server.apply(broken)
            assert config.read_bytes() == before and served.pid == pid
            assert served.server.export == served.export
            await trio.to_thread.run_sync(_reads, served.port)

    run(story)


def test_what_turns_out_not_to_work_is_taken_back(
    shelf: TreeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPORT_READY_S", 1.0)

    async def story() -> None:
        async with serving(shelf, "127.0.0.1 ro") as served:
            real = served.server._reload
            calls: list[int] = []

            def reload_only_later() -> None:
                calls.append(1)
                if len(calls) > 1:
                    real()

            monkeypatch.setattr(served.server, "_reload", reload_only_later)
            with pytest.raises(ExporterSilent):
                await served.server.apply(replace(served.export, rules=()))
            assert served.server.export == served.export
            with trio.fail_after(BOUND_S):
                await served.server._wait_ready(BOUND_S)
            await trio.to_thread.run_sync(_reads, served.port)

    run(story)


def test_what_is_no_nfs_server_gives_no_listing() -> None:
    async def story() -> None:
        with pytest.raises(ExporterSilent):
            await list_folder("127.0.0.1", free_port(), "photos")

    run(story)


def test_without_the_program_it_is_told(shelf: TreeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    async def story() -> None:
        with pytest.raises(ExporterMissing):
            await Served(shelf, "127.0.0.1 ro").server.run()

    run(story)
