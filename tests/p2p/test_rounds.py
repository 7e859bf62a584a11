"""Everything that is wanted has its turn, news come first, and nobody looks for nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.p2p.planner import BEGINNING, Position
from photonic.p2p.rounds import Rounds

PAGE = limits.WANTS_AT_ONCE


@dataclass
class Player:
    """A list of wants that is read as the engine reads it, on a clock of its own."""

    size: int
    rounds: Rounds = field(default_factory=Rounds)
    now_s: float = 0.0
    in_view: set[int] = field(default_factory=set)
    seen: list[int] = field(default_factory=list)
    looks: list[tuple[float, Position]] = field(default_factory=list)
    took_s: float = 0.02

    def step(self, wait_s: float = 0.1) -> None:
        self.now_s += wait_s
        begin = self.rounds.due(self.now_s, len(self.in_view))
        if begin is None:
            return
        self.rounds.begin(begin)
        self.looks.append((self.now_s, begin))
        start = max(0, begin[1]) if begin[0] >= 0 else 0
        page = range(start, min(self.size, start + PAGE))
        fresh = set(page) - self.in_view
        self.in_view |= fresh
        self.seen += sorted(fresh)
        following = None if page.stop >= self.size else (0, page.stop)
        self.rounds.looked(begin, following, self.now_s, self.took_s, was_fruitful=bool(fresh))
        if len(self.in_view) > limits.WANTS_MAX:
            over = sorted(self.in_view)[limits.WANTS_MAX :]
            self.in_view -= set(over)
            self.rounds.missed((0, over[0]))


def test_all_is_seen_though_everybody_refuses_all_of_it() -> None:
    player = Player(20_000)
    for _ in range(600):
        player.step()
        player.in_view.clear()  # refused by all
    assert set(player.seen) == set(range(20_000))


@settings(max_examples=30)
@given(st.integers(0, 9), st.integers(1, 12_000))
def test_all_is_seen_though_there_are_news_all_the_time(seed: int, size: int) -> None:
    player, chance = Player(size), random.Random(seed)
    for _ in range(1_500):
        player.rounds.news()
        player.step()
        some = chance.sample(sorted(player.in_view), len(player.in_view) // 2)
        player.in_view -= set(some)
    assert set(player.seen) == set(range(size))
    assert len(player.in_view) <= limits.WANTS_MAX


def test_news_are_looked_at_soon() -> None:
    player = Player(100)
    player.step()
    player.step(5.0)
    player.looks.clear()
    player.rounds.news()
    player.step(0.5)
    assert [begin for _, begin in player.looks] == [BEGINNING]


def test_a_full_view_is_left_full() -> None:
    player = Player(20_000)
    for _ in range(100):
        player.step()
    assert len(player.in_view) <= limits.WANTS_MAX
    looked = len(player.looks)
    for _ in range(100):
        player.step()
    assert len(player.looks) - looked <= 1, "only the regular look at the beginning"


def test_rounds_that_bring_nothing_become_rare_until_there_are_news() -> None:
    player = Player(10)
    for _ in range(40_000):
        player.step()
        player.in_view.clear()
    looks = [at for at, _ in player.looks if at > 2_000]
    assert len(looks) <= 2_000 / limits.WANTS_REFRESH_S + 2
    player.rounds.news()
    before = len(player.looks)
    player.step()
    player.step(limits.WANTS_ROUND_MIN_S)
    assert len(player.looks) > before


def test_looking_costs_a_small_part_of_the_time() -> None:
    player = Player(100, took_s=1.0)
    for _ in range(1_000):
        player.rounds.news()
        player.step()
    assert len(player.looks) <= 100 / limits.WANTS_PAUSE_FACTOR + 2


def test_what_had_no_room_is_looked_at_again() -> None:
    rounds = Rounds()
    rounds.begin(BEGINNING)
    rounds.looked(BEGINNING, (0, 500), 0.0, 0.0)
    rounds.missed((0, 200))
    assert rounds.due(1.0, 0) == (0, 200)


def test_after_a_failure_it_is_tried_again_in_a_while() -> None:
    rounds = Rounds()
    rounds.begin(BEGINNING)
    rounds.failed(10.0, 3.0)
    assert rounds.due(12.9, 0) is None
    assert rounds.due(13.0, 0) == BEGINNING


def test_one_slow_look_holds_nobody_up() -> None:
    """A node that was just started looks when all of it begins, and then a peer is there."""
    rounds = Rounds()
    for took_s, due_s in ((3.0, 0.2), (0.2, 2.5), (0.1, 3.6)):
        rounds.begin(BEGINNING)
        rounds.looked(BEGINNING, None, due_s - 0.1, took_s)
        rounds.news()
        if took_s == 3.0:
            assert rounds.due(due_s, 0) == BEGINNING
    assert rounds.due(4.4, 0) is None
    assert rounds.due(4.6, 0) == BEGINNING


def test_what_somebody_wants_otherwise_is_looked_at_at_once() -> None:
    """However long the last looks took: whoever changed a limit or a pause waits for it."""
    rounds = Rounds()
    for _ in range(2):
        rounds.begin(BEGINNING)
        rounds.looked(BEGINNING, None, 0.0, 5.0)
    rounds.news()
    assert rounds.due(1.0, 0) is None
    rounds.anew()
    assert rounds.due(1.0, 0) == BEGINNING
