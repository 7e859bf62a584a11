"""Originals that fail, previews, and what a browser may show."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from photonic.api.media import content_disposition
from tests.api.client import connected, face, read_all, request_bytes, run, served, until
from tests.api.local_node import MemoryNode

MIB = 1 << 20


def open_files(path: Path) -> int:
    """How many handles of this process are on `path`."""
    handles = Path("/proc/self/fd").iterdir()
    return sum(handle.is_symlink() and os.path.realpath(handle) == str(path) for handle in handles)


def test_an_original_that_is_not_here_is_a_problem_that_says_so() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (200, 0, 0))
            node.drop(photo)
            for name in ("original", "preview"):
                answer = await client.get(f"/api/v1/photos/{photo}/{name}")
                assert (answer.status_code, answer.json()["code"]) == (404, "blobs.missing")

    run(main)


@pytest.mark.parametrize(
    ("harm", "status", "code"),
    [("remove", 404, "blobs.missing"), ("cut", 502, "blobs.corrupt")],
)
def test_a_file_that_was_harmed_on_disk_is_not_served(harm: str, status: int, code: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (200, 0, 0))
            path = (await node.original(photo)).path
            if harm == "remove":
                path.unlink()
            else:
                os.truncate(path, 10)
            answer = await client.get(f"/api/v1/photos/{photo}/original")
            assert (answer.status_code, answer.json()["code"]) == (status, code)

    run(main)


async def take_big(node: MemoryNode) -> tuple[Path, str]:
    """Give the node an original of 48 MiB; return its file and where to read it."""
    path = (await node.original(node.take("a.jpg", (1, 2, 3)))).path.with_name("big.nef")
    path.write_bytes(os.urandom(MIB) * 48)
    return path, f"/api/v1/photos/{node.take_in(path)}/original"


def test_a_client_that_leaves_ends_the_reading() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _):
            path, address = await take_big(node)
            async with connected(client) as stream:
                await stream.send_all(request_bytes(client, f"GET {address}"))
                await stream.receive_some(1024)
                assert open_files(path) == 1
            await until(lambda: not open_files(path))

    run(main)


def test_a_file_that_fails_half_way_ends_the_connection_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with served() as (node, client, _, _):
            path, address = await take_big(node)
            async with connected(client) as stream:
                await stream.send_all(request_bytes(client, f"GET {address}"))
                await stream.receive_some(1024)
                os.truncate(path, 24 * MIB)
                assert len(await read_all(stream)) <= 24 * MIB
            assert (await client.get("/health")).status_code == 200
        assert "became shorter" in caplog.text

    run(main)


@pytest.mark.parametrize(("size", "edge"), [(1, 256), (256, 256), (257, 1600), (1600, 1600)])
def test_the_next_larger_preview_is_sent(size: int, edge: int) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (0, 90, 0))
            address = f"/api/v1/photos/{photo}/preview"
            answer = await client.get(address, params={"size": size})
            assert answer.headers["content-type"] == "image/jpeg"
            assert max(Image.open(io.BytesIO(answer.content)).size) == min(edge, 640)
            again = await client.get(
                address, params={"size": size}, headers={"If-None-Match": answer.headers["etag"]}
            )
            assert (again.status_code, again.content) == (304, b"")
            head = await client.head(address, params={"size": size})
            assert head.content == b""
            assert head.headers["content-length"] == str(len(answer.content))

    run(main)


def test_a_preview_larger_than_any_is_refused() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (0, 90, 0))
            answer = await client.get(f"/api/v1/photos/{photo}/preview?size=1601")
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["parameter"] == "query.size"

    run(main)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "x/y"])
def test_what_a_browser_could_run_is_only_a_download(kind: str) -> None:
    assert content_disposition("a", kind).startswith("attachment;")
    assert content_disposition("a", "image/jpeg").startswith("inline;")


@pytest.mark.parametrize(
    "name", ['a"; x="b.jpg', "a\r\nSet-Cookie: b.jpg", "a\ud800.jpg", "ä%41'.jpg"]
)
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    header = content_disposition(name, "image/jpeg")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.count(";") >= 2
