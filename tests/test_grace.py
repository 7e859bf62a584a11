"""The days of the trash are counted by a clock that may leap, and by a file that may be lost."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.grace import DAY_MS, Grace, Span, counted_at, looked, needed
from photonic.world import SystemFiles, World
from simulations.world import VirtualClock

_NOW_MS = 1_700_000_000_000
_GRACE_MS = 30 * DAY_MS


def test_a_clock_that_goes_evenly_is_one_span() -> None:
    spans: tuple[Span, ...] = ()
    for day in range(40):
        spans = looked(spans, _NOW_MS + day * DAY_MS, None if day % 3 == 0 else DAY_MS)
    assert spans == (Span(_NOW_MS, _NOW_MS + 39 * DAY_MS, 0),)
    assert counted_at(spans, _NOW_MS + 5) == 5
    assert counted_at(spans, _NOW_MS - 5) == 0, "before it began nothing is counted"
    assert counted_at(spans, _NOW_MS + 41 * DAY_MS) == 41 * DAY_MS, "what is to come is to come"


@settings(deadline=None)
@given(st.integers(0, 1 << 32))
def test_no_more_is_counted_than_passed_whatever_the_clock_says(seed: int) -> None:
    dice, spans = Random(seed), tuple[Span, ...]()
    wall_ms, real_ms = _NOW_MS, 0
    noted: list[tuple[int, int]] = []  # what the clock said, and when it really was
    leapt = 0
    for look in range(60):
        is_start = dice.random() < 0.3
        off_ms = dice.choice((0, DAY_MS // 2, 9 * DAY_MS)) if is_start else 0
        ran_ms = dice.randint(1, DAY_MS)
        leap_ms = dice.choice((0, 0, 0, 1, 40, 4_500, -1, -40, -19_000)) * DAY_MS
        leapt += is_start and leap_ms > 0
        noted.append((wall_ms, real_ms))
        # Not in a run whose end nobody looked at: there the stamp of the removal stands in.
        leaps_first = not off_ms and dice.random() < 0.5
        wall_ms += leap_ms if leaps_first else 0
        noted.append((wall_ms + ran_ms // 2, real_ms + ran_ms // 2))
        wall_ms += ran_ms + off_ms + (0 if leaps_first else leap_ms)
        real_ms += ran_ms + off_ms
        spans = looked(spans, wall_ms, None if is_start and look else ran_ms)
        noted.append((wall_ms, real_ms))
        counted_ms = spans[-1].counted_at_end_ms
        for at_ms, was_ms in noted:
            # A start with a wrong clock may be believed for a day. Steered clocks are evenly fast.
            assert counted_ms - counted_at(spans, at_ms) <= real_ms - was_ms + (
                (leapt + look) * 60_000 + leapt * DAY_MS
            )
        assert all(a.counted_at_end_ms <= b.counted_ms for a, b in pairwise(spans))


@settings(deadline=None)
@given(st.integers(0, 1 << 32))
def test_forgetting_what_is_over_changes_no_grace(seed: int) -> None:
    dice = Random(seed)
    whole = kept = looked((), _NOW_MS, None)
    now_ms = _NOW_MS
    for _ in range(50):
        now_ms += dice.choice((1, 1, 3, 40)) * DAY_MS
        whole, kept = looked(whole, now_ms, None), needed(looked(kept, now_ms, None), _GRACE_MS)
        for at_ms in range(_NOW_MS, now_ms, 7 * DAY_MS):
            passed = [s[-1].counted_at_end_ms - counted_at(s, at_ms) for s in (whole, kept)]
            assert passed[0] == passed[1] or min(passed) >= _GRACE_MS
    assert len(kept) <= 31 < len(whole) or len(whole) < 32


def test_too_many_leaps_only_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE_SPANS_MAX", 3)
    spans = looked((), _NOW_MS, None)
    for number in range(1, 9):
        whole = looked(spans, _NOW_MS + number * 3 * DAY_MS, None)
        spans = needed(whole, _GRACE_MS)
        assert len(spans) <= 3
        assert counted_at(spans, _NOW_MS) >= counted_at(whole, _NOW_MS)


def _grace(clock: VirtualClock, path: Path) -> Grace:
    return Grace(30, World(clock=clock), path)


def test_what_was_counted_outlives_the_process_and_a_lost_file_only_delays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, path = VirtualClock(_NOW_MS), tmp_path / "grace.json"
    _grace(clock, path).advance()
    for _ in range(30):
        clock.advance(DAY_MS)
        _grace(clock, path).advance()
    grace = _grace(clock, path)
    assert grace.is_over(_NOW_MS) and not grace.is_over(_NOW_MS + 1)
    assert grace.ends_ms(_NOW_MS + 7) == _NOW_MS + 7 + _GRACE_MS
    assert not caplog.records

    path.write_bytes(b"[[damaged")
    grace = _grace(clock, path)
    assert not grace.is_over(_NOW_MS), "before it was looked at"
    grace.advance()
    assert "cannot be read" in caplog.text
    assert not grace.is_over(_NOW_MS)
    assert grace.ends_ms(_NOW_MS) == clock.now_ms() + _GRACE_MS
    path.unlink()
    grace = _grace(clock, path)
    grace.advance()
    assert not grace.is_over(_NOW_MS)


def test_the_file_does_not_grow_with_the_starts(tmp_path: Path) -> None:
    clock, path = VirtualClock(_NOW_MS), tmp_path / "grace.json"
    for _ in range(100):
        _grace(clock, path).advance()
        clock.advance(3 * DAY_MS)
    assert path.stat().st_size < 31 * 100


def test_a_leap_is_told_and_a_machine_that_was_off_is_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "grace.json"
    _grace(VirtualClock(_NOW_MS), path).advance()
    _grace(VirtualClock(_NOW_MS + 3 * DAY_MS), path).advance()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    grace = _grace(VirtualClock(_NOW_MS + 4_500 * DAY_MS), path)
    grace.advance()
    assert "4,497.0 days passed" in caplog.text and "1.0 days of it count" in caplog.text
    _grace(VirtualClock(_NOW_MS), path).advance()
    assert "went back by 4,500.0 days" in caplog.text
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING"]


def test_a_full_disk_does_not_stop_the_trash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(SystemFiles):
        def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
            raise OSError(28, "no space left")

    clock = VirtualClock(_NOW_MS)
    grace = Grace(30, World(clock=clock, files=Full()), tmp_path / "grace.json")
    for _ in range(31):
        grace.advance()
        clock.advance(DAY_MS)
    grace.advance()
    assert grace.is_over(_NOW_MS)
    assert "no space left" in caplog.text
