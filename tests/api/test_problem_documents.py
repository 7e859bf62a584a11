"""Errors as problem documents: complete, safe to read, and never a traceback."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import errors
from photonic.api.problem_documents import ProblemResponse, title_of
from photonic.errors import BlobMissing, EditInvalid, PhotonicError
from tests.api.client import face, run


def kinds(base: type[PhotonicError] = PhotonicError) -> list[type[PhotonicError]]:
    return [base, *(kind for one in base.__subclasses__() for kind in kinds(one))]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_title_and_a_refusing_status(kind: type[PhotonicError]) -> None:
    assert 10 < len(title_of(kind)) < 100
    assert 400 <= kind.http_status < 600


@given(st.text(st.characters(categories=None)))
def test_any_text_fits_into_a_problem(text: str) -> None:
    response = ProblemResponse(EditInvalid(text))
    told = json.loads(bytes(response.body))
    assert set(told) == {"type", "title", "status", "detail", "code", "fix"}
    assert told["type"] == "urn:photonic:error:catalog.edit-invalid"
    assert told["status"] == response.status_code == 422
    assert told["detail"] == text or not text
    assert response.media_type == "application/problem+json"


def test_a_wrong_method_tells_the_right_ones() -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.delete("/api/v1/peers")
            assert (answer.status_code, answer.json()["code"]) == (405, "http.method-not-allowed")
            assert answer.headers["allow"] == "GET"
            assert (await client.get("/api/v1/join")).status_code == 405

    run(main)


def test_what_nobody_foresaw_is_logged_and_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with face() as (node, client):

            async def fail() -> None:
                raise KeyError("the secret of the house")

            monkeypatch.setattr(node, "status", fail)
            answer = await client.get("/api/v1/status")
            assert (answer.status_code, answer.json()["code"]) == (500, "internal")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "secret" not in answer.text
            assert "Traceback" not in answer.text
        assert "the secret of the house" in caplog.text

    run(main)


def test_an_answer_of_the_node_that_is_no_view_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with face() as (node, client):

            async def nonsense() -> list[object]:
                return [{"id": 7}]

            monkeypatch.setattr(node, "peers", nonsense)
            answer = await client.get("/api/v1/peers")
            assert (answer.status_code, answer.json()["code"]) == (500, "internal")

    run(main)


@pytest.mark.parametrize("error", [BlobMissing(b"\xab" * 32), errors.StoreFull("/disk", 9, 1)])
def test_an_error_of_ours_is_told_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, error: PhotonicError
) -> None:
    async def main() -> None:
        async with face() as (node, client):

            async def fail() -> None:
                raise error

            monkeypatch.setattr(node, "doctor", fail)
            answer = await client.get("/api/v1/doctor")
            told = answer.json()
            assert answer.status_code == told["status"] == error.http_status
            assert (told["code"], told["detail"], told["fix"]) == (
                error.code,
                error.message,
                error.fix,
            )

    run(main)
