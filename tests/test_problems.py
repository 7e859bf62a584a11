"""The list of problems: one entry for a code and a path, bounded, told when it changes."""

from __future__ import annotations

from photonic.errors import FileEmpty, PhotoUnreadable
from photonic.events import Event, ProblemsChanged
from photonic.problems import Problems


def test_the_same_problem_is_there_once_and_told_once() -> None:
    told: list[Event] = []
    problems = Problems(told.append)
    problems.add(FileEmpty("a has zero bytes"), "a")
    problems.add(FileEmpty("a has zero bytes"), "a")
    problems.add(PhotoUnreadable("a is torn"), "a")
    assert [problem.code for problem in problems.list()] == [
        "ingest.file-empty",
        "ingest.unreadable",
    ]
    assert all(problem.fix for problem in problems.list())
    assert told == [ProblemsChanged(1), ProblemsChanged(2)]


def test_what_is_over_is_cleared_by_path_or_by_code() -> None:
    told: list[Event] = []
    problems = Problems(told.append)
    for path in ("a", "b"):
        problems.add(FileEmpty("no bytes"), path)
        problems.add(PhotoUnreadable("torn"), path)
    problems.clear("a")
    problems.clear("b", FileEmpty.code)
    problems.clear("c")
    assert [(one.path, one.code) for one in problems.list()] == [("b", "ingest.unreadable")]
    assert told[-2:] == [ProblemsChanged(2), ProblemsChanged(1)]


def test_the_oldest_gives_way_when_the_list_is_full() -> None:
    problems = Problems(kept=3)
    for path in "abcd":
        problems.add(FileEmpty("no bytes"), path)
    assert [problem.path for problem in problems.list()] == ["b", "c", "d"]
