"""A hostile sidecar is refused while it is read: in no time, and in no memory to speak of."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.errors import SidecarInvalid
from photonic.ingest.sidecar import read_marks
from photonic.photos import Marks
from tests.bombs import sidecar_bombs
from tests.cameras import xmp_packet

BOMBS = sidecar_bombs()
PACKET = xmp_packet(rating=3, label="Red", title="T", subject=("a", "b"), paths=("x|y",))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little(name: str) -> None:
    tracemalloc.start()
    try:
        if name == "names":  # one element with a very long name is none of ours, and harmless
            assert read_marks(BOMBS[name], name) == Marks()
        else:
            with pytest.raises(SidecarInvalid, match=name):
                read_marks(BOMBS[name], name)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 40 * 1024 * 1024


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_spoilt_sidecar_is_read_or_refused(data: st.DataObject) -> None:
    changed = bytearray(PACKET)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["set", "cut", "repeat"])):
            case "set":
                changed[at] = data.draw(st.integers(0, 255))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 40))]
            case "repeat":
                changed[at:at] = changed[at : at + data.draw(st.integers(1, 40))]
        if not changed:
            break
    with suppress(SidecarInvalid):  # and nothing else
        read_marks(bytes(changed), "x.xmp")
