"""Lists, one photo, edits and conflicts over HTTP."""

from __future__ import annotations

import pytest

from photonic.edits import Said
from tests.api.client import face, run
from tests.blobs.samples import segment


def test_pages_give_every_photo_once_newest_first() -> None:
    async def main() -> None:
        async with face() as (node, client):
            wanted = {
                node.take(f"{n}.jpg", (n * 10, 0, 0), taken=f"2024-05-{n % 5 + 1:02}")
                for n in range(23)
            }
            seen, cursor, pages = [], None, 0
            while pages == 0 or cursor:
                params = {"limit": "5"} | ({"cursor": cursor} if cursor else {})
                page = (await client.get("/api/v1/photos", params=params)).json()
                seen += page["items"]
                cursor, pages = page["next"], pages + 1
            assert pages == 5
            assert {one["id"] for one in seen} == wanted
            assert len(seen) == 23
            assert [one["taken"] for one in seen] == sorted(
                (one["taken"] for one in seen), reverse=True
            )

    run(main)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=RED", ["red.jpg"]),
        ("rating=3", ["red.jpg"]),
        ("rating=-1", ["red.jpg", "blue.jpg", "green.jpg"]),
        ("camera=Camera A", ["red.jpg", "blue.jpg", "green.jpg"]),
        ("camera=none", []),
        ("lens=none", []),
        ("tag=harbour", ["green.jpg"]),
        ("taken_from=2024-05-02", ["red.jpg", "blue.jpg"]),
        ("taken_to=2024-05", ["green.jpg", "blue.jpg"]),
        ("taken_to=2024", ["red.jpg", "green.jpg", "blue.jpg"]),
        ("media=raw", []),
        ("media=video", []),
        ("media=image&rating=0", ["red.jpg", "green.jpg"]),
        ("conflicts=true", ["blue.jpg"]),
        ("held=false", ["green.jpg"]),
        ("held=true&conflicts=true", ["blue.jpg"]),
    ],
)
def test_every_filter_reaches_the_node(query: str, names: list[str]) -> None:
    async def main() -> None:
        async with face() as (node, client):
            red = node.take("red.jpg", (255, 0, 0), taken="2024-06-01")
            green = node.take("green.jpg", (0, 255, 0), taken="2024-05-01")
            blue = node.take("blue.jpg", (0, 0, 255), taken="2024-05-02")
            node.drop(green)
            await node.edit(red, Said({"rating": 4}))
            await node.edit(green, Said(adds={"tags": ["harbour"]}))
            await node.edit(blue, Said({"rating": 1}))
            node.write_apart(blue, "rating", -1)
            answer = await client.get(f"/api/v1/photos?{query}")
            assert answer.status_code == 200
            assert sorted(one["name"] for one in answer.json()["items"]) == sorted(names)

    run(main)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "query.limit"),
        ("limit=1001", "query.limit"),
        ("rating=6", "query.rating"),
        ("media=music", "query.media"),
        ("taken_from=yesterday", "query.taken_from"),
        ("held=perhaps", "query.held"),
        ("q=" + "x" * 1_025, "query.q"),
    ],
)
def test_a_filter_that_cannot_be_is_named(query: str, parameter: str) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.get(f"/api/v1/photos?{query}")
            assert (answer.status_code, answer.json()["code"]) == (422, "http.request-invalid")
            assert [one["parameter"] for one in answer.json()["errors"]] == [parameter]
            assert parameter in answer.json()["detail"]

    run(main)


def test_a_cursor_of_no_page_is_a_problem() -> None:
    async def main() -> None:
        async with face() as (_, client):
            for place in ("photos", "conflicts"):
                answer = await client.get(f"/api/v1/{place}?cursor=ä")
                assert answer.json()["code"] == "catalog.query-invalid"

    run(main)


def test_an_edit_is_answered_with_the_photo_as_it_is_then() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            edit = {
                "rating": 4,
                "label": "green",
                "title": "Hafen \N{ANCHOR}",
                "caption": "",
                "tags": {"add": ["a", "b"]},
            }
            answer = await client.patch(f"/api/v1/photos/{photo}", json=edit)
            shown = answer.json()
            assert (shown["rating"], shown["label"], shown["title"], shown["tags"]) == (
                4,
                "green",
                "Hafen \N{ANCHOR}",
                ["a", "b"],
            )
            assert shown["fields"]["rating"]["versions"][0]["author_name"] == "studio"
            cleared = {"rating": None, "label": None, "tags": {"add": ["c"], "remove": ["a"]}}
            await client.patch(f"/api/v1/photos/{photo}", json=cleared)
            read = (await client.get(f"/api/v1/photos/{photo}")).json()
            assert (read["rating"], read["label"], read["title"], read["tags"]) == (
                None,
                None,
                "Hafen \N{ANCHOR}",
                ["b", "c"],
            )

    run(main)


@pytest.mark.parametrize(
    ("edit", "parameter"),
    [
        ({"rating": 6}, "body.rating"),
        ({"rating": -2}, "body.rating"),
        ({"rating": True}, "body.rating"),
        ({"rating": "4"}, "body.rating"),
        ({"rating": 2.5}, "body.rating"),
        ({"label": "pink"}, "body.label"),
        ({"title": 7}, "body.title"),
        ({"caption": "x" * 16_385}, "body.caption"),
        ({"colour": "red"}, "body.colour"),
        ({"rating": 3, "gps": {"latitude": 91, "longitude": 0}}, "body.gps.latitude"),
        ({"tags": {"add": [""]}}, "body.tags.add.0"),
        ({"tags": {"add": ["x" * 257]}}, "body.tags.add.0"),
        ({"tags": ["a"]}, "body.tags"),
        ({}, "body"),
        ([], "body"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_whole(edit: object, parameter: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            before = node.events.last_id
            answer = await client.patch(f"/api/v1/photos/{photo}", json=edit)
            assert (answer.status_code, answer.json()["code"]) == (422, "http.request-invalid")
            assert answer.json()["errors"][0]["parameter"] == parameter
            assert node.events.last_id == before

    run(main)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"title": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_problem(body: bytes) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            answer = await client.patch(
                f"/api/v1/photos/{photo}",
                content=body,
                headers={"Content-Type": "application/json"},
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "http.request-invalid")

    run(main)


def test_a_form_is_not_taken_for_json() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            answer = await client.patch(
                f"/api/v1/photos/{photo}",
                content=b'{"rating": 1}',
                headers={"Content-Type": "text/plain"},
            )
            assert answer.status_code == 422

    run(main)


@pytest.mark.parametrize("photo", ["zz", "ab" * 31, "ab" * 33, "cd" * 32, "%20", "ä" * 64])
def test_an_id_of_no_photo_is_unknown(photo: str) -> None:
    async def main() -> None:
        async with face() as (_, client):
            for ending in ("", "/original", "/preview"):
                answer = await client.get(f"/api/v1/photos/{photo}{ending}")
                assert (answer.status_code, answer.json()["code"]) == (404, "catalog.photo-unknown")

    run(main)


def test_contested_versions_are_shown_and_one_is_kept() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            await client.patch(f"/api/v1/photos/{photo}", json={"rating": 4})
            theirs = node.write_apart(photo, "rating", 2)
            shown = (await client.get(f"/api/v1/photos/{photo}")).json()
            assert shown["conflicts"] == ["rating"]
            assert shown["fields"]["rating"]["contested"]
            versions = shown["fields"]["rating"]["versions"]
            assert sorted(version["value"] for version in versions) == [2, 4]

            listed = (await client.get("/api/v1/conflicts")).json()["items"]
            assert [(one["photo"]["id"], one["field"]) for one in listed] == [(photo, "rating")]
            assert {version["author_name"] for version in listed[0]["versions"]} == {
                "studio",
                "field",
            }

            address = f"/api/v1/photos/{photo}/resolve"
            answer = await client.post(address, json={"field": "rating", "change": theirs})
            assert (answer.status_code, answer.json()["rating"]) == (200, 2)
            assert answer.json()["conflicts"] == []
            assert (await client.get("/api/v1/conflicts")).json() == {"items": [], "next": None}

    run(main)


@pytest.mark.parametrize("value", [3, None])
def test_a_conflict_is_settled_by_a_value(value: int | None) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            node.write_apart(photo, "rating", 2)
            node.write_apart(photo, "rating", 5)
            address = f"/api/v1/photos/{photo}/resolve"
            answer = await client.post(address, json={"field": "rating", "value": value})
            assert (answer.json()["rating"], answer.json()["conflicts"]) == (value, [])

    run(main)


@pytest.mark.parametrize(
    "body",
    [
        {"field": "rating"},
        {"field": "rating", "change": "ab" * 32, "value": 3},
        {"field": "rating", "change": "not a change"},
        {"field": "rating", "value": [1]},
        {"field": "rating", "value": 10**30},
        {"field": "", "value": 1},
        {"change": "ab" * 32},
    ],
)
def test_a_resolution_names_either_a_change_or_a_value(body: dict[str, object]) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            answer = await client.post(f"/api/v1/photos/{photo}/resolve", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "http.request-invalid")

    run(main)


def test_conflicts_come_in_pages() -> None:
    async def main() -> None:
        async with face() as (node, client):
            for n in range(5):
                photo = node.take(f"{n}.jpg", (n * 10, 9, 9))
                node.write_apart(photo, "title", "a")
                node.write_apart(photo, "title", "b")
            first = (await client.get("/api/v1/conflicts?limit=3")).json()
            rest = (
                await client.get("/api/v1/conflicts", params={"cursor": first["next"], "limit": 3})
            ).json()
            ids = [one["photo"]["id"] for one in first["items"] + rest["items"]]
            assert (len(ids), len(set(ids)), rest["next"]) == (5, 5, None)

    run(main)


def test_a_photo_names_those_with_the_same_picture_and_other_metadata() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo, other = node.take("a.jpg", (9, 9, 9)), node.take("b.jpg", (99, 9, 9))
            data = (node.folder / "a.jpg").read_bytes()
            tagged = node.folder / "tagged.jpg"
            tagged.write_bytes(data[:2] + segment(0xE1, b"words") + data[2:])
            twin = node.take_in(tagged)
            named = {
                one: (await client.get(f"/api/v1/photos/{one}")).json()["same_pixels_as"]
                for one in (photo, other, twin)
            }
            assert named == {photo: [twin], other: [], twin: [photo]}

    run(main)
