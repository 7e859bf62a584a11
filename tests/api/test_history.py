"""What was said and by whom, and taking it back, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from photonic import limits
from photonic.crdt.changes import Draft
from photonic.crdt.keys import change_key
from photonic.edits import Said
from photonic.ids import BlobId, ChangeId, digest, peer_id, photo_subject
from tests.api.client import face, run
from tests.memory_library import THERE


async def undo(client: httpx.AsyncClient, **body: str) -> Any:
    answer = await client.post("/api/v1/undo", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def log_of(client: httpx.AsyncClient, photo: str) -> Any:
    return (await client.get(f"/api/v1/photos/{photo}/log")).json()["items"]


def test_the_log_of_a_photo_tells_who_said_what() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            await node.edit(photo, Said({"rating": 2}))
            await node.edit(photo, Said({"rating": 4}, {"tags": ["dawn"]}))
            node.write_apart(photo, "title", "Evening")
            told = (await client.get(f"/api/v1/photos/{photo}/log")).json()
            assert (told["photo"], told["name"], told["next"]) == (photo, "red.jpg", None)
            apart, second, first, begin = told["items"]
            assert (apart["author_name"], second["author_name"]) == ("field", "studio")
            assert second["fields"] == [
                {"field": "rating", "kind": "set", "old": 2, "new": 4, "stands": True},
                {"field": "tags", "kind": "added", "old": None, "new": ["dawn"], "stands": True},
            ]
            assert not first["fields"][0]["stands"]
            assert begin["first"] and not begin["fields"]

    run(main)


def test_a_photo_that_is_not_here_has_no_log() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            answer = await client.get(f"/api/v1/photos/{'ab' * 32}/log")
            assert answer.json()["code"] == "catalog.photo-unknown"
            answer = await client.get(f"/api/v1/photos/{photo}/log?cursor=ä")
            assert answer.json()["code"] == "catalog.query-invalid"

    run(main)


def test_recent_acts_come_latest_first_in_pages() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = [node.take(f"{n}.jpg", (n * 30, 0, 0)) for n in range(3)]
            body = {"q": "", "rating": 4, "tags": {"add": ["a"]}}
            act = (await client.post("/api/v1/photos/edit", json=body)).json()["act"]
            for rating in range(3):
                await node.edit(photos[0], Said({"rating": rating}))
            first = (await client.get("/api/v1/log?limit=3")).json()
            assert [one["count"] for one in first["items"]] == [1, 1, 1]
            assert {one["subject"] for one in first["items"]} == {photos[0]}
            query = {"limit": "3", "cursor": first["next"]}
            rest = (await client.get("/api/v1/log", params=query)).json()
            (bulk,) = rest["items"]
            assert (bulk["id"], bulk["act"], bulk["count"]) == (act, act, 3)
            assert sorted(bulk["fields"]) == ["rating", "tags"]
            assert rest["next"] is None
            assert (await client.get("/api/v1/log?cursor=ä")).status_code == 400

    run(main)


def test_imports_are_not_among_what_people_did() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.take("red.jpg", (255, 0, 0))
            assert (await client.get("/api/v1/log")).json() == {"items": [], "next": None}

    run(main)


@pytest.mark.parametrize("digits", [6, 12, 64])
def test_a_change_is_undone_by_the_beginning_of_its_id(digits: int) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            await node.edit(photo, Said({"rating": 2}))
            await node.edit(photo, Said({"rating": 4}))
            change = (await log_of(client, photo))[0]["change"]
            told = await undo(client, change=change[:digits])
            assert (told["undone"], told["kept_count"]) == (1, 0)
            assert (await node.photo(photo)).rating == 2
            again = await undo(client, act=told["act"])
            assert (again["undone"], (await node.photo(photo)).rating) == (1, 4)

    run(main)


def test_an_act_is_undone_whole_but_for_what_was_said_since() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = [node.take(f"{n}.jpg", (n * 30, 0, 0)) for n in range(4)]
            answer = await client.post("/api/v1/photos/edit", json={"q": "", "rating": 4})
            await node.edit(photos[0], Said({"rating": 5}))
            told = await undo(client, act=answer.json()["act"][:8])
            assert (told["undone"], told["kept_count"]) == (3, 1)
            assert [(one["photo"], one["name"]) for one in told["kept"]] == [(photos[0], "0.jpg")]
            assert told["kept"][0]["reason"]
            assert [(await node.photo(photo)).rating for photo in photos] == [5, None, None, None]
            log = (await client.get("/api/v1/log")).json()["items"]
            assert (log[0]["act"], log[0]["count"]) == (told["act"], 3)

    run(main)


def test_what_cannot_be_undone_says_why() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            await node.edit(photo, Said({"rating": 2}))
            await node.edit(photo, Said({"rating": 4}))
            older = (await log_of(client, photo))[1]["change"]
            for body, status, code in (
                ({"change": older}, 409, "catalog.undo-refused"),
                ({"change": "0" * 64}, 404, "history.unknown"),
                ({"act": "0" * 32}, 404, "history.unknown"),
                ({"change": "xyz"}, 422, "http.request-invalid"),
                ({"change": "abc"}, 422, "http.request-invalid"),
                ({}, 422, "http.request-invalid"),
                ({"change": older, "act": "0" * 32}, 422, "http.request-invalid"),
            ):
                answer = await client.post("/api/v1/undo", json=body)
                assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert (await node.photo(photo)).rating == 4

    run(main)


def test_what_was_imported_tells_its_origin_and_is_undone_without_it() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            subject = photo_subject(BlobId(bytes.fromhex(photo)))
            origin = (f"{change_key(ChangeId(digest(b'there')))} laptop",)
            node.catalog_thread.write(Draft(subject, {"rating": 2}, {"origin": origin}))
            node.catalog_thread.write(Draft(subject, {}, {"origin": origin}))
            (act,) = (await client.get("/api/v1/log")).json()["items"]
            assert (act["origin"], act["author_name"], act["fields"]) == (
                "laptop", "studio", ["rating"],
            )  # fmt: skip
            (said, _) = await log_of(client, photo)
            assert (said["origin"], said["change"]) == ("laptop", act["id"])
            await undo(client, change=said["change"])
            assert (await node.photo(photo)).rating is None
            latest = node.catalog_thread.catalog.changes(subject)[-1].change
            assert (latest.sets, latest.removes) == ({"rating": None}, {})

    run(main)


def test_an_import_that_was_written_over_leaves_nothing_to_undo() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("red.jpg", (255, 0, 0))
            subject = photo_subject(BlobId(bytes.fromhex(photo)))
            origin = (f"{change_key(ChangeId(digest(b'there')))} laptop",)
            (signed,) = node.catalog_thread.write(Draft(subject, {"rating": 2}, {"origin": origin}))
            await node.edit(photo, Said({"rating": 4}))
            answer = await client.post("/api/v1/undo", json={"change": signed.id.hex()})
            assert answer.json()["code"] == "catalog.undo-refused"

    run(main)


@pytest.mark.parametrize("is_bulk", [True, False])
def test_removals_that_are_held_name_the_act_that_takes_them_back(is_bulk: bool) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = [
                node.take(f"{n}.jpg", (n * 11, 100, 0)) for n in range(limits.BRAKE_PHOTOS_MIN + 1)
            ]
            act = b"one bulk removal"
            for photo in photos:
                subject = photo_subject(BlobId(bytes.fromhex(photo)))
                said = act if is_bulk else b""
                node.catalog_thread.write_apart(subject, {"trashed": True}, act=said)
            (held,) = (await client.get("/api/v1/trash")).json()["held"]
            assert (held["node"], held["count"]) == (peer_id(THERE), len(photos))
            assert held["act"] == (act.hex() if is_bulk else None)
            if is_bulk:
                assert (await undo(client, act=held["act"]))["undone"] == len(photos)
                trash = (await client.get("/api/v1/trash")).json()
                assert trash == {"items": [], "next": None, "held": []}

    run(main)
