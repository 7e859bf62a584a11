"""What may pass between a promise and the drop: time, a crash, somebody who wants it here again."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from photonic import limits
from tests.evicting import DAY_MS, FIRST, run, three_nodes

# --- clocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "goes"), [(0.9, True), (-0.9, True), (1.1, False), (-30, False)])
def test_a_clock_may_be_a_day_off(tmp_path: Path, days: float, goes: bool) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile, _, archive = cluster.nodes
        archive.clock.wall_ms += round(days * DAY_MS)
        await mobile.evictions.free(1)
        assert mobile.has_file(FIRST) != goes
        cluster.close()

    run(main)


@pytest.mark.parametrize("what", ["sleeps", "wall leaps", "wall goes back", "late"])
def test_time_that_passed_before_the_drop_is_noticed(tmp_path: Path, what: str) -> None:
    """A promise that may be over proves nothing, whichever clock says so."""

    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile = cluster.nodes[0]

        async def pass_time(number: int) -> None:
            if number != 1:
                return
            match what:
                case "sleeps":  # the monotonic clock of a machine that sleeps stands still
                    mobile.clock.wall_ms += limits.PROMISE_KEEP_S * 1_000
                case "wall leaps":
                    mobile.clock.wall_ms += 400 * DAY_MS
                case "wall goes back":
                    mobile.clock.wall_ms -= 2 * 3_600_000
                case "late":
                    await trio.sleep(limits.PROMISE_KEEP_S - limits.PROMISE_MARGIN_S + 1)

        mobile.thread.after = pass_time
        judged = await mobile.evictions.free(1)
        assert not judged[0].verdict.may_go
        assert mobile.has_file(FIRST)
        assert mobile.says_to_hold(FIRST)
        cluster.close()

    run(main)


# --- crashes -----------------------------------------------------------------------------------


class Crashed(Exception):
    """The power went."""


@pytest.mark.parametrize("place", ["before 1", "after 1", "before 2", "after 2", "asking"])
def test_a_crash_anywhere_leaves_it_here_and_said_or_dropped_and_proven(
    tmp_path: Path, place: str
) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile = cluster.nodes[0]
        word, _, wanted = place.partition(" ")

        async def crash(number: int) -> None:
            if number == int(wanted):
                raise Crashed

        async def crash_asking(*_: object) -> None:
            raise Crashed

        match word:
            case "before":
                mobile.thread.before = crash
            case "after":
                mobile.thread.after = crash
            case _:
                cluster.on_ask = crash_asking
        with pytest.raises(Crashed):
            await mobile.evictions.free(1)
        mobile.thread.before = mobile.thread.after = _calm
        mobile.restart()
        await mobile.evictions.settle()
        is_here = mobile.has_file(FIRST)
        assert mobile.says_to_hold(FIRST) == is_here
        assert is_here == (place != "after 2")
        acts = [one.facts["blob"] for one in mobile.audited]
        assert acts == ([] if is_here else [FIRST.hex()])
        assert (FIRST in mobile.store.promises.away([FIRST])) != is_here
        assert mobile.store.promises.proofs() == {}
        assert mobile.store.promises.promise({FIRST: 1}, 1) == {FIRST}, "nothing leaves any more"
        cluster.close()

    run(main)


async def _calm(number: int) -> None:
    del number


def test_what_is_taken_in_again_while_it_leaves_stays(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = three_nodes(tmp_path)
        mobile = cluster.nodes[0]

        async def take_in(number: int) -> None:
            if number == 1:
                mobile.catalog.hold({FIRST: True})
                mobile.catalog.flush()

        mobile.thread.after = take_in
        await mobile.evictions.free(1)
        assert mobile.has_file(FIRST)
        assert mobile.says_to_hold(FIRST)
        cluster.close()

    run(main)
