"""Bytes of photos: originals with ranges, and previews.

An original is streamed from disk in pieces read by worker threads: memory stays at a piece or two
however long the file and however slow the client. Its tag is its hash, so it can be cached for as
long as anyone likes. What a browser could run as a document of ours (HTML, SVG) is only ever sent
as a download.
"""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import quote

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from photonic import limits
from photonic.api import ranges
from photonic.api.access import Node, PhotoId
from photonic.api.problem_documents import Answers, ProblemResponse, problem_responses
from photonic.errors import BlobCorrupt, BlobMissing, PhotoUnknown, RangeUnsatisfiable
from photonic.names import download_name
from photonic.views import OriginalFile

CACHE_FOR_EVER = "private, max-age=31536000, immutable"  # the tag is the hash of the bytes
CACHE_AND_ASK = "private, max-age=3600"  # a preview may be made anew
INLINE_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp", "image/jxl"}
    | {"video/mp4", "video/webm", "video/quicktime", "image/tiff", "image/heic", "image/heif"}
)

routes = APIRouter(tags=["photos"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ORIGINAL_ANSWERS: Answers = {
    200: {"description": "The whole file.", "content": {"application/octet-stream": _BINARY}},
    206: {"description": "The range.", "content": {"application/octet-stream": _BINARY}},
    304: {"description": "The client has it already."},
}
_PREVIEW_ANSWERS: Answers = {
    200: {"description": "A JPEG.", "content": {"image/jpeg": _BINARY}},
    304: {"description": "The client has it already."},
}


@routes.head("/photos/{id}/original", include_in_schema=False)
@routes.get(
    "/photos/{id}/original",
    response_class=Response,
    responses=_ORIGINAL_ANSWERS
    | problem_responses(PhotoUnknown, BlobMissing, RangeUnsatisfiable, BlobCorrupt),
)
async def read_original(request: Request, photo: PhotoId, node: Node) -> Response:
    """Return the original's bytes: whole, or one range of them."""
    original = await node.original(photo)
    etag = f'"{original.etag}"'
    asked = request.headers
    plan = ranges.plan(
        original.size_bytes,
        etag,
        wanted=asked.get("range") if request.method == "GET" else None,
        if_range=asked.get("if-range"),
        if_none_match=asked.get("if-none-match"),
    )
    headers = {"ETag": etag, "Cache-Control": CACHE_FOR_EVER, "Accept-Ranges": "bytes"}
    if plan.status == 304:
        return Response(status_code=304, headers=headers)
    if plan.status == 416:
        size = original.size_bytes
        error = RangeUnsatisfiable(f"the file has {size:,} bytes")
        return ProblemResponse(error, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Disposition"] = content_disposition(original.name, original.media_type)
    return OriginalResponse(original, plan, headers)


@routes.head("/photos/{id}/preview", include_in_schema=False)
@routes.get(
    "/photos/{id}/preview",
    response_class=Response,
    responses=_PREVIEW_ANSWERS | problem_responses(PhotoUnknown, BlobMissing),
)
async def read_preview(
    request: Request,
    photo: PhotoId,
    node: Node,
    size: Annotated[
        int,
        Query(
            ge=1,
            le=limits.PREVIEW_EDGES_PX[-1],
            description="Longest edge in pixels; the next larger preview that is kept is sent.",
        ),
    ] = limits.PREVIEW_EDGES_PX[0],
) -> Response:
    """Return a preview of the photo: oriented, in sRGB."""
    edge_px = next(edge for edge in limits.PREVIEW_EDGES_PX if edge >= size)
    preview = await node.preview(photo, edge_px)
    etag = f'"{preview.etag}"'
    headers = {"ETag": etag, "Cache-Control": CACHE_AND_ASK}
    if ranges.has_tag(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        headers["Content-Length"] = str(len(preview.data))
        return Response(media_type="image/jpeg", headers=headers)
    return Response(preview.data, media_type="image/jpeg", headers=headers)


def content_disposition(name: str, media_type: str) -> str:
    """Return the header that names the file, in ASCII and as it is (RFC 6266, RFC 5987)."""
    kind = "inline" if media_type in INLINE_TYPES else "attachment"
    name = download_name(name)
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    exact = quote(name.encode("utf-8", "replace"), safe="!#$&+-.^_`|~")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"


class OriginalResponse(Response):
    """Sends a piece of a file. Ends when the client leaves, or raises when the file fails.

    The file is opened and its length checked before the answer begins; a failure after that can
    only end the connection, short of the announced length.
    """

    def __init__(self, original: OriginalFile, plan: ranges.Plan, headers: dict[str, str]) -> None:
        self._original, self._plan = original, plan
        headers = headers | {"Content-Length": str(plan.length)}
        if plan.status == 206:
            last = plan.stop - 1
            headers["Content-Range"] = f"bytes {plan.start}-{last}/{original.size_bytes}"
        super().__init__(status_code=plan.status, headers=headers, media_type=original.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = await anyio.to_thread.run_sync(self._open)
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            await self._send_while_heard(handle, receive, send)
        finally:
            os.close(handle)

    def _open(self) -> int:
        blob = bytes.fromhex(self._original.etag)
        try:
            handle = os.open(self._original.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobMissing(blob) from error
        if os.fstat(handle).st_size != self._original.size_bytes:
            os.close(handle)
            raise BlobCorrupt(blob, "on this node's disk")
        return handle

    async def _send_while_heard(self, handle: int, receive: Receive, send: Send) -> None:
        """Send the piece unless the client leaves: the server itself would not tell us."""
        failure: OSError | None = None
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            try:
                await self._send_piece(handle, send)
            except OSError as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _send_piece(self, handle: int, send: Send) -> None:
        start, stop = self._plan.start, self._plan.stop
        while start < stop:
            length = min(limits.HTTP_PIECE_BYTES, stop - start)
            piece = await anyio.to_thread.run_sync(os.pread, handle, length, start)
            if not piece:
                raise OSError(f"{self._original.path} became shorter while it was read")
            start += len(piece)
            body = {"type": "http.response.body", "body": piece, "more_body": start < stop}
            await send(body)
        if self._plan.length == 0:
            await send({"type": "http.response.body", "body": b""})
