"""The forecast of the regular verification, as a scrubber gives it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.test_scrubber import DAY_S, Kept, run


def test_the_calendar_says_when_each_part_is_due_and_by_when_all_is_verified(
    tmp_path: Path,
) -> None:
    async def main(kept: Kept) -> None:
        assert (await kept.scrubber.calendar()).all_by is None, "nothing is stored"
        kept.store.put(1, 500)
        kept.clock.jump(12 * DAY_S)
        kept.store.put(2, 700)
        told = await kept.scrubber.calendar()
        assert [(part.files, part.bytes) for part in told.parts] == [(1, 500), (1, 700)]
        assert told.days == 30 and told.mb_s == 40
        now_ms = kept.virtual.now_ms()
        ends = [datetime.fromisoformat(part.end).timestamp() * 1_000 for part in told.parts]
        days = [(end - now_ms) / (DAY_S * 1_000) for end in ends]
        assert 18 <= days[0] <= 21 and days[1] == pytest.approx(30, abs=0.01)
        assert told.all_by == told.parts[-1].end
        await kept.scrubber.pause(True)
        kept.clock.jump(31 * DAY_S)
        told = await kept.scrubber.calendar()
        assert [(part.files, part.begin == part.end) for part in told.parts] == [(2, True)]
        assert told.all_by is None, "nothing is verified while it is paused"

    run(tmp_path, main)
