"""Whatever is asked, nothing but an answer or a problem comes back: never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photonic.api.app import create_app
from tests.api.client import HOST, in_memory
from tests.api.local_node import MemoryNode
from tests.api.test_openapi import OPERATIONS

ENDLESS = "/api/v1/events"
READS = sorted(path for method, path in OPERATIONS if method == "GET" and path != ENDLESS)
WRITES = sorted((method, path) for method, path in OPERATIONS if method != "GET")

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]

words = st.one_of(
    st.text(st.characters(categories=None), max_size=60),
    st.integers().map(str),
    st.sampled_from(
        ["", "0", "-1", "1", "5", "true", "null", "raw", "2024-05", "%", "\0", "9" * 400]
    ),
    st.sampled_from(["is:trashed", "tag:a or -(", 'camera="', "album:*", "-taken", "sort:added"]),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
MEMBERS = (
    "rating label title caption tags add remove field change value role ttl_s scopes code folder"
    " flag gps latitude longitude albums shoot stack q ids dry_run act name query merge *"
)
bodies = st.one_of(
    json_values,
    st.dictionaries(st.sampled_from(MEMBERS.split()), json_values, max_size=5),
    st.dictionaries(
        st.sampled_from(MEMBERS.split()),
        st.one_of(
            words,
            st.sampled_from(["rating", "title", "ab" * 32, "mobile", "/", 3, None, True]),
            st.sampled_from(["rating>=0", "album:a", "-(x or", "manual", "cd" * 16, "pick"]),
            st.sampled_from([{"add": ["a1" * 16], "remove": []}, {"latitude": 1, "longitude": 2}]),
            st.just(["ab" * 32]),
        ),
        max_size=5,
    ),
)


def escape(text: str) -> str:
    """Percent-encode any text, with the halves of broken pairs as the bytes they would be."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


class Asker:
    """Asks a face in memory, from a thread without a loop."""

    def __init__(
        self, portal: BlockingPortal, client: httpx.AsyncClient, photo: str, album: str
    ) -> None:
        self._portal, self._client = portal, client
        self._photo, self._album = photo, album

    def __repr__(self) -> str:
        return "Asker()"

    def ask(self, method: str, path: str, **parts: Any) -> httpx.Response:
        named = parts.pop("photo", None)
        address = HOST + path.replace("{id}", named or self._photo)
        address = address.replace("{album}", named or self._album)

        async def send() -> httpx.Response:
            return await self._client.request(method, address, **parts)

        return self._portal.call(send)


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder: Path = tmp_path_factory.mktemp("photos")
    node = MemoryNode(folder)
    photo = node.take("a.jpg", (9, 9, 9))
    with start_blocking_portal("trio") as portal:
        client = in_memory(create_app(node))
        album = portal.call(node.albums.create, "Best", None)
        yield Asker(portal, client, photo, album.id)
        portal.call(client.aclose)


def is_told(answer: httpx.Response) -> bool:
    """Whether an answer is good, or a refusal that says what and why."""
    if answer.status_code < 400:
        return True
    told = answer.json()
    kind = answer.headers["content-type"]
    return (
        answer.status_code < 500
        and kind == "application/problem+json"
        and told["status"] == answer.status_code
        and bool(told["code"] and told["fix"] and told["detail"])
    )


many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(data=st.data())
@pytest.mark.parametrize("path", READS)
def test_no_query_breaks_a_read(asker: Asker, path: str, data: st.DataObject) -> None:
    named = [one["name"] for one in OPERATIONS["GET", path].get("parameters", [])]
    names = st.one_of(st.sampled_from([*named, "q"]), st.text(max_size=5))
    query = data.draw(st.dictionaries(names, words, max_size=5))
    text = "&".join(f"{escape(name)}={escape(value)}" for name, value in query.items())
    answer = asker.ask("GET", f"{path}?{text}")
    assert is_told(answer), answer.text


@many
@given(text=words)
@pytest.mark.parametrize("path", [path for path in READS if "{id}" in path])
def test_no_id_breaks_a_read(asker: Asker, path: str, text: str) -> None:
    photo = escape(text)
    assert is_told(asker.ask("GET", path, photo=photo))


@many
@given(body=bodies)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_no_body_breaks_a_write(asker: Asker, method: str, path: str, body: object) -> None:
    text = json.dumps(body)
    answer = asker.ask(
        method, path, content=text, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert is_told(answer), answer.text


@many
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/plain", "x"]))
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_no_bytes_break_a_write(
    asker: Asker, method: str, path: str, body: bytes, kind: str
) -> None:
    answer = asker.ask(method, path, content=body, headers={"Content-Type": kind})
    assert is_told(answer), answer.text


@many
@given(method=st.sampled_from(METHODS), path=words)
def test_no_path_breaks_anything(asker: Asker, method: str, path: str) -> None:
    answer = asker.ask(method, "/" + escape(path))
    assert answer.status_code < 500
    assert method == "HEAD" or is_told(answer)
