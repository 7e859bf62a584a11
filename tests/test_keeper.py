"""The catalog's thread: answers after the commit, and an index that always catches up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
import trio

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.commits import Committed
from photonic.crdt.fields import FACTS, NAME, ORIGINAL, RATING
from photonic.identity import Identity
from photonic.ids import BlobId, Subject, digest, photo_subject
from photonic.keeper import Keeper
from photonic.layout import Layout
from photonic.membership import found_library
from photonic.world import World

WORLD = World()


def photo(number: int) -> Subject:
    return photo_subject(BlobId(digest(b"%d" % number)))


def draft(number: int) -> Draft:
    subject = photo(number)
    facts = {"media_type": "image/jpeg"}
    return Draft(subject, {ORIGINAL: [subject.key, 1, bytes(32)], NAME: f"{number}", FACTS: facts})


def run(
    home: Path,
    work: Callable[[Keeper], Awaitable[None]],
    on_commit: Callable[[Committed], None] = lambda _: None,
) -> None:
    """Run `work` with a keeper of the library in `home`, made if there is none."""
    layout = Layout(home)
    identity = Identity.load_or_create(layout.node_key, WORLD)
    record = layout.read_record() or found_library(
        layout, identity, name="Test", role="central", node_name="node", world=WORLD
    )

    async def main() -> None:
        keeper = Keeper(layout, record.library, identity, WORLD, lambda _: (), on_commit)
        with trio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                await tasks.start(keeper.run)
                await work(keeper)
                tasks.cancel_scope.cancel()

    trio.run(main)


def write(*drafts: Draft) -> Callable[[Catalog], None]:
    def work(catalog: Catalog) -> None:
        catalog.write(drafts)

    return work


def test_what_was_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    async def first(keeper: Keeper) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(keeper.call, write(draft(number)))

    async def second(keeper: Keeper) -> None:
        assert keeper.index.photo_count() == 50

    run(tmp_path, first)
    run(tmp_path, second)


def test_an_index_that_is_lost_or_damaged_is_made_again(tmp_path: Path) -> None:
    async def first(keeper: Keeper) -> None:
        await keeper.call(write(*(draft(number) for number in range(20))))

    async def second(keeper: Keeper) -> None:
        assert keeper.index.photo_count() == 20

    run(tmp_path, first)
    (index,) = tmp_path.glob("libraries/*/index.db")
    for damage in (b"", b"this is no database at all" * 1_000):
        for leftover in index.parent.glob("index.db-*"):
            leftover.unlink()
        index.write_bytes(damage)
        run(tmp_path, second)


def test_an_index_that_was_made_anew_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that are open would show what was there before, for nothing of it is named."""

    async def first(keeper: Keeper) -> None:
        await keeper.call(write(*(draft(number) for number in range(20))))

    run(tmp_path, first)
    for file in tmp_path.glob("libraries/*/index.db*"):
        file.unlink()
    monkeypatch.setattr(limits, "STALE_CHANGES_AT_ONCE", 1)
    monkeypatch.setattr(limits, "INDEX_REBUILD_CHANGES_MIN", 1)
    monkeypatch.setattr(limits, "IDLE_S", 0.0)
    monkeypatch.setattr(limits, "INDEX_BUILDING_LOOK_S", 0.01)
    caught_up = trio.Event()

    async def second(keeper: Keeper) -> None:
        await caught_up.wait()
        assert keeper.index.photo_count() == 20

    run(tmp_path, second, lambda committed: caught_up.set() if committed.index_caught_up else None)


def test_a_failed_index_write_is_made_good_by_the_next_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(keeper: Keeper) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(keeper.index, "apply", _refuse)
            await keeper.call(write(draft(1)))  # durable: the caller is not told of the index
        assert keeper.index.photo_count() == 0
        await keeper.call(write(draft(2)))
        assert keeper.index.photo_count() == 2

    run(tmp_path, work)


def _refuse(*_: object) -> None:
    raise OSError("no")


def test_an_error_of_one_job_is_its_own(tmp_path: Path) -> None:
    async def work(keeper: Keeper) -> None:
        failures: list[BaseException] = []

        async def fail() -> None:
            try:
                await keeper.call(lambda catalog: 1 / 0)
            except ZeroDivisionError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(keeper.call, write(draft(1)))
        assert len(failures) == 1
        state = await keeper.call(lambda catalog: catalog.state(photo(1)))
        assert state.fact(NAME) == "1"
        await keeper.call(write(Draft(photo(1), {RATING: 3})))

    run(tmp_path, work)
