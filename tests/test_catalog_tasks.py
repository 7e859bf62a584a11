"""Exports and imports that a running node does: with real catalogs on their own threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
import trio

from photonic import limits
from photonic.catalog_tasks import CatalogTasks
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING
from photonic.errors import CatalogTasksFull, ExportInvalid, ExportUnwritable, FolderUnknown
from photonic.events import CatalogTaskProgress, Event
from photonic.identity import Identity
from photonic.keeper import Keeper
from photonic.layout import Layout
from photonic.membership import found_library
from photonic.views import CatalogTaskView
from photonic.world import World
from tests.crdt.replicas import photo
from tests.portable_library import introduced, visible

WORLD = World()
BOUND_S = 30.0


class Desk:
    """A node's catalog and its tasks, and what they announced."""

    def __init__(self, home: Path) -> None:
        layout = Layout(home)
        self.identity = Identity.load_or_create(layout.node_key, WORLD)
        record = layout.read_record() or found_library(
            layout, self.identity, name="Test", role="central", node_name="node", world=WORLD
        )
        self.keeper = Keeper(
            layout, record.library, self.identity, WORLD, lambda _: (), lambda _: None
        )
        self.events: list[Event] = []
        self.settled = 0
        self._heard = trio.Event()
        self.tasks = CatalogTasks(
            self.keeper.call,
            self.identity,
            WORLD,
            self._hear,
            self._settle,
            node_name="studio",
            library_name="Photos",
        )

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self._heard.set()
        self._heard = trio.Event()

    async def _settle(self) -> None:
        self.settled += 1

    async def ended(self) -> CatalogTaskView:
        """Wait until the newest task has ended."""
        while not self.tasks.views()[-1].finished:
            await self._heard.wait()
        return self.tasks.views()[-1]

    async def write(self, *drafts: Draft) -> None:
        await self.keeper.call(lambda catalog: catalog.write(drafts))


def run(home: Path, work: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(BOUND_S):
            desk = Desk(home)
            async with anyio.create_task_group() as tasks:
                await tasks.start(desk.keeper.run)
                tasks.start_soon(desk.tasks.run)
                await work(desk)
                tasks.cancel_scope.cancel()

    trio.run(main)


def test_an_export_of_one_node_is_imported_by_another(tmp_path: Path) -> None:
    shown: list[object] = []

    async def export(desk: Desk) -> None:
        await desk.write(*(introduced(photo(number), f"{number}.jpg") for number in range(40)))
        await desk.write(Draft(photo(3), {RATING: 4}))
        told = await desk.tasks.start_export(tmp_path / "out")
        assert not told.finished
        assert desk.tasks.views() == [told]
        ended = await desk.ended()
        assert (ended.problem, ended.counts["photos"], ended.done) == (None, 40, ended.total)
        shown.append(await desk.keeper.call(visible))

    async def take_in(desk: Desk) -> None:
        await desk.tasks.start_import(tmp_path / "out", merges=False)
        ended = await desk.ended()
        assert ended.problem is None
        assert ended.counts == {"changes": 45, "fresh": 41, "known": 0, "left_out": 4}
        assert await desk.keeper.call(visible) == shown[0]
        assert desk.settled == 1
        assert desk.events[-1] == CatalogTaskProgress(
            "import", str(tmp_path / "out"), ended.done, ended.total, True
        )
        await desk.tasks.start_import(tmp_path / "out", merges=False)
        assert (await desk.ended()).counts["fresh"] == 0

    run(tmp_path / "first", export)
    run(tmp_path / "second", take_in)


def test_what_cannot_be_is_refused_before_it_waits(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "letter").write_text("dear")
        for folder in (tmp_path / "full", tmp_path / "full" / "letter"):
            with pytest.raises(ExportUnwritable):
                await desk.tasks.start_export(folder)
        for folder in (tmp_path / "none", Path("here")):
            with pytest.raises(FolderUnknown):
                await desk.tasks.start_import(folder, merges=False)
        with pytest.raises(ExportInvalid):
            await desk.tasks.start_import(tmp_path / "full", merges=False)
        assert desk.tasks.views() == []

    run(tmp_path / "home", work)


def test_a_task_that_fails_says_why_and_the_next_one_is_done(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.tasks.start_export(tmp_path / "out")
        assert (await desk.ended()).problem is None
        with (tmp_path / "out" / "changes-0001.jsonl").open("ab") as file:
            file.write(b"{")
        await desk.tasks.start_import(tmp_path / "out", merges=False)
        problem = (await desk.ended()).problem
        assert problem is not None
        assert (problem.code, problem.path) == ("export.invalid", str(tmp_path / "out"))
        assert "changes-0001.jsonl, line 5 is torn" in problem.message
        await desk.tasks.start_export(tmp_path / "next")
        assert (await desk.ended()).problem is None

    run(tmp_path / "home", work)


def test_a_task_is_not_asked_for_twice_and_not_too_many_wait(tmp_path: Path) -> None:
    async def main() -> None:
        desk = Desk(tmp_path / "home")  # nothing runs: all that is asked for waits
        first = await desk.tasks.start_export(tmp_path / "0")
        assert await desk.tasks.start_export(tmp_path / "0") is first
        for number in range(1, limits.CATALOG_TASKS_WAITING_MAX):
            await desk.tasks.start_export(tmp_path / str(number))
        with pytest.raises(CatalogTasksFull):
            await desk.tasks.start_export(tmp_path / "one more")
        assert len(desk.tasks.views()) == limits.CATALOG_TASKS_WAITING_MAX
        desk.keeper.index.close()

    trio.run(main)


def test_an_export_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.write(*(introduced(photo(number), f"{number}.jpg") for number in range(2_000)))
        await desk.tasks.start_export(tmp_path / "out")
        while not desk.tasks.views()[-1].done:
            await trio.lowlevel.checkpoint()

    run(tmp_path / "home", work)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
