"""How the story of evictions came out, and what the audit log says of what left."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from photonic.identity import SIGNATURE_BYTES, is_signed_by
from photonic.ids import parse_peer_id
from photonic.p2p.attestations import DOMAIN, SignedAttestation, read_attestation
from simulations.residents import Resident
from tests.system.eviction_script import Story
from tests.system.eviction_watch import Breach

HIGH, LOW = 80, 50


@dataclass(slots=True)
class Ending:
    """How it came out."""

    done: Counter[str] = field(default_factory=Counter)  # acts
    kills_amid: int = 0  # of the mobile node, just when a photo left
    shot_bytes: int = 0
    looks: int = 0
    slowest_look_s: float = 0.0
    left: int = 0  # photos that were ever off the mobile node's disk
    least: int | None = None  # copies elsewhere of one of them, ever
    breaches: list[Breach] = field(default_factory=list)
    seconds: float = 0.0
    settled_s: float = 0.0
    unsettled: list[str] = field(default_factory=list)  # what is not as it is to be in the end
    buffer_bytes: int = 0  # in use in the end, by the files' sizes
    lost: dict[str, set[str]] = field(default_factory=dict)  # photos that a node lacks in the end
    ruled: set[str] = field(default_factory=set)
    evictions: int = 0  # in the audit log
    completed: int = 0  # of these, after a crash
    unproven: list[str] = field(default_factory=list)  # what left without enough promises
    unsound: list[str] = field(default_factory=list)  # nodes whose audit log is not in order

    def words(self, story: Story) -> str:
        """Say it in a few lines."""
        acts = ", ".join(f"{count} x {do}" for do, count in sorted(self.done.items()))
        return (
            f"seed {story.seed}: {self.shot_bytes / 1e6:,.0f} MB in {story.photos:,} photos"
            f" through {story.buffer_bytes / 1e6:,.0f} MB in {self.seconds:.0f} s,"
            f" settled {self.settled_s:.0f} s later\n{acts}\n"
            f"{self.looks:,} looks, at most {self.slowest_look_s:.1f} s apart:"
            f" {self.left:,} photos left, in {self.evictions:,} evictions"
            f" ({self.kills_amid} kills just then, {self.completed} completed after a crash);"
            f" the least copies of one elsewhere: {self.least}\n"
            f"buffer in the end: {self.buffer_bytes / story.buffer_bytes:.0%} of it"
            f" (high mark {HIGH}%); {len(self.ruled)} photos are on it by rule\n"
        )


def entries(node: Resident) -> Iterator[Any]:
    """Yield what a node's audit log says of what left it."""
    more: dict[str, str] = {}
    while True:
        page = node.get("/audit", act="blob.evicted", limit=200, **more)
        yield from page["items"]
        if page["next"] is None:
            return
        more = {"cursor": page["next"]}


def witnesses(entry: Any, me: str) -> set[str]:
    """Return whose signature, over a promise to keep this blob for this node, an entry has."""
    facts = entry["facts"]
    found = set()
    for peer, text in facts.items():
        try:
            node = parse_peer_id(peer)
        except ValueError:
            continue
        raw = base64.b64decode(text)
        signature, data = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        said = read_attestation(SignedAttestation(data, signature))
        is_meant = said.blob.hex() == facts["blob"] and said.to == parse_peer_id(me)
        if is_meant and said.node == node and is_signed_by(node, signature, DOMAIN + data):
            found.add(peer)
    return found
