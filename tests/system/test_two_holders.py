"""Two holders that may give only so much each, and one that fetches; then one holder is gone.

`python -m benchmarks.transfer --only holders` measures it; here it is only judged, and not tightly.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.holders import LEAVINGS, lose_a_holder
from benchmarks.samples import Sample
from photonic import limits

RATE_MB_S = 50.0
SHORT, LONG = Sample("short", 40, 15_000_000), Sample("long", 150, 20_000_000)
SAMPLE = LONG if os.environ.get("PHOTONIC_LONG") else SHORT  # `tox -e long`
FLOWS_S_MAX, WITHIN_S = 10.0, 300.0
BOTH_SHARE_MIN = {SHORT: 0.6, LONG: 0.9}  # of what both may give; the beginning is in it
MEMORY_MB_MAX = 300.0
HEADERS = 0.01  # and what else two nodes say to each other
# What the lost holder was asked is asked of the other; what it had sent of it came twice.
IN_FLIGHT_BYTES = limits.LANES_PER_PEER_MAX * limits.LANE_WINDOW_BYTES


@pytest.mark.root
@pytest.mark.parametrize("how", LEAVINGS)
def test_a_lost_holder_stops_nothing_and_hardly_a_byte_comes_twice(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        loss = lose_a_holder(how, SAMPLE, RATE_MB_S, tmp_path, WITHIN_S)
    finally:
        shutil.rmtree(tmp_path)
    if SAMPLE is LONG:
        with capsys.disabled():
            print(f"\n{SAMPLE.bytes / 1e6:,.0f} MB: {loss}")
    assert loss.before_mb_s >= BOTH_SHARE_MIN[SAMPLE] * 2 * RATE_MB_S
    assert loss.flows_s < FLOWS_S_MAX
    assert loss.silent_s < FLOWS_S_MAX
    assert (loss.moved_share - 1 - HEADERS) * SAMPLE.bytes <= IN_FLIGHT_BYTES
    assert {name: mb for name, mb in loss.peaks_mb.items() if mb >= MEMORY_MB_MAX} == {}
