"""Edits of many photos as one act, and what one photo takes besides."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.client import face, run
from tests.api.local_node import MemoryNode


def take(node: MemoryNode, count: int) -> list[str]:
    return [
        node.take(f"{n}.jpg", (n * 10, 250 - n * 10, 0), taken=f"2024-05-{n + 1:02}")
        for n in range(count)
    ]


async def edit(client: httpx.AsyncClient, **body: Any) -> Any:
    answer = await client.post("/api/v1/photos/edit", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read(client: httpx.AsyncClient, photo: str) -> Any:
    return (await client.get(f"/api/v1/photos/{photo}")).json()


def test_all_that_a_query_finds_is_edited_by_one_act() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = take(node, 5)
            told = await edit(
                client,
                q="taken:2024-05-02..2024-05-04",
                rating=4,
                flag="pick",
                tags={"add": ["harbour"]},
            )
            assert told["count"] == 3 and len(told["act"]) == 32
            ratings = [(await read(client, photo))["rating"] for photo in photos]
            assert ratings == [None, 4, 4, 4, None]
            for photo in photos[1:4]:
                log = (await client.get(f"/api/v1/photos/{photo}/log")).json()
                assert log["items"][0]["act"] == told["act"]

    run(main)


def test_a_dry_run_counts_and_writes_nothing() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = take(node, 4)
            before = node.events.last_id
            told = await edit(client, q="", rating=4, dry_run=True)
            assert told == {"count": 4, "act": None, "dry_run": True}
            told = await edit(client, ids=photos[:2], rating=4, dry_run=True)
            assert told["count"] == 2
            assert node.events.last_id == before

    run(main)


def test_what_is_so_already_is_left_alone() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = take(node, 3)
            await edit(client, ids=photos[:2], rating=4, tags={"add": ["a"]})
            again = await edit(client, ids=photos, rating=4, tags={"add": ["a"]})
            assert again["count"] == 1
            none = await edit(client, ids=photos, rating=4, tags={"add": ["a"], "remove": ["b"]})
            assert none == {"count": 0, "act": None, "dry_run": False}

    run(main)


def test_an_edit_settles_what_is_contested() -> None:
    async def main() -> None:
        async with face() as (node, client):
            (photo,) = take(node, 1)
            node.write_apart(photo, "rating", 2)
            node.write_apart(photo, "rating", 4)
            assert (await edit(client, q="has:conflict", rating=4))["count"] == 1
            assert (await read(client, photo))["conflicts"] == []

    run(main)


def test_an_edit_that_changes_what_its_query_finds_reaches_every_photo() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node, 25)
            assert (await edit(client, q="rating:none", rating=1))["count"] == 25

    run(main)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"q": "", "ids": [], "rating": 1}, 422, "http.request-invalid"),
        ({"rating": 1}, 422, "http.request-invalid"),
        ({"q": ""}, 422, "http.request-invalid"),
        ({"q": "", "rating": 9}, 422, "http.request-invalid"),
        ({"ids": ["ab"], "rating": 1}, 422, "http.request-invalid"),
        ({"ids": ["ab" * 32], "rating": 1}, 404, "catalog.photo-unknown"),
        ({"q": "rating>", "rating": 1}, 400, "catalog.query-invalid"),
        ({"q": "", "albums": {"add": ["a1" * 16]}}, 404, "albums.unknown"),
        ({"q": "", "tags": {}}, 422, "catalog.edit-invalid"),
    ],
)
def test_an_edit_that_cannot_be_changes_nothing(
    body: dict[str, object], status: int, code: str
) -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node, 1)
            before = node.events.last_id
            answer = await client.post("/api/v1/photos/edit", json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert node.events.last_id == before

    run(main)


def test_one_photo_takes_a_flag_a_place_and_albums() -> None:
    async def main() -> None:
        async with face() as (node, client):
            (photo,) = take(node, 1)
            album = (await client.post("/api/v1/albums", json={"name": "Best"})).json()["id"]
            place = {"latitude": 64.1, "longitude": -21.9}
            body = {"flag": "reject", "gps": place, "albums": {"add": [album]}}
            shown = (await client.patch(f"/api/v1/photos/{photo}", json=body)).json()
            assert (shown["flag"], shown["albums"]) == ("reject", [album])
            assert shown["fields"]["gps"]["value"] == place | {"altitude_m": None}
            cleared = {"flag": None, "gps": None, "albums": {"remove": [album]}}
            shown = (await client.patch(f"/api/v1/photos/{photo}", json=cleared)).json()
            assert (shown["flag"], shown["albums"]) == (None, [])
            assert shown["fields"]["gps"]["value"] is None

    run(main)
