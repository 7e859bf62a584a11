"""A watched folder hands on what is complete, and goes on whatever becomes of the folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trio

from photonic import limits
from photonic.ingest.watch import Watch
from photonic.problems import Problems
from photonic.world import World

BOUND_S = 30.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, shorter."""
    monkeypatch.setattr(limits, "SETTLE_S", 0.2)
    monkeypatch.setattr(limits, "WATCH_CHECK_S", 0.1)


class Watched:
    """What a running watch handed on, and waits for more of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.told = folder, list[str](), trio.Event()
        self.problems = Problems(lambda event: self._tell())
        self.watch = Watch(folder, World(), self.problems)

    def _tell(self) -> None:
        self.told.set()
        self.told = trio.Event()

    async def take(self, files: Sequence[Path]) -> None:
        self.files += [str(path.relative_to(self.folder)) for path in files]
        self._tell()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self.told.wait()

    async def until_files(self, *names: str) -> None:
        await self.until(lambda: len(self.files) >= len(names))
        assert sorted(self.files) == sorted(names)

    def codes(self) -> set[str]:
        return {problem.code for problem in self.problems.list()}

    async def until_code(self, code: str) -> None:
        await self.until(lambda: code in self.codes())


def watching(folder: Path, work: Callable[[Watched], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(BOUND_S):
            watched = Watched(folder)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watched.watch.run, watched.take)
                await work(watched)
                nursery.cancel_scope.cancel()

    trio.run(main)


def put(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_what_is_there_and_what_comes_is_handed_on_once(tmp_path: Path) -> None:
    put(tmp_path / "old.jpg")
    put(tmp_path / "deep/er/old.jpg")

    async def work(watched: Watched) -> None:
        await watched.until_files("old.jpg", "deep/er/old.jpg")
        put(tmp_path / "new.jpg")
        await watched.until_files("old.jpg", "deep/er/old.jpg", "new.jpg")
        put(tmp_path / "made/later/new.jpg")
        expected = ["old.jpg", "deep/er/old.jpg", "new.jpg", "made/later/new.jpg"]
        await watched.until_files(*expected)
        put(tmp_path / "new.jpg", b"changed")
        await watched.until_files(*expected, "new.jpg")

    watching(tmp_path, work)


def test_unfinished_hidden_and_linked_files_are_passed_over(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    put(outside / "a.jpg")
    folder = tmp_path / "folder"
    for name in (".hidden.jpg", "b.jpg.part", "c.tmp", ".trash/d.jpg"):
        put(folder / name)
    (folder / "link.jpg").symlink_to(outside / "a.jpg")
    (folder / "linked").symlink_to(outside)

    async def work(watched: Watched) -> None:
        put(folder / "last.jpg")
        await watched.until_files("last.jpg")
        put(outside / "new.jpg")  # its event comes by way of the link, if at all
        (folder / "b.jpg.part").rename(folder / "b.jpg")  # complete now, by its name
        await watched.until_files("last.jpg", "b.jpg")

    watching(folder, work)


def test_a_file_that_somebody_writes_is_told_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "slow.jpg"

    async def work(watched: Watched) -> None:
        with path.open("wb", buffering=0) as file:
            file.write(b"the beginning")
            # It stands still, but it is open: only that tells it from a complete one.
            await watched.until_code("ingest.still-written")
            assert watched.files == []
            file.write(b"the end")
        await watched.until_files("slow.jpg")
        assert watched.codes() == set()

    watching(tmp_path, work)


def test_a_folder_that_is_not_there_or_goes_away_is_watched_when_it_is_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "card"

    async def work(watched: Watched) -> None:
        await watched.until_code("ingest.folder-unknown")
        put(folder / "a.jpg")
        await watched.until_files("a.jpg")
        assert watched.codes() == set()
        folder.rename(tmp_path / "gone")
        await watched.until_code("ingest.folder-unknown")
        put(folder / "b.jpg")  # another card in the same place
        await watched.until_files("a.jpg", "b.jpg")
        put(folder / "c.jpg")
        await watched.until_files("a.jpg", "b.jpg", "c.jpg")
        assert watched.codes() == set()

    watching(folder, work)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of an ordinary user's, who we are meanwhile: root may read everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            for path in folder.iterdir():
                path.chmod(0o700)
            if was_root:
                os.seteuid(0)


def test_a_folder_that_may_not_be_read_is_told_and_read_as_soon_as_it_may(as_nobody: Path) -> None:
    put(as_nobody / "closed/a.jpg")
    put(as_nobody / "open/b.jpg")
    (as_nobody / "closed").chmod(0)

    async def work(watched: Watched) -> None:
        await watched.until_code("ingest.no-permission")
        await watched.until_files("open/b.jpg")
        (as_nobody / "closed").chmod(0o700)
        await watched.until_files("open/b.jpg", "closed/a.jpg")
        assert watched.codes() == set()

    watching(as_nobody, work)


def test_a_name_that_is_no_text_is_found_while_the_watch_runs(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))

    async def work(watched: Watched) -> None:
        put(tmp_path / "a.jpg")
        await watched.until_files("a.jpg")
        put(odd)
        await watched.until_files("a.jpg", odd.name)
        put(tmp_path / "b.jpg")
        await watched.until_files("a.jpg", odd.name, "b.jpg")

    watching(tmp_path, work)


def test_more_files_than_may_wait_are_all_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WATCH_PENDING_MAX", 10)
    monkeypatch.setattr(limits, "WATCH_BATCH_MAX", 5)
    names = [f"{number % 3}/{number:03}.jpg" for number in range(45)]
    for name in names:
        put(tmp_path / name)

    async def work(watched: Watched) -> None:
        await watched.until_files(*names)

    watching(tmp_path, work)


def test_what_could_not_be_taken_is_handed_on_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WATCH_RESCAN_S", 0.3)
    put(tmp_path / "a.jpg")

    async def work(watched: Watched) -> None:
        await watched.until_files("a.jpg")
        await watched.watch.forget([tmp_path / "a.jpg"])
        await watched.until_files("a.jpg", "a.jpg")

    watching(tmp_path, work)
