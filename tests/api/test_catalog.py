"""The whole catalog over HTTP: tasks that are asked for, and what is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.client import face, run


def test_an_export_is_begun_and_listed_until_it_is_done(tmp_path: Path) -> None:
    folder = str(tmp_path / "export")

    async def main() -> None:
        async with face() as (node, client):
            node.take("a.jpg", (1, 2, 3))
            answer = await client.post("/api/v1/export", json={"folder": folder})
            assert answer.status_code == 202
            assert (answer.json()["task"], answer.json()["finished"]) == ("export", False)
            (told,) = (await client.get("/api/v1/catalog-tasks")).json()["items"]
            assert (told["folder"], told["finished"], told["problem"]) == (folder, True, None)
            assert told["counts"]["photos"] == 1

    run(main)


def test_an_import_that_ended_early_says_why(tmp_path: Path) -> None:
    async def main() -> None:
        async with face() as (_, client):
            body = {"folder": str(tmp_path)}
            assert (await client.post("/api/v1/import-catalog", json=body)).status_code == 202
            (told,) = (await client.get("/api/v1/catalog-tasks")).json()["items"]
            assert told["problem"]["code"] == "export.other-library"
            await client.post("/api/v1/import-catalog", json=body | {"merge": True})
            (told,) = (await client.get("/api/v1/catalog-tasks")).json()["items"]
            assert told["problem"] is None

    run(main)


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("export", {"folder": "/"}, "export.unwritable"),
        ("export", {"folder": "here"}, "http.request-invalid"),
        ("import-catalog", {"folder": "/no/such/folder"}, "ingest.folder-unknown"),
        ("import-catalog", {"folder": "/", "merge": "yes"}, "http.request-invalid"),
    ],
)
def test_a_task_that_cannot_be_is_refused_at_once(
    path: str, body: dict[str, object], code: str
) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post(f"/api/v1/{path}", json=body)
            assert answer.json()["code"] == code
            assert (await client.get("/api/v1/catalog-tasks")).json() == {"items": []}

    run(main)
