"""Workers: foreign files are read elsewhere, and one that kills its reader kills nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from photonic import limits
from photonic.errors import PhotonicError, WorkerDied
from photonic.ingest import metadata
from photonic.ingest.examination import Examined
from photonic.ingest.suspects import Suspects
from photonic.ingest.workers import Workers
from tests.cameras import GOOD, make_broken_files, make_camera_files, odd_names
from tests.ingest.test_metadata import SHARED, shared

BOUND_S = 60.0


def with_workers(
    count: int,
    work: Callable[[Workers], Awaitable[None]],
    timeout_s: float = BOUND_S,
    readable: Path = Path("/"),
    suspects: Suspects | None = None,
    within_s: float = 2 * BOUND_S,
) -> list[int]:
    """Run `work` beside a pool; return the processes that there were at its end."""
    pids: list[int] = []

    async def main() -> None:
        with trio.fail_after(within_s):
            async with anyio.create_task_group() as tasks:
                workers = Workers(
                    count, readable=[readable], suspects=suspects, timeout_s=timeout_s
                )
                await tasks.start(workers.run)
                await work(workers)
                pids.extend(workers.pids)
                tasks.cancel_scope.cancel()

    trio.run(main)
    return pids


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def hard_limits(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return {line[:25].strip(): line[25:].split()[1] for line in lines[1:]}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / GOOD[0].name
    GOOD[0].make(path)
    return path


def test_facts_and_previews_come_back_and_the_processes_go(tmp_path: Path) -> None:
    paths = make_camera_files(tmp_path)
    found: dict[Path, Examined] = {}

    async def work(workers: Workers) -> None:
        async def one(path: Path) -> None:
            found[path] = await workers.examine(path)

        async with trio.open_nursery() as nursery:
            for path in paths:  # all at one time: no answer may go to another file
                nursery.start_soon(one, path)

    pids = with_workers(2, work)
    for path in paths:
        assert found[path].facts == metadata.read(path)
        assert found[path].damage is None
        assert [one.edge_px for one in found[path].renditions] == sorted(limits.PREVIEW_EDGES_PX)
    assert len(pids) == 2
    assert not any(is_there(pid) for pid in pids)


def test_what_is_wrong_with_a_file_is_told_by_its_name(tmp_path: Path) -> None:
    expected = make_broken_files(tmp_path / "broken")
    (tmp_path / "store").mkdir()
    codes: dict[str, str] = {}

    async def work(workers: Workers) -> None:
        for name in expected:
            stored = tmp_path / "store" / "5e0f"  # as the store calls it
            stored.write_bytes((tmp_path / "broken" / name).read_bytes())
            try:
                examined = await workers.examine(stored, name)
                assert examined.damage is not None
                codes[name], words = "ingest.damaged", examined.damage
            except PhotonicError as error:
                codes[name], words = error.code, error.message
            assert name in words
            assert str(tmp_path) not in words

    with_workers(1, work)
    assert codes == expected


def test_a_process_that_is_killed_at_work_costs_one_file(photo: Path) -> None:
    async def work(workers: Workers) -> None:
        await workers.examine(photo)
        (first,) = workers.pids
        os.kill(first, signal.SIGSTOP)  # it cannot finish before it is killed
        async with trio.open_nursery() as nursery:

            async def is_lost() -> None:
                with pytest.raises(WorkerDied, match=r"IMG_0001.*signal 9"):
                    await workers.examine(photo)

            nursery.start_soon(is_lost)
            await wait_all_tasks_blocked()
            os.kill(first, signal.SIGKILL)
        assert (await workers.examine(photo)).damage is None
        (second,) = workers.pids
        assert second != first and not is_there(first)

    with_workers(1, work)


def test_a_process_that_hangs_is_replaced(photo: Path) -> None:
    async def work(workers: Workers) -> None:
        await workers.examine(photo)
        (first,) = workers.pids
        os.kill(first, signal.SIGSTOP)
        workers._timeout_s = 0.2
        with pytest.raises(WorkerDied, match="longer than"):
            await workers.examine(photo)
        assert not is_there(first)
        workers._timeout_s = BOUND_S
        assert (await workers.examine(photo)).damage is None

    with_workers(1, work)


def test_giving_up_on_a_file_leaves_the_pool_fit_for_the_next(photo: Path) -> None:
    async def work(workers: Workers) -> None:
        await workers.examine(photo)
        os.kill(workers.pids[0], signal.SIGSTOP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(workers.examine, photo)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert (await workers.examine(photo)).damage is None

    with_workers(1, work)


def test_a_worker_is_limited_in_memory_and_cannot_write(photo: Path) -> None:
    async def work(workers: Workers) -> None:
        await workers.examine(photo)
        hard = hard_limits(workers.pids[0])
        assert hard["Max address space"] == str(limits.WORKER_MEMORY_BYTES_MAX)
        assert hard["Max file size"] == hard["Max core file size"] == "0"

    with_workers(1, work)


def test_a_worker_is_replaced_after_many_files(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WORKER_FILES_MAX", 2)
    seen: set[int] = set()

    async def work(workers: Workers) -> None:
        for _ in range(5):
            await workers.examine(photo)
            seen.update(workers.pids)

    with_workers(1, work)
    assert len(seen) == 3


def test_a_name_may_be_any_bytes(photo: Path, tmp_path: Path) -> None:
    paths = [Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)) for name in odd_names()]
    for path in paths:
        path.write_bytes(photo.read_bytes())

    async def work(workers: Workers) -> None:
        for path in paths:
            assert (await workers.examine(path)).facts.width == 640

    with_workers(1, work)


@shared
def test_hostile_files_are_answered_or_cost_one_worker() -> None:
    names = ("endless_loop.jpg", "oom_large_box.heic", "broken.jpg", "canon-r6.cr3")
    codes = []

    async def work(workers: Workers) -> None:
        for name in names:
            try:
                await workers.examine(SHARED / "mindeng__nom-exif/testdata" / name)
                codes.append("shown")
            except PhotonicError as error:
                codes.append(error.code)

    with_workers(1, work)
    assert len(codes) == len(names)
    assert set(codes) <= {"shown", "ingest.unreadable", "ingest.worker-died"}
