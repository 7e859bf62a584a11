"""Ranges: the pure plan against an oracle, then the same over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.api import ranges
from photonic.api.app import create_app
from photonic.api.server import serve
from tests.api.local_node import MemoryNode

ETAG = '"abc"'
SIZE = 3 * limits.HTTP_PIECE_BYTES + 17  # several pieces, the last one short

numbers = st.one_of(
    st.just(""),
    st.integers(0, SIZE + 10).map(str),
    st.integers(0, 10**30).map(str),
    st.integers(0, 99).map(lambda n: f"{n:05}"),
)
specs = st.builds("{}-{}".format, numbers, numbers)
headers = st.one_of(
    specs.map("bytes={}".format),
    specs.map("Bytes= {} ".format),
    st.lists(specs, min_size=2, max_size=4).map(lambda some: "bytes=" + ",".join(some)),
    specs.map("items={}".format),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
)


def oracle(header: str, size: int) -> tuple[int, int, int]:
    """What RFC 9110 asks for, told another way: status, first and behind-last byte."""
    unit, equals, spec = header.strip().partition("=")
    first, dash, last = spec.strip(" \t").partition("-")
    is_range = unit.lower() == "bytes" and equals and dash and (first or last)
    if not is_range or not all(part == "" or part.isdecimal() for part in (first, last)):
        return 200, 0, size
    positions = range(size)
    if not first:
        piece = positions[-int(last) :] if int(last) else positions[:0]
    elif last and int(last) < int(first):
        return 200, 0, size
    else:
        piece = positions[int(first) : int(last) + 1 if last else None]
    if not first and int(last) and not size:
        return 200, 0, 0
    return (206, piece[0], piece[-1] + 1) if piece else (416, 0, 0)


@given(header=headers, size=st.one_of(st.integers(0, 5), st.just(SIZE)))
@example(header="bytes=0-", size=0)
@example(header="bytes=-5", size=0)
@example(header="bytes=-0", size=5)
@example(header="bytes=4-", size=5)
@example(header="bytes=5-", size=5)
@example(header="bytes=2-1", size=5)
@example(header="bytes=" + "9" * 6000 + "-", size=5)
def test_plan_is_what_the_rfc_says(header: str, size: int) -> None:
    if len(header) > 4000:  # more digits than int() takes
        assert ranges.plan(size, ETAG, wanted=header) == ranges.Plan(416)
        return
    plan = ranges.plan(size, ETAG, wanted=header)
    assert (plan.status, plan.start, plan.stop) == oracle(header, size)


@pytest.mark.parametrize("if_range", ['W/"abc"', '"other"', "Sat, 29 Oct 1994 19:43:31 GMT", ""])
def test_if_range_that_does_not_match_strongly_gives_the_whole_file(if_range: str) -> None:
    assert ranges.plan(9, ETAG, wanted="bytes=1-2", if_range=if_range) == ranges.Plan(200, 0, 9)
    assert ranges.plan(9, ETAG, wanted="bytes=1-2", if_range=ETAG) == ranges.Plan(206, 1, 3)


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", W/"abc" , "y"', True),
        ("*", True),
        ('"a,bc"', False),
        ('"abcd"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(header: str, matches: bool) -> None:
    assert ranges.has_tag(header, ETAG) is matches
    plan = ranges.plan(9, ETAG, wanted="bytes=99-", if_none_match=header)
    assert plan.status == (304 if matches else 416)


class Served(NamedTuple):
    """A client of a served node, the address of an original there, its bytes and its file."""

    client: httpx.Client
    address: str
    data: bytes
    path: Path

    def __repr__(self) -> str:
        return f"Served({self.address})"  # not the bytes


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("photos")
    data = bytes(index * 31 % 251 for index in range(SIZE))
    path = folder / 'Straße \N{CAMERA} "1".NEF'
    path.write_bytes(data)
    node = MemoryNode(folder)
    photo = node.take_in(path)
    with start_blocking_portal("trio") as portal:
        shutdown = portal.call(anyio.Event)
        start = partial(serve, create_app(node), "127.0.0.1", 0, shutdown=shutdown)
        running, url = portal.start_task(start)
        with httpx.Client(base_url=url, timeout=20) as client:
            yield Served(client, f"/api/v1/photos/{photo}/original", data, path)
        portal.call(shutdown.set)
        running.result(20)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(header=headers, if_range=st.sampled_from([None, "match", '"other"']))
def test_any_range_of_an_original_is_served_over_a_socket(
    original: Served, header: str, if_range: str | None
) -> None:
    client, address, data, _path = original
    etag = f'"{address.split("/")[-2]}"'
    asked = {"Range": header.strip()} | (
        {"If-Range": etag if if_range == "match" else if_range} if if_range else {}
    )
    status, start, stop = oracle(header, SIZE)
    if if_range == '"other"':
        status, start, stop = 200, 0, SIZE
    answer = client.get(address, headers=asked)
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{SIZE}"
        assert answer.json()["code"] == "http.range-unsatisfiable"
        return
    assert answer.content == data[start:stop]
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.headers["etag"] == etag
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers.get("content-range") == (
        f"bytes {start}-{stop - 1}/{SIZE}" if status == 206 else None
    )


def test_an_original_says_what_it_is(original: Served) -> None:
    client, address, data, _path = original
    answer = client.get(address)
    assert answer.content == data
    assert answer.headers["content-type"] == "image/x-nikon-nef"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Stra_e _ _1_.NEF"; '
        "filename*=UTF-8''Stra%C3%9Fe%20%F0%9F%93%B7%20_1_.NEF"
    )
    assert "immutable" in answer.headers["cache-control"]


def test_head_tells_the_length_and_ignores_ranges(
    original: Served,
) -> None:
    client, address, data, _path = original
    answer = client.head(address, headers={"Range": "bytes=0-4"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(data))


def test_what_the_client_has_is_not_sent_again(
    original: Served,
) -> None:
    client, address, _data, _path = original
    etag = client.head(address).headers["etag"]
    answer = client.get(address, headers={"If-None-Match": f"W/{etag}", "Range": "bytes=0-4"})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
