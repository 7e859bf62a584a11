"""The whole OpenAPI document, asked by schemathesis: with all rights, with too few, and with none.

Nothing is answered without its scope, nothing ends in a fault, and every answer is as the document
says. PHOTONIC_FUZZ_HTTP is how many cases each operation gets (`tox -e fuzz-http`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from photonic.api.app import create_app
from photonic.errors import FolderUnknown
from photonic.scopes import ADMIN_SCOPES, OPERATIONS
from photonic.views import ImportView
from tests.api.local_node import MemoryNode
from tests.api.test_openapi import DOCUMENT
from tests.api.test_scopes import SECURE, name_of
from tests.api.test_scopes import operations as ending

EXAMPLES = int(os.environ.get("PHOTONIC_FUZZ_HTTP", "4"))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = ("GET", "/api/v1/events")


class ModestNode(MemoryNode):
    """Imports nothing of the machine that the tests run on, whatever it is asked."""

    async def start_import(self, folder: str) -> ImportView:
        raise FolderUnknown(f"{folder} is no folder on this machine")


class Asker:
    """Sends cases to a face over TLS, as far as it knows, each from an address of its own."""

    def __init__(self, portal: BlockingPortal, node: MemoryNode) -> None:
        self._portal, self._asked = portal, 0
        self._transport = httpx.ASGITransport(create_app(node))
        self._client = httpx.AsyncClient(transport=self._transport)
        self.node, self._tokens = node, dict[tuple[str, ...], str]()

    def token(self, scopes: tuple[str, ...]) -> str:
        known = {one.scopes for one in self.node.tokens.list()}
        if scopes not in self._tokens or scopes not in known:
            made = self._portal.call(self.node.tokens.create, "t", scopes, 3600)
            self._tokens[scopes] = made[1]
        return self._tokens[scopes]

    def send(self, case: Case[Any], scopes: tuple[str, ...] | None) -> httpx.Response:
        parts: dict[str, Any] = case.as_transport_kwargs(base_url=SECURE)
        headers = dict(parts.pop("headers"))
        headers.pop("Authorization", None)
        if scopes is not None:
            headers["Authorization"] = f"Bearer {self.token(scopes)}"
        self._asked += 1
        # Wrong tokens to log in with are counted by address.
        number = self._asked
        self._transport.client = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1)
        parts.pop("cookies", None)
        content = parts.pop("data", None)

        async def ask() -> httpx.Response:
            return await self._client.request(**parts, content=content, headers=headers)

        return self._portal.call(ask)

    def close(self) -> None:
        self._portal.call(self._client.aclose)


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("photos")
    node = ModestNode(folder)
    node.take("a.jpg", (9, 9, 9))
    with start_blocking_portal("trio") as portal:
        asker = Asker(portal, node)
        yield asker
        asker.close()


def is_door(told: httpx.Response) -> bool:
    """Whether it was refused for want of a right, and for nothing else."""
    is_problem = told.headers.get("content-type") == "application/problem+json"
    return is_problem and told.json()["code"] in ("http.token-needed", "http.scope-missing")


def is_at_another_host(case: Case[Any], told: httpx.Response) -> bool:
    """Whether it was refused because it named another host: that is judged before any token."""
    names = {name.lower() for name in case.headers or {}}
    return "host" in names and told.json()["code"] == "http.origin-refused"


def cases(method: str, path: str) -> st.SearchStrategy[Case[Any]]:
    """What the document allows, and what it does not."""
    operation = SCHEMA[path][method]
    return st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        if operation.body or list(operation.iter_parameters())
        else st.nothing(),
    )


many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="PHOTONIC_FUZZ_HTTP" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("method", "path"), [*ending(), ENDLESS])
def test_the_document_is_kept_and_nothing_is_served_without_its_scope(
    asker: Asker, method: str, path: str
) -> None:
    need = OPERATIONS[name_of(method, path)]

    @many
    @given(case=cases(method, path))
    def ask(case: Case[Any]) -> None:
        if need is not None:
            told = asker.send(case, None)
            assert told.status_code == 401 or is_at_another_host(case, told), told.text
            case.validate_response(told, checks=CHECKS)
        for scope in need or ():
            few = tuple(one for one in ADMIN_SCOPES if one != scope)
            told = asker.send(case, few)
            # What cannot be read is told before the scope is asked for: it is not done, either.
            assert told.status_code in (403, 422), told.text
            case.validate_response(told, checks=CHECKS)
        if (method, path) != ENDLESS:
            told = asker.send(case, ADMIN_SCOPES)
            assert need is None or not is_door(told), told.text
            assert told.status_code != 500
            case.validate_response(told, checks=CHECKS)

    ask()
