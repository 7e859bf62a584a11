"""Nodes behind NATs reach each other: three daemons in a world that the test makes for itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ours import OurNode, our_nodes
from photonic.ingest.samples import make_samples
from simulations.ends import wait_for
from simulations.nats import Homes, Nat, homes

pytestmark = pytest.mark.root
PHOTOS, WITHIN_S = 12, 60.0


def peer(node: OurNode, name: str) -> Any:
    return next((p for p in node.get("/peers")["items"] if p["name"] == name), {"link": "none"})


@contextmanager
def three(work: Path, world: Homes) -> Iterator[tuple[OurNode, OurNode, OurNode]]:
    """Give a relay that wants no originals, a node with photos, and one that wants them."""
    make_samples(work / "samples", PHOTOS)
    with our_nodes(work, *world) as (relay, one, two):
        relay.role, one.role, two.role = "mobile", "mobile", "central"
        relay.start("--name", "relay", "--relay", "on")
        for node in (one, two):
            relay.invite(node)
        one.start("--name", "one", "--peer", relay.listen[0])
        one.take_in(work / "samples")
        two.start("--name", "two", "--peer", relay.listen[0])
        yield relay, one, two


@pytest.mark.parametrize("nat", Nat, ids=lambda nat: nat.name.lower())
def test_nodes_behind_nats_meet_and_originals_come(tmp_path: Path, nat: Nat) -> None:
    """Through a member at first; directly where the NATs let a hole be punched."""
    with homes(nat) as world, three(tmp_path, world) as (relay, _, two):
        wait_for(lambda: peer(two, "one")["link"] != "none", WITHIN_S)
        wait_for(lambda: two.status()["holdings"]["held"] == PHOTOS, WITHIN_S)
        assert relay.status()["holdings"]["held"] == 0
        if nat is Nat.PRESERVING:
            wait_for(lambda: peer(two, "one")["link"] == "punched", WITHIN_S)
            assert peer(two, "one")["address"].startswith("/ip4/203.0.113.1")
            return
        wait_for(lambda: "NAT changes ports" in peer(two, "one")["why_not_better"], WITHIN_S)
        told = peer(two, "one")
        assert told["link"] == "relayed"
        assert told["via"] == "relay"
        assert "direct: 192.168.1.2:" in told["why_not_better"]
        said = two.run("peers")
        assert "relayed through relay" in said
