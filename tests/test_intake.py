"""What cannot be taken in now is taken in later, and an import that stops says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

import pytest
import trio

from photonic import limits
from photonic.errors import (
    FileEmpty,
    FolderUnreadable,
    PhotonicError,
    PhotoUnreadable,
    StoreFull,
)
from photonic.events import Event, ImportProgress
from photonic.ingest.importer import Importer, ImportReport
from photonic.intake import Intake
from photonic.problems import Problems
from photonic.world import World

BOUND_S = 30.0
Step = PhotonicError | Exception | None


class Script:
    """An importer of which is written down what becomes of each call; afterwards all is well."""

    def __init__(self, *steps: Step) -> None:
        self.steps, self.calls, self.called = list(steps), list[list[str]](), trio.Event()

    async def take(
        self,
        files: Iterable[Path],
        root: Path,
        on_progress: Callable[[ImportReport], None] = lambda report: None,
        report: ImportReport | None = None,
    ) -> ImportReport:
        report = report or ImportReport()
        paths = list(files)
        self.calls.append([path.name for path in paths])
        step = self.steps.pop(0) if self.steps else None
        self.called.set()
        self.called = trio.Event()
        report.found = len(paths)
        if isinstance(step, PhotonicError):
            report.failed = [(path, step) for path in paths]
            return report
        if step is not None:
            report.imported = min(1, len(paths))
            raise step
        report.imported = len(paths)
        return report

    async def until(self, *calls: Sequence[str]) -> None:
        while len(self.calls) < len(calls):
            await self.called.wait()
        assert self.calls == [list(call) for call in calls]


def intake(script: Script, announce: Callable[[Event], object] = lambda event: None) -> Intake:
    return Intake(cast(Importer, script), World(), announce, Problems())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, shorter."""
    monkeypatch.setattr(limits, "SETTLE_S", 0.1)
    monkeypatch.setattr(limits, "WATCH_RESCAN_S", 0.2)
    monkeypatch.setattr(limits, "DISK_RECHECK_S", 0.1)


@pytest.mark.parametrize("error", [PhotoUnreadable("EIO"), FolderUnreadable("EACCES")])
def test_a_watched_file_that_failed_is_tried_again(tmp_path: Path, error: PhotonicError) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    script = Script(error)

    async def main() -> None:
        with trio.fail_after(BOUND_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(intake(script).watch, tmp_path)
                await script.until(["a.jpg"], ["a.jpg"])
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_watched_file_that_is_wrong_itself_is_tried_again_when_it_is_another(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    script = Script(FileEmpty("zero bytes"))

    async def main() -> None:
        with trio.fail_after(BOUND_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(intake(script).watch, tmp_path)
                await script.until(["a.jpg"])
                (tmp_path / "b.jpg").write_bytes(b"x")
                await script.until(["a.jpg"], ["b.jpg"])
                await trio.sleep(3 * limits.WATCH_RESCAN_S)
                await script.until(["a.jpg"], ["b.jpg"])
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_what_is_postponed_outlives_a_retry_that_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    script = Script(StoreFull("disk", 1, 0), RuntimeError("a bug"))

    async def main() -> None:
        with trio.fail_after(BOUND_S):
            node = intake(script)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.run)
                await node.start(tmp_path)
                await script.until(["a.jpg"])
                with pytest.raises(RuntimeError):
                    await node.keep_retrying()
                nursery.start_soon(node.keep_retrying)
                await script.until(["a.jpg"], ["a.jpg"], ["a.jpg"])
                nursery.cancel_scope.cancel()

    trio.run(main)


@pytest.mark.parametrize(("files", "told"), [(3, (3, 1, 2)), (0, (1, 0, 1))])
def test_an_import_that_stops_says_what_it_did_not_come_to(
    tmp_path: Path, files: int, told: tuple[int, int, int]
) -> None:
    for number in range(files):
        (tmp_path / f"{number}.jpg").write_bytes(b"x")
    script = Script(RuntimeError("a bug"))

    async def main() -> None:
        with trio.fail_after(BOUND_S):
            finished = trio.Event()

            def note(event: Event) -> None:
                if isinstance(event, ImportProgress) and event.finished:
                    finished.set()

            node = intake(script, note)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.run)
                await node.start(tmp_path)
                await finished.wait()
                nursery.cancel_scope.cancel()
            (view,) = node.views()
            assert (view.found, view.imported, view.failed) == told

    trio.run(main)
