"""Cables between rooms: their devices, and how fast, how late and how lossy they are.

The latency is netem's where the kernel has it, and else that of a program between two TUN or TAP
devices (`simulations.delay`); the rate is tbf's either way.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from simulations.links import Preset
from simulations.rooms import Room, delayed

_SOON_MS = 1.0  # less is not worth a program between two machines: they are no faster themselves
_TICKS_S = 250  # of the kernel's clock
_BURST_BYTES_MIN, _QUEUE_BYTES_MIN = 32_000, 64_000


@dataclass(frozen=True, slots=True)
class Plug:
    """One end of a cable."""

    room: Room
    device: str
    sends_bytes_s: int


@functools.cache
def has_netem() -> bool:
    """Whether this kernel delays packets itself. Tried in a network of its own."""
    words = "tc qdisc add dev lo root netem delay 1ms"
    tried = subprocess.run(
        ["unshare", "--net", *words.split()], check=False, capture_output=True, timeout=10
    )
    return tried.returncode == 0


def rate_words(bytes_s: int, latency_ms: float) -> list[str]:
    """Return tbf's words: as much may wait as is on its way, which is what routers aim at."""
    queue = max(_QUEUE_BYTES_MIN, int(bytes_s * 2 * latency_ms / 1_000))
    burst = max(_BURST_BYTES_MIN, bytes_s // _TICKS_S)
    return ["tbf", "rate", f"{bytes_s * 8}bit", "burst", str(burst), "limit", str(queue)]


def netem_words(preset: Preset) -> list[str]:
    """Return netem's words. Loss is the firewall's here as elsewhere."""
    words = ["netem", "delay", f"{preset.latency_ms:g}ms"]
    words += [f"{preset.jitter_ms:g}ms"] if preset.jitter_ms else []
    words += ["duplicate", f"{preset.duplication:%}"] if preset.duplication else []
    return words


@contextmanager
def cable(preset: Preset, one: Plug, other: Plug, *, is_bridged: bool = False) -> Iterator[None]:
    """Lay a cable; its devices are there, down and without an address. They go with it.

    `is_bridged`: an end may become a bridge's port.
    """
    is_slow = preset.latency_ms >= _SOON_MS
    if is_slow and not has_netem():
        words = ["--names", one.device, other.device, "--delay", str(preset.latency_ms / 1_000)]
        words += ["--jitter", str(preset.jitter_ms / 1_000)]
        words += ["--tap"] if is_bridged else []
        words += [] if preset.loss else ["--large"]  # where packets are lost each counts
        with delayed(one.room, other.room, *words):
            _shape(preset, one, other, is_late=False)
            yield
        return
    one.room.run(
        *("ip", "link", "add", one.device, "type", "veth"),
        *("peer", "name", other.device, "netns", str(other.room.pid)),
    )
    try:
        _shape(preset, one, other, is_late=is_slow)
        yield
    finally:
        one.room.run("ip", "link", "del", one.device)  # and its other end


def _shape(preset: Preset, *plugs: Plug, is_late: bool) -> None:
    for plug in plugs:
        words = ["tc", "qdisc", "add", "dev", plug.device]
        rate = rate_words(plug.sends_bytes_s, preset.latency_ms)
        if is_late:
            plug.room.run(*words, "root", "handle", "1:", *rate)
            plug.room.run(*words, "parent", "1:1", "handle", "10:", *netem_words(preset))
        else:
            plug.room.run(*words, "root", *rate)
