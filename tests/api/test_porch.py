"""One address for several faces: prefixes, cookies, the list, and a library that is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from starlette.requests import Request
from starlette.responses import JSONResponse

from photonic.api.app import Face
from photonic.api.porch import Porch, is_local
from photonic.tenants import Failure, TenantView
from photonic.views import LocalNode
from tests.api.client import run
from tests.api.local_node import MemoryNode

VIEWS = [
    TenantView("", "/", "Lagoon", "serving"),
    TenantView("ben", "/l/ben/", "Cellar", "serving"),
    TenantView("away", "/l/away/", "", "failed", Failure("x", "the disk says no", "mend it")),
]


class Probe(Face):
    """A face that sets and shows cookies, and says what path it sees."""

    def __init__(self, node: LocalNode) -> None:
        super().__init__(node)
        self.add_route("/probe", _probe, methods=["GET", "POST"])


async def _probe(request: Request) -> JSONResponse:
    answer = JSONResponse({"cookies": request.cookies, "path": request.scope["path"]})
    if request.method == "POST":
        answer.set_cookie("session", request.query_params["as"], httponly=True, samesite="strict")
    return answer


@asynccontextmanager
async def porch(tmp_path: Path, client: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    async def opened(_served: LocalNode, host: str, port: int, path: str) -> str:
        return f"http://{host}:{port}"

    def make(served: LocalNode, *, is_secure: bool) -> Probe:
        return Probe(served)

    made = Porch(opened, make, lambda: VIEWS)
    async with trio.open_nursery() as nursery:
        for name in ("", "ben"):
            face = partial(made.face(name), MemoryNode(tmp_path / (name or "first")))
            url = await nursery.start(face, "127.0.0.1", 8640)
            assert url == "http://127.0.0.1:8640" + ("/l/ben" if name else "")
        transport = httpx.ASGITransport(made, client=(client, 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asking:
            yield asking
        nursery.cancel_scope.cancel()


def in_porch(
    tmp_path: Path, test: Callable[[httpx.AsyncClient], Awaitable[None]], **options: Any
) -> None:
    for name in ("first", "ben"):
        (tmp_path / name).mkdir()

    async def main() -> None:
        async with porch(tmp_path, **options) as client:
            await test(client)

    run(main)


def test_a_face_sees_paths_as_if_it_were_alone(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        for path in ("/probe", "/l/ben/probe", "/l/b%65n/probe"):
            assert (await client.get(path)).json()["path"] == "/probe", path
        moved = await client.get("/l/ben")
        assert (moved.status_code, moved.headers["location"]) == (308, "/l/ben/")

    in_porch(tmp_path, test)


def test_a_cookie_of_one_library_is_never_shown_to_another(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        first = await client.post("/probe?as=ann")
        assert first.headers["set-cookie"].startswith("session=ann;")
        ben = await client.post("/l/ben/probe?as=ben")
        told = ben.headers["set-cookie"]
        assert told.startswith("ben~session=ben;")
        assert "Path=/l/ben/" in told and "Path=/;" not in told
        assert "HttpOnly" in told and "SameSite=strict" in told
        client.cookies.clear()
        everything = {"cookie": "session=ann; ben~session=ben; other~session=eve"}
        shown = [
            (await client.get(path, headers=everything)).json()["cookies"]
            for path in ("/probe", "/l/ben/probe")
        ]
        assert shown == [{"session": "ann"}, {"session": "ben"}]
        only_anns = {"cookie": "session=ann"}
        assert (await client.get("/l/ben/probe", headers=only_anns)).json()["cookies"] == {}

    in_porch(tmp_path, test)


def test_the_list_is_for_who_sits_at_the_machine(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        items = (await client.get("/api/libraries")).json()["items"]
        assert [one["name"] for one in items] == ["", "ben", "away"]
        assert items[2]["problem"]["message"] == "the disk says no"
        assert (await client.post("/api/libraries")).status_code == 404
        foreign = await client.get("/api/libraries", headers={"origin": "http://evil.example"})
        assert foreign.status_code == 403

    in_porch(tmp_path, test)


def test_others_are_answered_as_if_there_were_no_list(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        there, nowhere = [await client.get(path) for path in ("/api/libraries", "/api/nothing")]
        assert there.status_code == nowhere.status_code == 404
        assert "ben" not in there.text and "Lagoon" not in there.text

    in_porch(tmp_path, test, client="192.0.2.7")


@pytest.mark.parametrize(
    ("client", "server", "is_here"),
    [
        (("127.0.0.1", 1), ("127.0.0.1", 2), True),
        (("::1", 1), ("::1", 2), True),
        (("192.0.2.7", 1), ("127.0.0.1", 2), False),
        (("127.0.0.1", 1), ("192.0.2.8", 2), False),
        (None, ("127.0.0.1", 2), False),
        (("/run/socket", 1), ("127.0.0.1", 2), False),
    ],
)
def test_who_is_here(client: object, server: object, is_here: bool) -> None:
    assert is_local({"client": client, "server": server}) is is_here


def test_a_library_that_is_away_says_so_and_not_why(tmp_path: Path) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        away = await client.get("/l/away/api/v1/status")
        assert (away.status_code, away.json()["code"]) == (503, "libraries.not-serving")
        assert "disk" not in away.text
        for path in ("/l/nobody/api/v1/status", "/l//probe", "/l/", "/l/BEN/probe"):
            assert (await client.get(path)).status_code == 404, path
        for path in ("/l/away/", "/l/nobody/", "/l/ben/api/v1/status", "/probe"):
            rebound = await client.get(path, headers={"host": "evil.example"})
            assert rebound.json()["code"] == "http.origin-refused", path

    in_porch(tmp_path, test)


def test_the_first_library_is_away_while_it_starts_or_ends_and_never_unknown() -> None:
    async def main() -> None:
        transport = httpx.ASGITransport(Porch(_never, _nobody, list), client=("127.0.0.1", 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/api/v1/status")
            assert (answer.status_code, answer.json()["code"]) == (503, "libraries.not-serving")

    run(main)


async def _never(_served: LocalNode, host: str, port: int, _path: str) -> str:
    raise AssertionError(f"nobody listens at {host}:{port}")


def _nobody(served: LocalNode, *, is_secure: bool) -> Face:
    raise AssertionError(f"nobody serves {served}, {is_secure}")
