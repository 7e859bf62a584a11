"""Verifying over HTTP: what is asked for, what is found, and the regular verification's switch."""

from __future__ import annotations

import pytest

from photonic.blobs.store import Soundness
from photonic.ids import BlobId
from tests.api.client import face, run
from tests.api.local_node import MemoryNode


def rot(node: MemoryNode, photo: str) -> BlobId:
    """Flip a bit of an original in the node's store."""
    blob = BlobId(bytes.fromhex(photo))
    held, chunks, data = node.store._blobs[blob]
    node.store._blobs[blob] = (held, chunks, bytes([data[0] ^ 1]) + data[1:])
    return blob


@pytest.mark.parametrize("body", [{}, {"q": ""}, {"q": "name:a"}])
def test_what_is_asked_for_is_verified(body: dict[str, object]) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photos = [node.take(f"{name}.jpg", (80 * n, 2, 3)) for n, name in enumerate(("a", "b"))]
            answer = await client.post("/api/v1/verifications", json=body)
            assert answer.status_code == 202
            assert answer.json()["finished"] is False
            (told,) = (await client.get("/api/v1/verifications")).json()["items"]
            many = 1 if body.get("q") else len(photos)
            assert (told["done"], told["total"], told["finished"]) == (many, many, True)
            assert (told["blobs"], told["sound"], told["findings"]) == (many, many, [])
            assert told["counts"] == ("photos" if "q" in body else "files")
            assert told["q"] == body.get("q")
            assert told["bytes"] > 0

    run(main)


def test_damage_is_named_with_its_photo_and_said_to_be_repaired_when_it_is() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo, other = node.take("a.jpg", (1, 2, 3)), node.take("b.jpg", (3, 2, 1))
            data = (node.folder / "a.jpg").read_bytes()
            blob = rot(node, photo)
            await client.post("/api/v1/verifications", json={"ids": [photo, other]})
            (told,) = (await client.get("/api/v1/verifications")).json()["items"]
            assert (told["damaged"], told["sound"], told["blobs"]) == (1, 1, 2)
            (finding,) = told["findings"]
            assert (finding["photo"], finding["name"]) == (photo, "a.jpg")
            assert finding["state"] == Soundness.DAMAGED.value
            assert (await client.get("/api/v1/scrub")).json()["damaged"] == 1
            node.store.drop_partial(blob)
            node.store.put(data)
            await node.verifications.scrubber._look_for_damage()
            (told,) = (await client.get("/api/v1/verifications")).json()["items"]
            assert told["findings"][0]["state"] == "repaired"
            assert (await client.get("/api/v1/scrub")).json()["repaired"] == 1

    run(main)


def test_an_original_that_is_not_here_is_counted_apart() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.drop(node.take("a.jpg", (1, 2, 3)))
            await client.post("/api/v1/verifications", json={"q": ""})
            (told,) = (await client.get("/api/v1/verifications")).json()["items"]
            assert (told["absent"], told["blobs"], told["done"]) == (1, 0, 1)

    run(main)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"q": "rating>>4"}, "catalog.query-invalid"),
        ({"ids": ["00" * 32]}, "catalog.photo-unknown"),
        ({"q": "", "ids": []}, "http.request-invalid"),
        ({"photos": []}, "http.request-invalid"),
    ],
)
def test_what_cannot_be_verified_is_refused_at_once(body: dict[str, object], code: str) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post("/api/v1/verifications", json=body)
            assert answer.json()["code"] == code
            assert (await client.get("/api/v1/verifications")).json() == {"items": []}

    run(main)


def test_the_regular_verification_is_paused_and_told_in_the_status() -> None:
    async def main() -> None:
        async with face() as (_, client):
            assert (await client.get("/api/v1/scrub")).json()["paused"] is False
            told = (await client.put("/api/v1/scrub", json={"paused": True})).json()
            assert told["paused"] is True
            assert (await client.get("/api/v1/status")).json()["scrub"] == told
            assert (await client.put("/api/v1/scrub", json={"paused": False})).json()["days"] == 30
            wrong = await client.put("/api/v1/scrub", json={"paused": "no"})
            assert wrong.json()["code"] == "http.request-invalid"

    run(main)


def test_a_photo_says_when_this_node_verified_it() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (1, 2, 3))
            holders = (await client.get(f"/api/v1/photos/{photo}")).json()["holders"]
            told = {holder["name"]: holder["verified_at"] for holder in holders}
            assert told == {"studio": "2023-11-14T22:13:20.000Z", "field": None}

    run(main)
