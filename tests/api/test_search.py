"""The query language over HTTP: lists, counts, the timeline, what there is to choose from."""

from __future__ import annotations

import httpx
import pytest

from photonic.edits import Said
from tests.api.client import face, run
from tests.api.local_node import MemoryNode


async def begun(node: MemoryNode) -> None:
    red = node.take("red.jpg", (255, 0, 0), taken="2024-06-01")
    green = node.take("green.jpg", (0, 255, 0), taken="2024-05-01")
    blue = node.take("blue.jpg", (0, 0, 255), taken="2024-05-02")
    await node.edit(red, Said({"rating": 4, "flag": "pick", "title": "Évening"}))
    await node.edit(green, Said({"label": "green"}, {"tags": ["travel|iceland"]}))
    await node.edit(blue, Said({"rating": -1, "gps": {"latitude": 64.1, "longitude": -21.9}}))


async def names(client: httpx.AsyncClient, **query: str) -> list[str]:
    answer = await client.get("/api/v1/photos", params=query)
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("", ["red.jpg", "blue.jpg", "green.jpg"]),
        ("rating>=3", ["red.jpg"]),
        ("taken:2024-05", ["blue.jpg", "green.jpg"]),
        ("tag:travel/iceland", ["green.jpg"]),
        ("tag:travel -label:red", ["green.jpg"]),
        ("flag:pick or flag:reject", ["red.jpg", "blue.jpg"]),
        ("-flag:reject", ["red.jpg", "green.jpg"]),
        ("evening", ["red.jpg"]),
        ('camera:"Camera A" sort:-taken', ["green.jpg", "blue.jpg", "red.jpg"]),
        ("place:60,-30..70,-10", ["blue.jpg"]),
    ],
)
def test_a_query_finds_what_it_says(q: str, found: list[str]) -> None:
    async def main() -> None:
        async with face() as (node, client):
            await begun(node)
            assert await names(client, q=q) == found
            counted = (await client.get("/api/v1/photos/count", params={"q": q})).json()
            assert counted == {"count": len(found), "exact": True}

    run(main)


def test_a_query_and_the_other_filters_must_all_hold() -> None:
    async def main() -> None:
        async with face() as (node, client):
            await begun(node)
            assert await names(client, q="taken:2024", rating="1") == ["red.jpg"]
            assert await names(client, q="red or blue", taken_to="2024-05") == ["blue.jpg"]

    run(main)


def test_the_sort_that_is_given_wins_over_that_of_the_query() -> None:
    async def main() -> None:
        async with face() as (node, client):
            await begun(node)
            assert (await names(client, q="sort:taken", sort="-taken"))[0] == "green.jpg"
            assert (await client.get("/api/v1/photos?sort=name")).status_code == 422

    run(main)


@pytest.mark.parametrize("sort", ["taken", "-taken", "added", "-added"])
def test_pages_of_every_order_give_every_photo_once(sort: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            taken = [
                node.take(f"{n}.jpg", (n * 20, 0, 9), taken=f"2024-05-{n + 1:02}") for n in range(9)
            ]
            seen, cursor = [], None
            while True:
                query = {"sort": sort, "limit": "2"} | ({"cursor": cursor} if cursor else {})
                page = (await client.get("/api/v1/photos", params=query)).json()
                seen += [one["id"] for one in page["items"]]
                if (cursor := page["next"]) is None:
                    break
            assert sorted(seen) == sorted(taken)
            if sort.endswith("taken"):
                assert seen == (taken if sort == "-taken" else taken[::-1])

    run(main)


@pytest.mark.parametrize("place", ["photos", "photos/count", "timeline"])
def test_a_query_that_cannot_be_read_points_at_the_character(place: str) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.get(f"/api/v1/{place}", params={"q": "rating>=3 ratng:4"})
            told = answer.json()
            assert (answer.status_code, told["code"]) == (400, "catalog.query-invalid")
            assert (told["position"], told["length"]) == (10, 5)
            assert "rating" in told["detail"]
            assert "^^^^^" in told["detail"].splitlines()[-1]

    run(main)


def test_the_timeline_counts_months() -> None:
    async def main() -> None:
        async with face() as (node, client):
            await begun(node)
            assert (await client.get("/api/v1/timeline")).json() == {
                "months": [{"month": "2024-06", "count": 1}, {"month": "2024-05", "count": 2}],
                "count": 3,
            }
            narrowed = (await client.get("/api/v1/timeline", params={"q": "rating>=3"})).json()
            assert narrowed == {"months": [{"month": "2024-06", "count": 1}], "count": 1}

    run(main)


def test_each_facet_comes_with_the_query_that_finds_it() -> None:
    async def main() -> None:
        async with face() as (node, client):
            await begun(node)
            facets = (await client.get("/api/v1/facets")).json()
            assert [one["value"] for one in facets["cameras"]] == ["Camera A"]
            assert {one["value"]: one["count"] for one in facets["ratings"]} == {"4": 1, "-1": 1}
            assert {one["value"] for one in facets["tags"]} >= {"travel/iceland"}
            for facet in (one for some in facets.values() for one in some):
                found = await names(client, q=facet["query"])
                assert len(found) == facet["count"], facet

    run(main)
