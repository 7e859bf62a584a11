"""Lists that begin in the middle of the timeline, where photos without a date stand, too."""

from __future__ import annotations

import httpx
import pytest

from tests.api.client import face, run
from tests.api.local_node import MemoryNode

ADDED = "2023-11"  # where the tests' photos were added, and those without a date stand


def take(node: MemoryNode) -> None:
    moments = [
        "2024-06-30",
        "2024-05-31",
        "2024-05-01",
        "none",
        "nothing",
        "2023-11-01",
        "2022-02-28",
    ]
    for number, taken in enumerate(moments):
        node.take(f"{number}-{taken}.jpg", (number * 30, 0, 0), taken=taken)


async def names(client: httpx.AsyncClient, **query: str) -> list[str]:
    """Return the names of a list, read page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get("/api/v1/photos", params={"limit": "2", **query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [one["name"] for one in page["items"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def test_a_list_opened_at_any_month_goes_both_ways_and_has_every_photo_once() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            everything = await names(client)
            assert len(everything) == 7
            timeline = (await client.get("/api/v1/timeline")).json()["months"]
            months = [one["month"] for one in timeline]
            assert {"month": ADDED, "count": 3} in timeline
            newer_count = 0
            for month, following in zip(timeline, ["9998-12", *months], strict=False):
                older = await names(client, at=month["month"])
                newer = await names(client, at=following, sort="-taken")
                assert [*reversed(newer), *older] == everything
                assert len(newer) == newer_count
                newer_count += month["count"]

    run(main)


def test_photos_without_a_date_are_listed_where_the_timeline_counts_them() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            shown = (await client.get("/api/v1/photos", params={"at": ADDED})).json()["items"]
            undated = [one for one in shown if one["taken"] is None]
            assert {one["name"][0] for one in undated} == {"3", "4"}
            assert [one["name"][0] for one in shown[2:]] == ["5", "6"]
            assert {one["added"][:7] for one in undated} == {ADDED}
            assert len(await names(client, taken_to=ADDED)) == 2, "of those the date is known"

    run(main)


@pytest.mark.parametrize(
    ("at", "sort", "first"),
    [
        ("2024-05", "taken", "1"),
        ("2024-05", "-taken", "2"),
        ("2024", "taken", "0"),
        ("2024-05-31", "taken", "1"),
        ("2024-05-30", "taken", "2"),
        ("2024-05-31T12:00", "taken", "1"),
        ("2024-05-31T11:59:59.999", "taken", "2"),
        ("2024-06", "-taken", "0"),
    ],
)
def test_a_list_begins_with_the_period_that_it_is_opened_at(at: str, sort: str, first: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            assert (await names(client, at=at, sort=sort))[0][0] == first

    run(main)


def test_a_query_holds_wherever_the_list_begins() -> None:
    async def main() -> None:
        async with face() as (node, client):
            take(node)
            found = await names(client, at="2024-05", q="taken:2024 or taken:2022")
            assert [name[0] for name in found] == ["1", "2", "6"]

    run(main)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"at": "2024-13"}, 400, "catalog.query-invalid"),
        ({"at": "0000"}, 400, "catalog.query-invalid"),
        ({"at": "2024-02-30"}, 400, "catalog.query-invalid"),
        ({"at": "May"}, 422, "http.request-invalid"),
        ({"at": "2024-05", "sort": "added"}, 400, "catalog.query-invalid"),
        ({"at": "2024-05", "q": "sort:added"}, 400, "catalog.query-invalid"),
    ],
)
def test_a_place_that_there_is_not_is_refused(
    query: dict[str, str], status: int, code: str
) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.get("/api/v1/photos", params=query)
            assert (answer.status_code, answer.json()["code"]) == (status, code)

    run(main)
