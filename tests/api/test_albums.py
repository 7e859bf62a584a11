"""Albums by hand and by a saved query, and the display policy."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.client import face, run
from tests.api.local_node import MemoryNode


async def create(client: httpx.AsyncClient, name: str, query: str | None = None) -> str:
    answer = await client.post("/api/v1/albums", json={"name": name, "query": query})
    assert answer.status_code == 201, answer.text
    album: str = answer.json()["id"]
    return album


async def undo(client: httpx.AsyncClient, **body: str) -> Any:
    answer = await client.post("/api/v1/undo", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client: httpx.AsyncClient) -> list[tuple[str, str | None]]:
    items = (await client.get("/api/v1/albums")).json()["items"]
    return [(one["name"], one["query"]) for one in items]


async def found(client: httpx.AsyncClient, q: str) -> set[str]:
    items = (await client.get("/api/v1/photos", params={"q": q})).json()["items"]
    return {one["name"] for one in items}


async def put(client: httpx.AsyncClient, album: str, q: str, side: str = "add") -> Any:
    body = {"q": q, "albums": {side: [album]}}
    return (await client.post("/api/v1/photos/edit", json=body)).json()


def take(node: MemoryNode) -> None:
    for number, name in enumerate(("red.jpg", "green.jpg", "blue.jpg")):
        node.take(name, (number * 100, 0, 0), taken=f"2024-05-0{number + 1}")


def test_photos_are_put_into_an_album_and_taken_out() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            album = await create(client, "Harbour days")
            assert (await put(client, album, "red or blue"))["count"] == 2
            assert await found(client, 'album:"harbour days"') == {"red.jpg", "blue.jpg"}
            assert await found(client, f"-album:{album}") == {"green.jpg"}
            await put(client, album, "red", "remove")
            assert await found(client, f"album:{album}") == {"blue.jpg"}

    run(main)


def test_a_saved_album_has_what_its_query_finds() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            album = await create(client, "May", "taken:2024-05-01..2024-05-02")
            assert await found(client, "album:May") == {"red.jpg", "green.jpg"}
            body = {"query": "name:blue"}
            assert (await client.patch(f"/api/v1/albums/{album}", json=body)).status_code == 200
            assert await found(client, f"album:{album}") == {"blue.jpg"}
            assert (await put(client, album, ""))["code"] == "catalog.edit-invalid"
            best = await create(client, "Best", "album:May or red")
            assert await found(client, f"album:{best}") == {"blue.jpg", "red.jpg"}

    run(main)


def test_two_albums_may_share_a_name() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            first, second = await create(client, "A"), await create(client, "A")
            assert first != second
            assert await listed(client) == [("A", None), ("A", None)]
            await put(client, first, "red")
            await put(client, second, "blue")
            assert await found(client, "album:A") == {"red.jpg", "blue.jpg"}
            assert await found(client, f"album:{second}") == {"blue.jpg"}

    run(main)


def test_a_deleted_album_is_gone_and_its_photos_are_not() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            album = await create(client, "A")
            await put(client, album, "")
            answer = await client.delete(f"/api/v1/albums/{album}")
            assert (answer.status_code, answer.json()["name"]) == (200, "A")
            assert await listed(client) == []
            assert len(await found(client, "")) == 3
            for method in ("PATCH", "DELETE"):
                again = await client.request(method, f"/api/v1/albums/{album}", json={"name": "B"})
                assert again.json()["code"] == "albums.unknown"

    run(main)


def test_a_deleted_album_comes_back_by_undo() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            album = await create(client, "A")
            await put(client, album, "red")
            act = (await client.delete(f"/api/v1/albums/{album}")).json()["act"]
            deletion = (await client.get("/api/v1/log")).json()["items"][0]
            assert (deletion["kind"], deletion["subject"]) == ("album", album)
            assert (deletion["id"], deletion["fields"]) == (act, ["gone"])
            told = await undo(client, act=act[:12])
            assert (told["albums"], told["undone"], told["kept"]) == (1, 0, [])
            assert await listed(client) == [("A", None)]
            assert await found(client, "album:A") == {"red.jpg"}
            again = await undo(client, act=told["act"])
            assert (again["albums"], await listed(client)) == (1, [])

    run(main)


def test_a_name_is_taken_back_and_that_an_album_was_made_is_not() -> None:
    async def main() -> None:
        async with face() as (_, client):
            album = await create(client, "A")
            await client.patch(f"/api/v1/albums/{album}", json={"name": "B"})
            naming, making = (await client.get("/api/v1/log")).json()["items"]
            assert (await undo(client, change=naming["id"]))["albums"] == 1
            assert await listed(client) == [("A", None)]
            refused = await client.post("/api/v1/undo", json={"change": making["id"]})
            assert refused.json()["code"] == "catalog.undo-refused"
            assert await listed(client) == [("A", None)]

    run(main)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": ""}, 422, "http.request-invalid"),
        ({"name": " "}, 422, "http.request-invalid"),
        ({"name": "x" * 257}, 422, "http.request-invalid"),
        ({"query": "red"}, 422, "http.request-invalid"),
        ({"name": "A", "query": "ratng:3"}, 400, "catalog.query-invalid"),
    ],
)
def test_an_album_that_cannot_be_is_refused(
    body: dict[str, object], status: int, code: str
) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post("/api/v1/albums", json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert await listed(client) == []

    run(main)


def test_an_empty_change_of_an_album_is_refused() -> None:
    async def main() -> None:
        async with face() as (_, client):
            album = await create(client, "A")
            answer = await client.patch(f"/api/v1/albums/{album}", json={})
            assert answer.status_code == 422
            assert (await client.patch("/api/v1/albums/xyz", json={"name": "B"})).status_code == 404

    run(main)


def test_names_that_were_given_apart_are_told() -> None:
    async def main() -> None:
        async with face() as (node, client):
            album = await create(client, "A")
            await client.patch(f"/api/v1/albums/{album}", json={"name": "B"})
            node.write_apart(album, "name", "C")
            (one,) = (await client.get("/api/v1/albums")).json()["items"]
            assert (one["name"], one["conflicts"]) == ("C", ["name"])

    run(main)


def test_a_rule_says_which_of_two_values_is_shown() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (1, 2, 3))
            await client.patch(f"/api/v1/photos/{photo}", json={"rating": 4})
            node.write_apart(photo, "rating", 2)
            shown = {}
            for rule in ("auto", "manual", "prefer:central"):
                answer = await client.put("/api/v1/policies/display", json={"rating": rule})
                assert answer.json() == {"*": "auto", "rating": rule}
                one = (await client.get(f"/api/v1/photos/{photo}")).json()
                (in_list,) = (await client.get("/api/v1/photos")).json()["items"]
                assert one["rating"] == in_list["rating"]
                assert one["conflicts"] == ["rating"]
                shown[rule] = one["rating"]
            assert shown == {"auto": 2, "manual": None, "prefer:central": 4}

    run(main)


def test_a_photo_stays_listed_while_a_person_must_choose_its_original() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (1, 2, 3))
            node.write_apart(photo, "original", [b"x" * 32, 9, bytes(32)])
            for rules in ({"*": "auto"}, {"original": "manual"}, {"*": "manual"}):
                await client.put("/api/v1/policies/display", json=rules)
                assert await found(client, "") == {"red.jpg"}
                assert await found(client, "is:contested") == {"red.jpg"}
                one = (await client.get(f"/api/v1/photos/{photo}")).json()
                assert one["fields"]["original"]["contested"]
                # The one that the photo is named by is not superseded by another.
                assert len(one["fields"]["original"]["versions"]) == 2

    run(main)


def test_rules_that_are_not_given_again_are_gone() -> None:
    async def main() -> None:
        async with face() as (_, client):
            address = "/api/v1/policies/display"
            assert (await client.get(address)).json() == {"*": "auto"}
            await client.put(address, json={"*": "manual", "rating": "prefer:mobile"})
            assert (await client.put(address, json={"title": "manual"})).json() == {
                "*": "auto",
                "title": "manual",
            }
            for rules in ({"rating": "loudest"}, {"camera": "auto"}, {"sidecar/xmp": "auto"}):
                refused = await client.put(address, json=rules)
                assert refused.json()["code"] == "catalog.edit-invalid"
            assert (await client.get(address)).json() == {"*": "auto", "title": "manual"}

    run(main)
