"""Talks REST to the node that runs for a home folder, or to one on another machine.

The node says in HOME/node.json where it listens, and takes the file away when it stops. A node
that was killed leaves the file behind, and its port may be another node's by now; so the one that
answers must be the one that the file names.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import msgspec

from photonic import limits
from photonic.cli.invocation import Invocation
from photonic.cli.remote import Remote
from photonic.errors import (
    NodeAnswerInvalid,
    NodeNotRunning,
    NodeUnreachable,
    PhotonicError,
    QueryInvalid,
)
from photonic.home import NODE_FILE
from photonic.lodging import TENANTS

API = "/api/v1"
Answer = dict[str, Any]
# To the node of a home folder goes plain HTTP over loopback; this trusts no certificate at all.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class NodeFile(msgspec.Struct, frozen=True):
    """The contents of HOME/node.json."""

    pid: int
    http: str
    node: str
    listen: tuple[str, ...] = ()


def read_node_file(home: Path) -> NodeFile | None:
    """Return what the running node of `home` said about itself, or None if it said nothing."""
    try:
        return msgspec.json.decode((home / NODE_FILE).read_bytes(), type=NodeFile)
    except (OSError, msgspec.DecodeError):
        return None


class NodeClient:
    """One node's REST face. Every method raises NodeNotRunning, or the error that the node tells.

    Used by one thread. Close it, or use it in a `with` statement.
    """

    def __init__(
        self,
        base_url: str,
        home: Path | None,
        token: str | None = None,
        remote: Remote | None = None,
    ) -> None:
        """`home` is that of the node, or else there is a `remote`.

        Raises NodeUnreachable, CertificateUnknown.
        """
        self._home, self._remote = home, remote
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        is_secure = remote is not None and base_url.startswith("https:")
        context = remote.context() if remote is not None and is_secure else None
        # The environment's proxies are for the world; a node is here, or on a network of ours.
        self._http = httpx.Client(
            base_url=base_url + API,
            headers=headers,
            verify=context if context is not None else _NO_TLS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; may be repeated."""
        self._http.close()

    def get(self, path: str, query: Mapping[str, str | int | bool] | None = None) -> Answer:
        """Return the JSON at `path`, which begins with a slash."""
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, object], *, is_long: bool = False) -> Answer:
        """Send `body` as JSON to `path` and return the answer, which `is_long` in coming or not."""
        return self._ask("POST", path, body=body, is_long=is_long)

    def patch(self, path: str, body: Mapping[str, object]) -> Answer:
        """Send `body` as JSON to `path` and return what is there then."""
        return self._ask("PATCH", path, body=body)

    def put(self, path: str, body: Mapping[str, object]) -> Answer:
        """Send `body` as JSON in place of what is at `path` and return what is there then."""
        return self._ask("PUT", path, body=body)

    def delete(self, path: str) -> Answer:
        """Delete what is at `path` and return what it was."""
        return self._ask("DELETE", path)

    def changes(self) -> Iterator[None]:
        """Yield whenever the node announced something, and at least every few seconds.

        The first yield comes when the subscription stands, so whatever is started then is heard
        of. What changed is not told: ask for the state, which is the truth. Who is slower than the
        node announces is cut off by it, and comes back here.
        """
        while True:
            with (
                contextlib.suppress(httpx.ReadTimeout),
                self._reachable(),
                self._http.stream("GET", "/events", timeout=limits.CLI_EVENT_SILENCE_S) as response,
            ):
                if response.is_error:
                    response.read()
                    raise _told_error(response)
                yield
                yield from _events(response)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | bool] | None = None,
        body: Mapping[str, object] | None = None,
        is_long: bool = False,
    ) -> Answer:
        patience_s = limits.CLI_LONG_REQUEST_TIMEOUT_S if is_long else limits.CLI_REQUEST_TIMEOUT_S
        timeout = httpx.Timeout(patience_s, connect=limits.CLI_CONNECT_TIMEOUT_S)
        with self._reachable():
            try:
                response = self._http.request(
                    method, path, params=query, json=body, timeout=timeout
                )
            except httpx.ReadTimeout as error:
                raise self._silent(f"it gave no answer for {patience_s:.0f} s") from error
        if response.is_error:
            raise _told_error(response)
        return _parse(response)

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except httpx.ReadTimeout:
            raise
        except httpx.TransportError as error:
            if self._remote is not None and "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self._remote.stranger("nobody here vouches for it") from error
            raise self._silent("it does not answer") from error

    def _silent(self, reason: str) -> PhotonicError:
        if self._remote is not None:
            return NodeUnreachable(f"{self._remote.url}: {reason}")
        return NodeNotRunning(str(self._home), reason)


def connect(where: Invocation | Path) -> NodeClient:
    """Return a client of the node that is meant, or of the one that runs for a home folder.

    Raises NodeNotRunning, NodeUnreachable, CertificateUnknown, UsageInvalid.
    """
    if isinstance(where, Path):
        return _connect_here(where, None)
    remote = where.remote
    if remote is not None:
        return NodeClient(remote.url, None, where.token, remote)
    return _connect_here(where.home, where.token)


def _connect_here(home: Path, token: str | None) -> NodeClient:
    told = read_node_file(home)
    if told is None:
        raise _not_running(home)
    client = NodeClient(told.http, home, token)
    try:
        answers = client.get("/status")
        if answers.get("node", {}).get("id") != told.node:
            raise NodeNotRunning(str(home), f"another program has its port, {told.http}")
    except NodeAnswerInvalid as error:
        client.close()
        raise NodeNotRunning(str(home), f"what answers at {told.http} is no node") from error
    except BaseException:
        client.close()
        raise
    return client


def _not_running(home: Path) -> NodeNotRunning:
    error = NodeNotRunning(str(home))
    if home.parent.name == TENANTS:  # a further library of the daemon of another home folder
        error.fix = (
            "Start the daemon if it does not run; `photonic library list` says why this library of"
            " it does not serve."
        )
    return error


def connect_if_running(home: Path) -> NodeClient | None:
    """Return a client of the node that runs for `home`, or None if none does."""
    try:
        return connect(home)
    except NodeNotRunning:
        return None


def _events(response: httpx.Response) -> Iterator[None]:
    """Yield at the end of each event, or of a sign of life, until the stream ends or is cut."""
    lines = response.iter_lines()
    while True:
        try:
            line = next(lines, None)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return
        if line is None:
            return
        if not line:
            yield


def _parse(response: httpx.Response) -> Answer:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NodeAnswerInvalid(f"{response.request.url.path} gave no JSON object")
    return cast(Answer, answer)


def _told_error(response: httpx.Response) -> PhotonicError:
    """Return the error that a problem document (RFC 9457) tells, with the node's own words."""
    told = _parse(response)
    code, detail = str(told.get("code", "")), str(told.get("detail") or told.get("title") or "")
    kind = _error_kinds().get(code)
    if kind is None:
        return NodeAnswerInvalid(f"HTTP {response.status_code} {code}: {detail}")
    error = kind.__new__(kind)
    Exception.__init__(error, detail)
    if isinstance(error, QueryInvalid):
        error.position, error.length = told.get("position"), told.get("length") or 0
    if told.get("fix"):
        error.fix = str(told["fix"])
    return error


def _error_kinds() -> dict[str, type[PhotonicError]]:
    kinds: list[type[PhotonicError]] = [PhotonicError]
    for kind in kinds:  # grows while it is walked: subclasses of subclasses
        kinds += kind.__subclasses__()
    return {kind.code: kind for kind in kinds}
