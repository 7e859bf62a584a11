"""Errors as problem documents (RFC 9457): one shape for every refusal, with the way out.

`type` is `urn:photonic:error:CODE`, `title` says what kind of error it is, `detail` what happened
here, `fix` what to do. No traceback ever leaves the node: what nobody foresaw is logged and told
as `internal`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from photonic.errors import (
    BodyTooLarge,
    MethodNotAllowed,
    NotFound,
    OriginRefused,
    PhotonicError,
    QueryInvalid,
    RequestInvalid,
    RequestTimeout,
    RuleInvalid,
    ScopeMissing,
    TokenNeeded,
    TooManyWrongTokens,
)

MEDIA_TYPE = "application/problem+json"
Answers = dict[int | str, dict[str, Any]]  # what an operation may answer, by HTTP status

log = logging.getLogger("photonic.api")


class WrongParameter(BaseModel):
    """One parameter that cannot be read."""

    parameter: str = Field(examples=["body.rating"])
    detail: str = Field(examples=["Input should be less than or equal to 5"])


class Problem(BaseModel):
    """What went wrong, and what to do about it (RFC 9457)."""

    type: str = Field(examples=["urn:photonic:error:http.request-invalid"])
    title: str = Field(examples=["A request whose parameters or body cannot be read"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["body.rating: Input should be less than or equal to 5"])
    code: str = Field(examples=["http.request-invalid"])
    fix: str = Field(examples=["Correct each parameter that is named."])
    position: int | None = Field(
        default=None, description="Of a query or a rule: the first character that is wrong, from 0."
    )
    length: int | None = Field(default=None, description="How many characters are wrong there.")
    errors: list[WrongParameter] | None = Field(
        default=None, description="Every wrong parameter, where the request is what is wrong."
    )


class ProblemResponse(Response):
    """A problem document as a response. Only ASCII goes out, so any text may be in it."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        error: PhotonicError,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[WrongParameter] = (),
    ) -> None:
        problem = problem_of(error, errors)
        body = json.dumps(problem.model_dump(exclude_none=True)).encode("ascii")
        if isinstance(error, TokenNeeded):
            headers = {**(headers or {}), "WWW-Authenticate": "Bearer"}
        super().__init__(body, status_code=error.http_status, headers=headers)


def problem_of(error: PhotonicError, errors: Sequence[WrongParameter] = ()) -> Problem:
    """Return the problem document that tells `error`."""
    return Problem.model_construct(
        type=f"urn:photonic:error:{error.code}",
        title=title_of(type(error)),
        status=error.http_status,
        detail=error.message or title_of(type(error)),
        code=error.code,
        fix=error.fix,
        position=error.position if isinstance(error, QueryInvalid | RuleInvalid) else None,
        length=(error.length or None) if isinstance(error, QueryInvalid | RuleInvalid) else None,
        errors=list(errors) or None,
    )


def title_of(kind: type[PhotonicError]) -> str:
    """Return what kind of error it is: the first line of the class's docstring."""
    if kind is PhotonicError:
        return "Something that nobody foresaw"
    return (kind.__doc__ or kind.code).partition("\n")[0].rstrip(".")


def problem_responses(*kinds: type[PhotonicError]) -> Answers:
    """Describe for OpenAPI what an operation may be refused with, by HTTP status."""
    always: tuple[type[PhotonicError], ...] = (
        TokenNeeded, OriginRefused, ScopeMissing, RequestInvalid, TooManyWrongTokens, PhotonicError,
    )  # fmt: skip
    responses: Answers = {}
    for kind in (*kinds, *always):
        entry = responses.setdefault(kind.http_status, {"model": Problem, "description": ""})
        line = f"`{kind.code}`: {title_of(kind)}"
        entry["description"] = "\n".join(filter(None, (entry["description"], line)))
    return responses


def write_responses(*kinds: type[PhotonicError]) -> Answers:
    """Describe the same for an operation that takes a body."""
    return problem_responses(*kinds, BodyTooLarge, RequestTimeout)


# --- handlers --------------------------------------------------------------------------------


async def answer_known(request: Request, error: Exception) -> Response:
    """Tell an error of ours."""
    assert isinstance(error, PhotonicError)
    if error.http_status >= 500:
        log.warning("%s %s: %s: %s", request.method, request.url.path, error.code, error)
    return ProblemResponse(error)


async def answer_invalid(_request: Request, error: Exception) -> Response:
    """Tell every parameter that the validation found wrong, all at once."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        WrongParameter.model_construct(
            parameter=".".join(str(part) for part in found["loc"]), detail=str(found["msg"])
        )
        for found in error.errors()
    ]
    detail = "; ".join(f"{one.parameter}: {one.detail}" for one in wrong)
    return ProblemResponse(RequestInvalid(detail), errors=wrong)


async def answer_framework(request: Request, error: Exception) -> Response:
    """Tell what the framework refused, in our words."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    match error.status_code:
        case 404:
            told: PhotonicError = NotFound(f"there is nothing at {path}")
        case 405:
            told = MethodNotAllowed(f"{path} does not take {request.method}")
        case 413:
            told = BodyTooLarge("the request body is too long")
        case status if status < 500:
            told = RequestInvalid(str(error.detail))
        case _:
            told = PhotonicError("an internal error; the node's log has it")
    return ProblemResponse(told, headers=error.headers)


def answer_unforeseen(request_line: str, error: Exception) -> ProblemResponse:
    """Log what nobody foresaw with its traceback, and tell only that it happened."""
    log.error("%s failed", request_line, exc_info=error)
    return ProblemResponse(PhotonicError("an internal error; the node's log has it"))
