"""The page: files that Vite built into photonic/api/page/, served at the root.

Names under assets/ carry a hash and are cached for ever; index.html is asked for each time. The
page keeps its own place behind a `#`, so every other path is a file or nothing.
"""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from photonic.api.problem_documents import problem_of
from photonic.errors import NotFound

FOLDER = Path(__file__).parent / "page"

_NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>photonic</title></head>
<body>
<h1>photonic runs, but its page is not built</h1>
<p>Run <code>scripts/up</code> in the checkout: it builds the page and starts the node.
Then load this page again.</p>
<p>The API is there: <a href="/api/v1/status">status</a>,
<a href="/api/v1/openapi.json">description</a>.</p>
</body>
</html>
"""


class Page:
    """The files of the page as an ASGI application. Looks at the disk at each request."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._files = StaticFiles(directory=folder, html=True, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] != "http" or path == "/api" or path.startswith("/api/"):
            raise HTTPException(404)
        response = await self._answer(scope, path)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, path: str) -> Response:
        is_home = path in ("", "/", "/index.html")
        try:
            response = await self._files.get_response(self._files.get_path(scope), scope)
        except HTTPException as error:
            if error.status_code == 404 and is_home and scope["method"] in ("GET", "HEAD"):
                return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-store"})
            raise
        if response.status_code == 404:  # the page's own 404.html, if it had one, is no problem
            raise HTTPException(404, problem_of(NotFound(path)).detail)
        hashed = path.startswith("/assets/")
        cache = "public, max-age=31536000, immutable" if hashed else "no-cache"
        response.headers["Cache-Control"] = cache
        return response
