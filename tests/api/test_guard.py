"""Who may ask: names, origins, and the size and the time of bodies."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from photonic import limits
from photonic.api.app import create_app
from photonic.api.guard import SECURITY_HEADERS, host_name, is_host_ours
from photonic.events import SubjectsChanged
from tests.api.client import (
    connected,
    face,
    in_memory,
    read_all,
    request_bytes,
    run,
    served,
)
from tests.api.local_node import MemoryNode


@pytest.mark.parametrize(
    ("header", "is_ours"),
    [
        ("localhost", True),
        ("LOCALHOST:8640", True),
        ("127.0.0.1:8640", True),
        ("127.8.9.1", True),
        ("[::1]:8640", True),
        ("192.168.1.5:8640", True),  # where the connection arrived
        ("photos.lan", True),  # named to the guard
        ("192.168.1.6:8640", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("", False),
        ("localhost:", False),
        ("localhost:8640:1", False),
        ("[::1", False),
        ("localhost evil", False),
        ("0.0.0.0", False),
    ],
)
def test_only_our_names_are_ours(header: str, is_ours: bool) -> None:
    assert is_host_ours(header, "192.168.1.5", frozenset({"photos.lan"})) is is_ours


@given(st.text(), st.one_of(st.none(), st.text()))
@example("[fe80::1%eth0]", "fe80::1%eth0")
def test_no_host_header_breaks_the_door(header: str, arrived_at: str | None) -> None:
    name = host_name(header)
    if is_host_ours(header, arrived_at, frozenset()):
        assert name is not None
        assert name in ("localhost", arrived_at) or name.startswith(("127.", "::1", "::ffff:7f"))


def test_another_name_in_host_is_refused_for_everything() -> None:
    async def main() -> None:
        async with face() as (_, client):
            for path in ("/", "/health", "/api/v1/status", "/assets/x.js"):
                answer = await client.get(path, headers={"Host": "evil.example"})
                assert (answer.status_code, answer.json()["code"]) == (403, "http.origin-refused")

    run(main)


def test_a_name_that_was_given_is_let_in(tmp_path: Path) -> None:
    async def main() -> None:
        app = create_app(MemoryNode(tmp_path), hosts=["Photos.lan"])
        async with in_memory(app) as client:
            answer = await client.get("/health", headers={"Host": "photos.LAN:80"})
            assert answer.status_code == 200

    run(main)


OURS, THEIRS = "http://127.0.0.1:8640", "https://evil.example"


@pytest.mark.parametrize(
    ("headers", "may_read", "may_write"),
    [
        ({}, True, True),  # no browser
        ({"Origin": OURS}, True, True),
        ({"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, True, True),
        ({"Sec-Fetch-Site": "none"}, True, True),
        ({"Origin": THEIRS}, False, False),
        ({"Origin": "null"}, False, False),
        ({"Origin": "http://127.0.0.1:9999"}, False, False),
        ({"Origin": "http://[bad"}, False, False),
        ({"Sec-Fetch-Site": "cross-site"}, False, False),
        ({"Sec-Fetch-Site": "same-site"}, False, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": THEIRS}, False, False),
    ],
)
def test_other_sites_pages_may_not_talk_to_the_api(
    headers: dict[str, str], may_read: bool, may_write: bool
) -> None:
    async def main() -> None:
        async with face() as (node, client):
            address = f"/api/v1/photos/{node.take('a.jpg', (1, 2, 3))}"
            before = node.events.last_id
            read = await client.get(address, headers=headers)
            write = await client.patch(address, json={"rating": 1}, headers=headers)
            assert read.status_code == (200 if may_read else 403)
            assert write.status_code == (200 if may_write else 403)
            told = [event for _, event in node.events.since(before)]
            assert any(isinstance(event, SubjectsChanged) for event in told) is may_write
            if not may_write:
                assert write.json()["code"] == "http.origin-refused"

    run(main)


def test_every_answer_carries_the_security_headers() -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (1, 2, 3))
            for path in (
                "/",
                "/nothing",
                "/health",
                "/api/v1/status",
                "/api/v1/photos/zz",
                f"/api/v1/photos/{photo}/original",
            ):
                answer = await client.get(path)
                for name, value in SECURITY_HEADERS.items():
                    assert answer.headers[name] == value, (path, name)
            assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]

    run(main)


def test_a_body_that_is_announced_too_long_is_not_read() -> None:
    async def main() -> None:
        async with face() as (_, client):
            body = b" " * (limits.REQUEST_BODY_BYTES_MAX + 1)
            answer = await client.post("/api/v1/imports", content=body)
            assert (answer.status_code, answer.json()["code"]) == (413, "http.body-too-large")

    run(main)


@pytest.mark.parametrize("length", ["9" * 20, "1048577"])
def test_a_lying_length_is_refused_at_once(length: str) -> None:
    async def main() -> None:
        async with served() as (_, client, _, _), connected(client) as stream:
            head = request_bytes(client, "POST /api/v1/imports", f"Content-Length: {length}")
            await stream.send_all(head)
            assert (await read_all(stream)).startswith(b"HTTP/1.1 413")

    run(main)


def test_a_body_without_length_is_read_no_further_than_the_bound() -> None:
    async def main() -> None:
        async with served() as (_, client, _, _), connected(client) as stream:
            host = client.base_url.netloc.decode()
            head = f"POST /api/v1/imports HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked"
            await stream.send_all(head.encode() + b"\r\n\r\n")
            chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            with suppress(trio.BrokenResourceError):
                for _ in range(limits.REQUEST_BODY_BYTES_MAX // 0x10000 + 1):
                    await stream.send_all(chunk)
            assert (await read_all(stream)).startswith(b"HTTP/1.1 413")

    run(main)


def test_a_body_of_the_longest_size_is_read() -> None:
    async def main() -> None:
        async with face() as (_, client):
            body = b'{"folder": "/nowhere"}'.ljust(limits.REQUEST_BODY_BYTES_MAX)
            answer = await client.post(
                "/api/v1/imports", content=body, headers={"Content-Type": "application/json"}
            )
            assert (answer.status_code, answer.json()["code"]) == (404, "ingest.folder-unknown")

    run(main)


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_BODY_TIMEOUT_S", 0.05)

    async def main() -> None:
        async with served() as (_, client, _, _), connected(client) as stream:
            head = request_bytes(client, "POST /api/v1/imports", "Content-Length: 100", body=b"{")
            await stream.send_all(head)
            answer = await read_all(stream)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"http.request-timeout" in answer

    run(main)


def test_a_body_that_breaks_off_changes_nothing() -> None:
    async def main() -> None:
        async with served() as (node, client, _, _):
            photo = node.take("a.jpg", (1, 2, 3))
            before = node.events.last_id
            async with connected(client) as stream:
                head = request_bytes(
                    client,
                    f"PATCH /api/v1/photos/{photo}",
                    "Content-Type: application/json",
                    "Content-Length: 100",
                    body=b'{"rating": 1}',
                )
                await stream.send_all(head)
                await stream.send_eof()
                await read_all(stream)
            assert (await client.get("/health")).status_code == 200
            assert node.events.last_id == before

    run(main)


def test_a_websocket_is_refused() -> None:
    async def main() -> None:
        async with served() as (_, client, _, _), connected(client) as stream:
            head = (
                "GET /api/v1/events HTTP/1.1",
                f"Host: {client.base_url.netloc.decode()}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "Sec-WebSocket-Version: 13",
                "",
                "",
            )
            await stream.send_all("\r\n".join(head).encode())
            assert (await stream.receive_some(1024)).startswith(b"HTTP/1.1 403")

    run(main)
