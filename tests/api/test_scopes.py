"""Every operation x every scope: done with what its row says, refused with anything less."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.routing import APIRoute

from photonic.api.app import Face, create_app
from photonic.api.porter import LOGIN, authorise
from photonic.scopes import ADMIN_SCOPES, OPERATIONS
from tests.api.client import HOST
from tests.api.local_node import MemoryNode
from tests.api.test_openapi import OPERATIONS as DESCRIBED

SECURE = HOST.replace("http:", "https:")
REFUSED = {401: "http.token-needed", 403: "http.scope-missing"}


class Asked:
    """A face over TLS, as far as it knows, with a token for each set of scopes."""

    def __init__(self, portal: BlockingPortal, folder: Path) -> None:
        self._portal, self.node = portal, MemoryNode(folder)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(self.node)), base_url=SECURE
        )
        self._secrets: dict[tuple[str, ...], str] = {}

    def token(self, scopes: tuple[str, ...]) -> str:
        if scopes not in self._secrets:
            made = self._portal.call(self.node.tokens.create, "t", scopes, 3600)
            self._secrets[scopes] = made[1]
        return self._secrets[scopes]

    def ask(self, method: str, path: str, scopes: tuple[str, ...] | None) -> tuple[int, str | None]:
        """Ask for something that is not there, in a way that cannot be read: so nothing is done.

        Return the status, and the code of a refusal.
        """
        headers = {} if scopes is None else {"Authorization": f"Bearer {self.token(scopes)}"}
        address = path.replace("{id}", "00" * 32).replace("{album}", "00" * 16)
        return self._portal.call(self._ask, method, address.replace("{token}", "0"), headers)

    async def _ask(
        self, method: str, address: str, headers: dict[str, str]
    ) -> tuple[int, str | None]:
        # An unknown body member is a refusal of its own: 422, behind that of the scope.
        body = {"no-such-member": 1} if method in ("POST", "PUT", "PATCH") else None
        async with self.client.stream(method, address, json=body, headers=headers) as answer:
            if answer.is_success:
                return answer.status_code, None
            await answer.aread()
            return answer.status_code, answer.json().get("code")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with start_blocking_portal("trio") as portal:
        asked = Asked(portal, tmp_path_factory.mktemp("scopes"))
        yield asked
        portal.call(asked.client.aclose)


def name_of(method: str, path: str) -> str:
    return str(DESCRIBED[method, path]["operationId"]).removesuffix("_at_root")


def operations() -> list[tuple[str, str]]:
    # A stream of events does not end, and in memory it is heard only when it does: see test_tokens.
    return sorted(one for one in DESCRIBED if one[1] != "/api/v1/events")


def test_every_operation_has_its_row_and_every_row_its_operation() -> None:
    named = {name_of(*one) for one in DESCRIBED}
    assert named | {"read_description"} == set(OPERATIONS)


def test_every_route_is_judged() -> None:
    face = Face(None)
    routes = [route for route in walk(face.routes) if route.path != "/openapi.json"]
    assert len(routes) >= len(DESCRIBED)
    for route in routes:
        assert route.name in OPERATIONS, route.path


def walk(routes: Iterable[object]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            inner = getattr(route, "original_router", None)
            yield from walk(getattr(inner or route, "routes", []))


@pytest.mark.parametrize(("method", "path"), operations())
def test_nobody_gets_anything_without_a_token(asked: Asked, method: str, path: str) -> None:
    status, code = asked.ask(method, path, None)
    if OPERATIONS[name_of(method, path)] is None:
        assert status not in REFUSED
    else:
        assert (status, code) == (401, "http.token-needed")


@pytest.mark.parametrize(("method", "path"), operations())
def test_an_operation_needs_all_of_its_scopes(asked: Asked, method: str, path: str) -> None:
    need = OPERATIONS[name_of(method, path)] or ()
    assert asked.ask(method, path, ADMIN_SCOPES)[0] not in REFUSED
    if need:
        assert asked.ask(method, path, need)[0] not in REFUSED
    for scope in need:
        without = tuple(one for one in ADMIN_SCOPES if one != scope)
        assert asked.ask(method, path, without) == (403, "http.scope-missing")


@pytest.mark.parametrize("scope", ADMIN_SCOPES)
def test_a_scope_does_its_own_operations_and_no_others(asked: Asked, scope: str) -> None:
    for method, path in operations():
        need = OPERATIONS[name_of(method, path)]
        status, code = asked.ask(method, path, (scope,))
        if need is None or set(need) <= {scope}:
            assert status not in REFUSED, (method, path)
        else:
            assert (status, code) == (403, "http.scope-missing"), (method, path)


def test_the_description_is_for_whoever_has_a_token(asked: Asked) -> None:
    path = "/api/v1/openapi.json"
    assert asked.ask("GET", path, None) == (401, "http.token-needed")
    assert asked.ask("GET", path, ("blobs.hold",)) == (200, None)


def test_head_is_judged_as_get_is(asked: Asked) -> None:
    for kind in ("original", "preview"):
        path = f"/api/v1/photos/{'00' * 32}/{kind}"
        for scopes, status in ((None, 401), (("catalog.read",), 403), (("blobs.read",), 404)):
            token = "" if scopes is None else asked.token(scopes)
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = asked._portal.call(send_head, asked.client, path, headers)
            assert answer == status


async def send_head(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> int:
    return (await client.head(path, headers=headers)).status_code


def test_who_is_nobody_has_no_body_read_but_to_log_in() -> None:
    assert OPERATIONS["log_in"] is None
    assert name_of(*LOGIN) == "log_in"
    assert [n for n, need in OPERATIONS.items() if need is None] == ["read_health", "log_in"]


def test_the_document_says_the_same(asked: Asked) -> None:
    for key, operation in DESCRIBED.items():
        need = OPERATIONS[name_of(*key)]
        assert operation["security"] == ([] if need is None else [{"token": list(need)}])
    assert authorise.__doc__
