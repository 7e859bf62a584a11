"""What a way between two places is like, and the ways that scenarios name.

A link is described once for the virtual network and for the real one: `netns` shapes an interface
by the same numbers. `down` is towards the node that is far from the middle: the laptop in the hotel
downloads faster than it uploads.
"""

from __future__ import annotations

import msgspec

from photonic.limits import KIB, MIB


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of link. Each way has its own queue; loss is of packets, not of what is said.

    A peer sees of a lost packet what TCP makes of it: the bytes come a retransmission later.
    """

    latency_ms: float  # one way
    jitter_ms: float = 0.0
    up_bytes_s: int
    down_bytes_s: int
    loss: float = 0.0  # the share of packets
    duplication: float = 0.0  # the share of packets that come twice
    is_behind_nat: bool = False  # nobody can dial towards the far end
    is_carried: bool = False  # no network: it stands only while somebody carries the disk over

    def one_way_s(self) -> float:
        return self.latency_ms / 1_000


PRESETS: dict[str, Preset] = {
    "studio-lan": Preset(
        latency_ms=0.3, jitter_ms=0.1, up_bytes_s=112 * MIB, down_bytes_s=112 * MIB
    ),
    "hotel-wifi": Preset(
        latency_ms=25,
        jitter_ms=15,
        up_bytes_s=640 * KIB,
        down_bytes_s=2_500 * KIB,
        loss=0.01,
        duplication=0.001,
        is_behind_nat=True,
    ),
    "weak-4g": Preset(
        latency_ms=80,
        jitter_ms=60,
        up_bytes_s=200 * KIB,
        down_bytes_s=1 * MIB,
        loss=0.03,
        duplication=0.001,
        is_behind_nat=True,
    ),
    "satellite": Preset(
        latency_ms=600,
        jitter_ms=30,
        up_bytes_s=350 * KIB,
        down_bytes_s=2 * MIB,
        loss=0.01,
        is_behind_nat=True,
    ),
    "sneakernet": Preset(
        latency_ms=0.3, up_bytes_s=112 * MIB, down_bytes_s=112 * MIB, is_carried=True
    ),
}
