"""The OpenAPI document: committed, complete, and true of every operation that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from photonic.api import openapi
from photonic.edits import Chosen, Said
from photonic.ids import peer_id
from tests.api.client import face, run, served
from tests.api.local_node import HERE, THERE, MemoryNode

DOCUMENT: dict[str, Any] = json.loads(openapi.document())
COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}

SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}

# Every operation: what to send, and the good status. `{code}` is an invitation's, `{act}` that of
# an edit.
CALLS: dict[tuple[str, str], tuple[int, dict[str, object] | None]] = {
    ("GET", "/api/v1/status"): (200, None),
    ("GET", "/api/v1/photos"): (200, None),
    ("GET", "/api/v1/photos/{id}"): (200, None),
    ("PATCH", "/api/v1/photos/{id}"): (200, {"rating": 4}),
    ("POST", "/api/v1/photos/{id}/resolve"): (200, {"field": "title", "value": "b"}),
    ("GET", "/api/v1/photos/{id}/original"): (200, None),
    ("GET", "/api/v1/photos/{id}/preview"): (200, None),
    ("GET", "/api/v1/photos/count"): (200, None),
    ("POST", "/api/v1/photos/edit"): (200, {"q": "name:a", "rating": 2, "flag": "pick"}),
    ("GET", "/api/v1/photos/{id}/log"): (200, None),
    ("GET", "/api/v1/timeline"): (200, None),
    ("GET", "/api/v1/facets"): (200, None),
    ("GET", "/api/v1/log"): (200, None),
    ("POST", "/api/v1/undo"): (200, {"act": "{act}"}),
    ("GET", "/api/v1/trash"): (200, None),
    ("POST", "/api/v1/trash"): (200, {"q": "name:a"}),
    ("POST", "/api/v1/trash/restore"): (200, {"q": ""}),
    ("POST", "/api/v1/trash/confirm"): (200, {"node": peer_id(HERE)}),
    ("POST", "/api/v1/trash/empty"): (200, None),
    ("GET", "/api/v1/albums"): (200, None),
    ("POST", "/api/v1/albums"): (201, {"name": "Iceland", "query": "tag:iceland"}),
    ("PATCH", "/api/v1/albums/{album}"): (200, {"name": "Iceland 2024"}),
    ("DELETE", "/api/v1/albums/{album}"): (200, None),
    ("GET", "/api/v1/policies/display"): (200, None),
    ("PUT", "/api/v1/policies/display"): (200, {"rating": "prefer:central"}),
    ("GET", "/api/v1/photos/{id}/placement"): (200, None),
    ("GET", "/api/v1/policies/placement"): (200, None),
    ("PUT", "/api/v1/policies/placement"): (200, {"rules": ["everything: copies 3"]}),
    ("PATCH", "/api/v1/policies/placement"): (200, {"add": ["where flag:pick: copies 3"]}),
    ("POST", "/api/v1/policies/placement/check"): (200, {"rules": ["everything: copies 3"]}),
    ("GET", "/api/v1/keys"): (200, None),
    ("POST", "/api/v1/keys/rotate"): (200, {}),
    ("POST", "/api/v1/keys/reseal"): (200, {}),
    ("PUT", "/api/v1/keys/fields"): (200, {"fields": ["gps"]}),
    ("GET", "/api/v1/conflicts"): (200, None),
    ("GET", "/api/v1/peers"): (200, None),
    ("GET", "/api/v1/members"): (200, None),
    ("POST", "/api/v1/members/{member}/revoke"): (200, {"cut": 3}),
    ("POST", "/api/v1/members/{member}/restore"): (200, {}),
    ("POST", "/api/v1/members/{member}/scopes"): (200, {"scopes": ["catalog.read"]}),
    ("POST", "/api/v1/invitations"): (201, {"role": "mobile"}),
    ("POST", "/api/v1/join"): (200, {"code": "{code}"}),
    ("GET", "/api/v1/imports"): (200, None),
    ("POST", "/api/v1/imports"): (202, {"folder": "{folder}"}),
    ("GET", "/api/v1/catalog-tasks"): (200, None),
    ("GET", "/api/v1/verifications"): (200, None),
    ("POST", "/api/v1/verifications"): (202, {"q": "name:a"}),
    ("GET", "/api/v1/transfers"): (200, None),
    ("GET", "/api/v1/evictions"): (200, None),
    ("POST", "/api/v1/evictions"): (200, {"bytes": 5_000_000}),
    ("GET", "/api/v1/redundancy"): (200, None),
    ("GET", "/api/v1/pauses"): (200, None),
    ("POST", "/api/v1/pauses"): (200, {"kind": "library"}),
    ("POST", "/api/v1/pauses/end"): (200, {}),
    ("GET", "/api/v1/scrub"): (200, None),
    ("GET", "/api/v1/scrub/calendar"): (200, None),
    ("PUT", "/api/v1/scrub"): (200, {"paused": True}),
    ("GET", "/api/v1/audit"): (200, None),
    ("GET", "/api/v1/audit/verdict"): (200, None),
    ("GET", "/api/v1/limits"): (200, None),
    ("PUT", "/api/v1/limits"): (200, {"out_bytes_s": 5_000_000}),
    ("DELETE", "/api/v1/limits"): (200, None),
    ("GET", "/api/v1/exports"): (200, None),
    ("PUT", "/api/v1/exports/rules"): (200, {"rules": ["10.0.0.7 ro"]}),
    ("DELETE", "/api/v1/exports/rules"): (200, None),
    ("POST", "/api/v1/export"): (202, {"folder": "{folder}/export"}),
    ("POST", "/api/v1/import-catalog"): (202, {"folder": "{folder}", "merge": True}),
    ("GET", "/api/v1/tokens"): (200, None),
    ("POST", "/api/v1/tokens"): (201, {"name": "phone", "scopes": ["catalog.read"]}),
    ("DELETE", "/api/v1/tokens/{token}"): (200, None),
    ("GET", "/api/v1/session"): (200, None),
    ("POST", "/api/v1/session"): (200, {"token": "{secret}"}),
    ("DELETE", "/api/v1/session"): (200, None),
    ("GET", "/api/v1/doctor"): (200, None),
    ("POST", "/api/v1/stop"): (202, None),
    ("GET", "/api/v1/events"): (200, None),
    ("GET", "/api/v1/health"): (200, None),
    ("GET", "/api/v1/metrics"): (200, None),
    ("GET", "/health"): (200, None),
    ("GET", "/metrics"): (200, None),
}


def test_the_committed_document_is_up_to_date() -> None:
    committed = COMMITTED.read_text(encoding="utf-8")
    assert committed == openapi.document(), (
        "run `python -m photonic.api.openapi > docs/openapi.json`"
    )


def test_the_calls_below_are_all_operations_there_are() -> None:
    assert set(CALLS) == set(OPERATIONS)


def test_every_route_is_in_the_document() -> None:
    hidden = {"HEAD", "OPTIONS"}
    served_paths = {
        path.removesuffix("/") for path in re.findall(r'"(/[^"]*)"', json.dumps(list(OPERATIONS)))
    }
    assert served_paths == {path for _, path in CALLS}
    assert "/api/v1/openapi.json" not in served_paths
    assert not {method for method, _ in OPERATIONS} & hidden


async def call(
    node: MemoryNode, client: httpx.AsyncClient, method: str, path: str, body: object
) -> tuple[int, str, bytes]:
    """Make one call with what it needs; return the status, the media type and the body."""
    photo = node.take("a.jpg", (1, 2, 3))
    node.write_apart(photo, "title", "a")
    album = await node.albums.create("Best", None)
    edited = await node.edits.edit(Chosen("name:a"), Said({"label": "red"}), dry_run=False)
    assert edited.act is not None
    invitation = await node.invite("mobile", 60, None)
    token, secret = await node.tokens.create("phone", ["catalog.read"], 60)
    folder = str((await node.original(photo)).path.parent)
    text = json.dumps(body).replace("{code}", invitation.code).replace("{folder}", folder)
    text = text.replace("{act}", edited.act).replace("{secret}", secret)
    if path.endswith("/restore") and "{member}" in path:
        await node.members.revoke(THERE)
    path = path.replace("{member}", peer_id(THERE))
    address = path.replace("{id}", photo).replace("{album}", album.id)
    address = address.replace("{token}", token.id)
    async with client.stream(
        method, address, json=None if body is None else json.loads(text)
    ) as answer:
        kind = answer.headers["content-type"].partition(";")[0]
        if kind == "text/event-stream":
            return answer.status_code, kind, b""
        return answer.status_code, kind, await answer.aread()


@pytest.mark.parametrize(("method", "path"), sorted(CALLS))
def test_every_operation_answers_as_the_document_says(method: str, path: str) -> None:
    async def main() -> None:
        good, body = CALLS[method, path]
        async with served() as (node, client, _, _):
            status, kind, content = await call(node, client, method, path, body)
        assert status == good
        described = OPERATIONS[method, path]["responses"][str(status)]["content"]
        if path.endswith("/original"):
            assert "application/octet-stream" in described  # of the photo's own type
            return
        assert kind in described
        if kind == "application/json":
            check(json.loads(content), described[kind]["schema"])

    run(main)


@pytest.mark.parametrize(("method", "path"), sorted(CALLS))
def test_every_example_and_refusal_is_described(method: str, path: str) -> None:
    responses = OPERATIONS[method, path]["responses"]
    for status, answer in responses.items():
        for kind, described in answer.get("content", {}).items():
            if "example" in described and kind == "application/json":
                check(described["example"], described["schema"])
        if int(status) >= 400 and "HealthView" not in json.dumps(answer):
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["description"].startswith("`")
    assert {"403", "422", "500"} <= set(responses)
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


def test_operation_ids_are_distinct_and_described() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    assert all(operation["description"].endswith(".") for operation in OPERATIONS.values())


def test_the_document_is_served() -> None:
    async def main() -> None:
        async with face() as (_, client):
            assert (await client.get("/api/v1/openapi.json")).json() == DOCUMENT

    run(main)


def check(value: object, schema: dict[str, Any]) -> None:
    """Check `value` against the part of JSON Schema that our document uses. Raises AssertionError.

    Stricter than the standard in one point: an object has no member that is not described.
    """
    if "$ref" in schema:
        check(value, DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return
    if "anyOf" in schema:
        assert any(matches(value, one) for one in schema["anyOf"]), (value, schema)
        return
    if "enum" in schema:
        assert value in schema["enum"]
    kind = schema.get("type")
    if kind == "object":
        assert isinstance(value, dict)
        check_members(value, schema)
    elif kind == "array":
        assert isinstance(value, list)
        for item in value:
            check(item, schema["items"])
    elif kind is not None:
        assert isinstance(value, SCALARS[kind]), (value, schema)
        assert isinstance(value, bool) is (kind == "boolean")


def check_members(value: dict[str, object], schema: dict[str, Any]) -> None:
    known, more = schema.get("properties", {}), schema.get("additionalProperties", False)
    assert set(schema.get("required", [])) <= set(value), (value, schema)
    for name, part in value.items():
        assert name in known or more is not False, (name, schema)
        check(part, known.get(name, more if isinstance(more, dict) else {}))


def matches(value: object, schema: dict[str, Any]) -> bool:
    try:
        check(value, schema)
    except AssertionError:
        return False
    return True
