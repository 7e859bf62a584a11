"""Time to safe: right while something moves, unknown while nothing does, and never a flicker."""

from __future__ import annotations

import pytest

from photonic import limits
from photonic.crdt.answers import AtRisk
from photonic.crdt.index import PhotoIndex
from photonic.crdt.query import PhotoQuery
from photonic.events import Event, SafetyChanged
from photonic.safety import Safety
from tests.crdt.photo_rows import NODES

MB = 1_000_000


class Clock:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now_ms(self) -> int:
        return round(self.now_s * 1_000)

    def monotonic_s(self) -> float:
        return self.now_s


class Watch:
    """A safety with everything around it played."""

    def __init__(self, members: int = 2) -> None:
        self.clock, self.moved, self.underway, self.paused = Clock(), 0, 0, False
        self.events: list[Event] = []
        self.safety = Safety(
            PhotoQuery(PhotoIndex(None).engine), self.clock, 2, lambda: NODES[:members], NODES[0],
            lambda: self.moved, lambda _: self.underway, lambda: self.paused, self.events.append,
        )  # fmt: skip

    def look(self, photos: int, left_bytes: int, moved: int = 0, wait_s: float = 2.0) -> None:
        self.clock.now_s += wait_s
        self.moved += moved
        self.safety.note(AtRisk(photos, left_bytes))


def test_what_is_counted_before_is_unknown() -> None:
    assert Watch().safety.view().state == "unknown"


def test_when_all_is_safe_it_is_said_at_once() -> None:
    watch = Watch()
    watch.look(0, 0)
    view = watch.safety.view()
    assert (view.state, view.photos_at_risk, view.eta_s) == ("safe", 0, 0.0)


def test_while_photos_become_safe_the_wait_is_what_is_left_by_how_fast_it_grows_less() -> None:
    watch = Watch()
    for step in range(40):
        watch.look(1_000 - 20 * step, 1_000 * MB - 20 * MB * step)
    view = watch.safety.view()
    assert view.state == "moving"
    assert 8 * MB < view.rate_bytes_s < 12 * MB
    true_s = view.bytes_left / (10 * MB)
    assert view.eta_s is not None and abs(view.eta_s - true_s) < 0.35 * true_s


def test_a_large_file_on_its_way_counts_as_moving() -> None:
    watch = Watch()
    for _ in range(20):
        watch.look(1, 10_000 * MB, moved=100 * MB)
    view = watch.safety.view()
    assert view.state == "moving"
    assert view.eta_s is not None and 100 < view.eta_s < 400


@pytest.mark.parametrize("is_giver", [False, True])
def test_at_an_even_speed_the_wait_is_right_from_the_first_seconds_on(is_giver: bool) -> None:
    """Files of 12 MB at 1 MB/s: the taker knows how far they are, the giver what it gave."""
    watch, size = Watch(), 12 * MB
    for second in range(0, 240, 2):
        done, watch.underway = divmod(second * MB, size)
        watch.underway *= not is_giver
        watch.look(24 - done, (24 - done) * size, moved=2 * MB if second else 0)
        view = watch.safety.view()
        assert is_giver or view.bytes_left == (24 * 12 - second) * MB
        if second >= 6:
            assert 0.8 * MB < view.rate_bytes_s < 1.2 * MB
            true_s = 24 * 12 - second
            assert view.eta_s is not None
            assert abs(view.eta_s - true_s) <= 0.3 * true_s + is_giver * 12


def test_what_landed_and_is_not_told_yet_counts_once() -> None:
    watch = Watch()
    for second in range(0, 120, 2):
        watch.underway = second * MB % (12 * MB)
        late, _ = divmod(max(0, second - 4) * MB, 12 * MB)  # the catalog says it 4 s later
        watch.look(24 - late, (24 - late) * 12 * MB)
    assert 0.7 * MB < watch.safety.view().rate_bytes_s < 1.3 * MB


def test_bytes_that_make_nothing_safe_are_not_counted_on() -> None:
    watch = Watch()
    for _ in range(20):
        watch.look(3, 30 * MB, moved=100 * MB)
    view = watch.safety.view()
    assert (view.state, view.eta_s) == ("still", None)


def test_when_nothing_moves_nobody_can_say() -> None:
    watch = Watch()
    for step in range(10):
        watch.look(100, 1_000 * MB - step * 20 * MB)
    assert watch.safety.view().eta_s is not None
    for _ in range(200):
        watch.look(90, 800 * MB)
    view = watch.safety.view()
    assert (view.state, view.eta_s, view.rate_bytes_s) == ("still", None, 0.0)
    watch.paused = True
    assert watch.safety.view().state == "paused"


def test_with_too_few_nodes_it_will_never_be_safe() -> None:
    watch = Watch(members=1)
    for _ in range(10):
        watch.look(5, 100, moved=MB)
    view = watch.safety.view()
    assert (view.state, view.eta_s) == ("too-few-nodes", None)


def test_it_is_told_when_it_is_another_and_not_otherwise() -> None:
    watch = Watch()
    for _ in range(50):
        watch.look(3, 3_000)
    assert watch.events == [SafetyChanged(3, 3_000, None)]
    watch.look(2, 2_000)
    watch.look(0, 0)
    assert [type(one) for one in watch.events] == [SafetyChanged] * 3
    assert watch.events[-1] == SafetyChanged(0, 0, 0.0)
    assert limits.SAFETY_LOOK_S > 0
