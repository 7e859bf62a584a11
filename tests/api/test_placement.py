"""The rules of placement over HTTP, and why a photo is where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from photonic.ids import BlobId, peer_id
from photonic.scopes import MEMBERS_ADMIN, OPERATIONS
from photonic.views import PeerView
from tests.api.client import face, run
from tests.api.local_node import HERE, THERE, MemoryNode

RULES = "/api/v1/policies/placement"


def taken_in(node: MemoryNode) -> str:
    """Return a photo that this node holds, and says so."""
    photo = node.take("a.jpg", (10, 20, 30))
    say_held(node, photo, is_held=True)
    return photo


def say_held(node: MemoryNode, photo: str, *, is_held: bool) -> None:
    held = {BlobId(bytes.fromhex(photo)): is_held}
    node.catalog_thread.do(lambda catalog: catalog.hold(held))


async def set_rules(client: httpx.AsyncClient, *rules: str) -> dict[str, Any]:
    answer = await client.put(RULES, json={"rules": rules})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def peer(**facts: Any) -> PeerView:
    known = PeerView(
        id=peer_id(THERE), name="field", host="leia", role="mobile", state="monitoring",
        mode="roaming", addresses=[], link="lan", latency_ms=1.0, capacity_bytes=None,
        free_bytes=None, capabilities=[], last_seen="2024-05-17T21:04:09Z",
    )  # fmt: skip
    return replace(known, **facts)


def test_rules_are_set_shown_and_counted() -> None:
    async def main() -> None:
        async with face() as (node, client):
            taken_in(node)
            assert (await client.get(RULES)).json() == {
                "rules": [], "copies": 2, "least": 1, "holds_evictions": False,
            }  # fmt: skip
            told = await set_rules(client, "everything: copies 3", "where rating:5: evict last")
            assert [(one["text"], one["photos"]) for one in told["rules"]] == [
                ("everything: copies 3", 1), ("where rating:5: evict last", 0),
            ]  # fmt: skip
            assert told["rules"][0]["versions"][0]["author_name"] == "studio"
            assert (await client.get(RULES)).json() == told

    run(main)


def test_a_rule_that_cannot_be_read_is_pointed_at_and_nothing_is_set() -> None:
    async def main() -> None:
        async with face() as (_node, client):
            for method, path, body in (
                ("PUT", RULES, {"rules": ["everything: copies 3", "where ratng:5: copies 2"]}),
                ("PATCH", RULES, {"add": ["where ratng:5: copies 2"]}),
                ("POST", f"{RULES}/check", {"rules": ["where ratng:5: copies 2"]}),
            ):
                answer = await client.request(method, path, json=body)
                assert answer.status_code == 422
                told = answer.json()
                assert told["code"] == "placement.rule-invalid"
                assert (told["position"], told["length"]) == (6, 5)
                assert "did you mean rating" in told["detail"]
            assert (await client.get(RULES)).json()["rules"] == []

    run(main)


def test_to_check_rules_sets_none() -> None:
    async def main() -> None:
        async with face() as (node, client):
            taken_in(node)
            body = {"rules": ["everything: copies 3, one on mobile"]}
            told = (await client.post(f"{RULES}/check", json=body)).json()
            assert told["rules"][0]["photos"] == 1
            assert (await client.get(RULES)).json()["rules"] == []

    run(main)


def test_rules_are_added_and_removed_one_by_one() -> None:
    async def main() -> None:
        async with face() as (_node, client):
            await set_rules(client, "everything: copies 3")
            body = {"add": ["where flag:pick: keep on field"], "remove": ["everything: copies 3"]}
            told = (await client.patch(RULES, json=body)).json()
            assert [one["text"] for one in told["rules"]] == ["where flag:pick: keep on field"]

    run(main)


def test_a_photo_without_rules_lacks_the_copy_of_a_central_node_alone() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = taken_in(node)
            told = (await client.get(f"/api/v1/photos/{photo}/placement")).json()
            assert (told["copies"], told["held"], told["missing"]) == (2, 1, 1)
            assert (told["rules"], told["nobody"], told["evict"]) == ([], 1, "normal")
            here, there = told["nodes"]
            assert (here["name"], here["held"], here["wanted"]) == ("studio", True, True)
            assert (there["name"], there["wanted"], there["obstacle"]) == ("field", False, None)

    run(main)


OBSTACLES = [
    (None, "this node has not met it yet"),
    (peer(link="none"), "offline since 2024-05-17 21:04"),
    (peer(link="none", last_seen=None), "this node has not met it yet"),
    (peer(free_bytes=10), "no room: 0.0 GB are free there"),
    (peer(), "connected; it fetches it in its turn"),
]


@pytest.mark.parametrize(("seen", "says"), OBSTACLES)
def test_it_says_which_rule_and_which_peer_is_in_the_way(seen: PeerView | None, says: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = taken_in(node)
            node.seen = [seen] if seen else []
            rule = "where kind:jpeg: one on mobile, evict last"
            await set_rules(client, rule, "where rating:5: copies 3")
            told = (await client.get(f"/api/v1/photos/{photo}/placement")).json()
            assert told["rules"] == [{"text": rule, "contested": False}]
            assert (told["on"], told["missing_on"]) == ({"mobile": 1}, {"mobile": 1})
            assert (told["missing"], told["nobody"], told["evict"]) == (1, 0, "last")
            there = told["nodes"][1]
            assert (there["wanted"], there["pinned"], there["evict"]) == (True, True, "never")
            assert there["obstacle"] == says

    run(main)


def test_it_says_what_is_in_the_way_here() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = taken_in(node)
            node.drop(photo)
            say_held(node, photo, is_held=False)
            node.seen = [peer()]

            async def obstacle() -> str:
                told = (await client.get(f"/api/v1/photos/{photo}/placement")).json()
                (here,) = (one for one in told["nodes"] if one["here"])
                assert not here["held"] and here["wanted"]
                said: str = here["obstacle"]
                return said

            assert await obstacle() == "no member says that it holds it"
            await client.post("/api/v1/pauses", json={"kind": "library"})
            assert (await obstacle()).startswith("paused: this node fetches nothing")

    run(main)


def test_a_photo_that_is_unknown_has_no_place() -> None:
    async def main() -> None:
        async with face() as (_node, client):
            answer = await client.get(f"/api/v1/photos/{'00' * 32}/placement")
            assert answer.json()["code"] == "catalog.photo-unknown"

    run(main)


def test_who_is_named_must_be_a_member() -> None:
    async def main() -> None:
        async with face() as (_node, client):
            answer = await client.put(RULES, json={"rules": ["everything: keep on yoda"]})
            assert answer.status_code == 422
            assert "field (mobile), studio (central)" in answer.json()["detail"]
            told = await set_rules(client, f"everything: keep on {peer_id(HERE)}")
            assert len(told["rules"]) == 1

    run(main)


def test_who_may_change_rules_is_who_may_change_the_display_policy() -> None:
    for name in ("write_placement_policy", "change_placement_policy"):
        assert OPERATIONS[name] == OPERATIONS["write_display_policy"] == (MEMBERS_ADMIN,)
