"""The page: its files, how long they may be cached, and what is no file of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from photonic.api.app import Face
from photonic.api.page import Page
from tests.api.client import in_memory, run
from tests.api.local_node import MemoryNode


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built page, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>photonic</title>")
    (folder / "assets" / "index-1a2b.js").write_text("export {}")
    (folder / "leak.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@asynccontextmanager
async def page_of(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Face(MemoryNode(folder.parent))
    app.router.default = Page(folder)
    async with in_memory(app) as client:
        yield client


def test_the_page_is_asked_for_and_its_assets_are_kept(built: Path) -> None:
    async def main() -> None:
        async with page_of(built) as client:
            home = await client.get("/")
            assert "<title>photonic" in home.text
            assert home.headers["cache-control"] == "no-cache"
            asset = await client.get("/assets/index-1a2b.js")
            assert asset.headers["content-type"].startswith("text/javascript")
            assert "immutable" in asset.headers["cache-control"]
            assert (await client.head("/")).status_code == 200
            again = await client.get("/", headers={"If-None-Match": home.headers["etag"]})
            assert again.status_code == 304

    run(main)


def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with page_of(tmp_path / "page") as client:
            home = await client.get("/")
            assert home.status_code == 200
            assert "scripts/up" in home.text
            assert (await client.get("/assets/index.js")).status_code == 404

    run(main)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/assets/nothing.js",
        "/assets/",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "//etc/passwd",
        "/leak.txt",
        "/index.html/x",
        "/%00",
        "/" + "x" * 300,
    ],
)
def test_what_is_no_file_of_the_page_is_not_there(built: Path, path: str) -> None:
    async def main() -> None:
        async with page_of(built) as client:
            answer = await client.get(f"http://127.0.0.1:8640{path}")
            assert answer.status_code == 404
            assert answer.json()["code"] == "http.not-found"
            assert "secret" not in answer.text.replace("secret.txt", "")

    run(main)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", "/api/v1/nothing", "/api/v2/status"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_the_page_is_never_an_answer_of_the_api(built: Path, path: str, method: str) -> None:
    async def main() -> None:
        async with page_of(built) as client:
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "http.not-found")

    run(main)


def test_a_write_to_the_page_is_refused(built: Path) -> None:
    async def main() -> None:
        async with page_of(built) as client:
            answer = await client.put("/index.html", content=b"x")
            assert (answer.status_code, answer.json()["code"]) == (405, "http.method-not-allowed")

    run(main)
