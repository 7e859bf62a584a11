"""Over TLS nobody is told anything without a token, and nothing any more once it is revoked."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
import trio

from photonic import limits
from photonic.api.porter import COOKIE
from photonic.events import Audited, Event
from photonic.scopes import ADMIN_SCOPES
from photonic.world import SystemClock, World
from tests.api.client import face, read_all, run, until
from tests.api.secure import Secure, secured

READ = ("catalog.read",)


async def read_on(lines: AsyncIterator[str]) -> None:
    async for _ in lines:
        pass


def audited(secure: Secure) -> list[Audited]:
    heard: list[Audited] = []

    def hear(_: int, event: Event) -> None:
        if isinstance(event, Audited):
            heard.append(event)

    secure.node.events.listen(hear)
    return heard


def test_a_stranger_gets_the_pages_files_and_health_and_nothing_of_the_library() -> None:
    async def main() -> None:
        async with secured() as secure:
            stranger = secure.client()
            assert (await stranger.get("/health")).json() == {"status": "ok"}
            told = [await stranger.get(path) for path in ("/", "/api/v1/status", "/metrics")]
            told += [await stranger.post("/api/v1/stop"), await stranger.get("/api/v1/nowhere")]
            assert [answer.status_code for answer in told[1:]] == [401, 401, 401, 404]
            assert told[1].headers["WWW-Authenticate"] == "Bearer"
            everything = "".join(answer.text for answer in told)
            assert secure.node.library.name not in everything
            assert secure.node.library.id not in everything
            assert not secure.node.is_stopping

    run(main)


def test_tls_is_of_today_and_strict_and_its_page_runs_no_inline_script() -> None:
    async def main() -> None:
        async with secured() as secure:
            page = await secure.client().get("/")
            assert page.headers["Strict-Transport-Security"].startswith("max-age=")
            assert "unsafe" not in page.headers["Content-Security-Policy"]
            assert "default-src 'self'" in page.headers["Content-Security-Policy"]
            named = await secure.client(Host="localhost:8643").get("/")
            assert "Strict-Transport-Security" not in named.headers
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ssl.SSLError):
                await anyio.to_thread.run_sync(shake_hands, secure.url, old)
        async with face() as (_, client):
            assert "Strict-Transport-Security" not in (await client.get("/")).headers

    run(main)


def shake_hands(url: str, context: ssl.SSLContext) -> None:
    port = httpx.URL(url).port
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        context.wrap_socket(plain).close()


def test_a_token_is_made_used_listed_and_revoked_over_rest() -> None:
    async def main() -> None:
        async with secured() as secure:
            heard = audited(secure)
            admin, _ = await secure.holder()
            made = (
                await admin.post("/api/v1/tokens", json={"name": "phone", "scopes": [*READ]})
            ).json()
            phone = secure.client(Authorization=f"Bearer {made['text']}")
            assert (await phone.get("/api/v1/photos")).status_code == 200
            assert (await phone.get("/api/v1/tokens")).status_code == 403
            listed = (await admin.get("/api/v1/tokens")).json()["items"]
            assert [one["name"] for one in listed] == ["t", "phone"]
            assert listed[1]["last_used"] is not None
            assert made["text"] not in str(listed)
            token = made["token"]["id"]
            assert (await admin.delete(f"/api/v1/tokens/{token}")).json()["name"] == "phone"
            assert (await phone.get("/api/v1/photos")).status_code == 401
            assert (await admin.delete(f"/api/v1/tokens/{token}")).status_code == 404
            acts = [one.act for one in heard]
            assert acts == ["token.created", "http.refused", "token.revoked", "http.refused"]
            assert made["text"] not in str(heard)

    run(main)


def test_nobody_gives_what_he_has_not() -> None:
    async def main() -> None:
        async with secured() as secure:
            admin, _ = await secure.holder(("members.admin", "catalog.read"))
            wish = {"name": "more", "scopes": ["catalog.read", "catalog.write"]}
            refused = await admin.post("/api/v1/tokens", json=wish)
            assert (refused.status_code, refused.json()["code"]) == (403, "http.scope-missing")
            assert "catalog.write" in refused.json()["detail"]
            assert len(secure.node.tokens.list()) == 1

    run(main)


@pytest.mark.parametrize("comes", ["token", "browser"])
def test_revoking_ends_a_stream_of_events_within_a_second(comes: str) -> None:
    async def main() -> None:
        async with secured() as secure:
            client, token = await (secure.holder() if comes == "token" else secure.browser())
            other, _ = await secure.holder()
            async with other.stream("GET", "/api/v1/events"):
                async with client.stream("GET", "/api/v1/events") as stream:
                    lines = stream.aiter_lines()
                    await anext(lines)
                    await secure.node.entrance.revoke_token(secure.node.here, token)
                    with anyio.fail_after(1), pytest.raises(httpx.RemoteProtocolError):
                        await read_on(lines)
                assert (await client.get("/api/v1/session")).status_code == 401
                assert secure.app.feed.listeners == 1  # nobody else is concerned

    run(main)


class LateClock(SystemClock):
    def now_ms(self) -> int:
        return super().now_ms() + 3_600_000 - 3_000


def test_an_answer_ends_when_its_token_expires() -> None:
    async def main() -> None:
        async with secured() as secure:
            client, _ = await secure.holder()
            entrance = secure.node.entrance
            late = LateClock()  # three seconds before the token's end
            entrance._world = dataclasses.replace(World(), clock=late)
            async with client.stream("GET", "/api/v1/events") as stream:
                assert stream.status_code == 200
                with anyio.fail_after(20), pytest.raises(httpx.RemoteProtocolError):
                    await read_on(stream.aiter_lines())

    run(main)


def test_wrong_tokens_make_an_address_wait_and_the_right_one_too() -> None:
    async def main() -> None:
        async with secured() as secure:
            heard = audited(secure)
            right, _ = await secure.holder()
            for number in range(limits.WRONG_TOKENS_MAX):
                wrong = secure.client(Authorization=f"Bearer wrong{number}")
                assert (await wrong.get("/api/v1/status")).status_code == 401
            for client in (wrong, right):
                answer = await client.get("/api/v1/status")
                assert answer.json()["code"] == "http.too-many-wrong-tokens"
                assert answer.status_code == 429
            login = await secure.client().post("/api/v1/session", json={"token": "x"})
            assert login.status_code == 429
            # Whoever shows nothing is not concerned, and ten refusals are told as one.
            assert (await secure.client().get("/health")).status_code == 200
            assert [one.facts["error"] for one in heard] == ["http.token-needed"]

    run(main)


# --- the page ------------------------------------------------------------------------------------


def test_a_cookie_is_for_this_site_over_tls_and_no_script() -> None:
    async def main() -> None:
        async with secured() as secure:
            _, text = await secure.node.tokens.create("t", READ, 3600)
            answer = await secure.client().post("/api/v1/session", json={"token": text})
            kept, *flags = answer.headers["set-cookie"].split("; ")
            assert kept.startswith("__Host-photonic=") and text not in kept
            assert {flag.lower() for flag in flags} >= {
                "secure", "httponly", "samesite=strict", "path=/",
            }  # fmt: skip
            assert not any(flag.lower().startswith("domain") for flag in flags)
            assert answer.json()["seconds"] in (3599, 3600)

    run(main)


@pytest.mark.parametrize(
    ("said", "may_write"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "OURS"}, True),
        ({"Origin": "OURS", "Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),  # says nothing of where it comes from
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "PLAIN"}, False),  # the same host without TLS is whoever is in between
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
    ],
)
def test_a_cookie_writes_only_for_this_very_site(said: dict[str, str], may_write: bool) -> None:
    async def main() -> None:
        async with secured() as secure:
            browser, _ = await secure.browser()
            places = {"OURS": secure.url, "PLAIN": secure.url.replace("https", "http")}
            del browser.headers["Sec-Fetch-Site"]
            headers = {name: places.get(value, value) for name, value in said.items()}
            answer = await browser.put("/api/v1/scrub", json={"paused": True}, headers=headers)
            assert answer.status_code == (200 if may_write else 403)
            assert (await secure.node.verifications.scrubber.view()).paused is may_write

    run(main)


def test_logging_out_ends_the_session_and_its_streams_and_no_other() -> None:
    async def main() -> None:
        async with secured() as secure:
            browser, _ = await secure.browser()
            other, _ = await secure.browser()
            cookie = browser.cookies[COOKIE]
            async with browser.stream("GET", "/api/v1/events") as stream:
                lines = stream.aiter_lines()
                await anext(lines)
                assert (await browser.delete("/api/v1/session")).json() == {"ended": True}
                with anyio.fail_after(1), pytest.raises(httpx.RemoteProtocolError):
                    await read_on(lines)
            assert COOKIE not in browser.cookies
            again = await secure.client(Cookie=f"{COOKIE}={cookie}").get("/api/v1/status")
            assert again.status_code == 401
            assert (await other.get("/api/v1/session")).json()["token"] == "t"

    run(main)


def test_sessions_are_bounded_and_the_oldest_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEB_SESSIONS_MAX", 2)

    async def main() -> None:
        async with secured() as secure:
            browsers = [(await secure.browser())[0] for _ in range(3)]
            told = [(await one.get("/api/v1/session")).status_code for one in browsers]
            assert told == [401, 200, 200]

    run(main)


def test_a_cookie_may_no_more_than_its_token() -> None:
    async def main() -> None:
        async with secured() as secure:
            browser, _ = await secure.browser(READ)
            assert (await browser.get("/api/v1/session")).json()["scopes"] == [*READ]
            assert (await browser.get("/api/v1/photos")).status_code == 200
            assert (await browser.post("/api/v1/stop")).status_code == 403
            assert not secure.node.is_stopping

    run(main)


# --- this machine --------------------------------------------------------------------------------


def test_the_local_user_needs_no_token_and_may_have_one_that_may_less() -> None:
    async def main() -> None:
        async with face() as (node, client):
            assert (await client.get("/api/v1/session")).json() == {
                "scopes": [*ADMIN_SCOPES], "token": None, "expires": None,
            }  # fmt: skip
            _, text = await node.tokens.create("script", READ, 3600)
            less = {"Authorization": f"Bearer {text}"}
            assert (await client.get("/api/v1/session", headers=less)).json()["scopes"] == [*READ]
            assert (await client.post("/api/v1/stop", headers=less)).status_code == 403
            wrong = {"Authorization": "Bearer wrong"}
            assert (await client.get("/api/v1/status", headers=wrong)).status_code == 401

    run(main)


def test_a_token_may_be_demanded_of_this_machine_too() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.entrance._local_needs_token = True
            assert (await client.get("/api/v1/status")).status_code == 401
            _, text = await node.tokens.create("script", READ, 3600)
            right = {"Authorization": f"Bearer {text}"}
            assert (await client.get("/api/v1/status", headers=right)).status_code == 200

    run(main)


# --- the server ----------------------------------------------------------------------------------


def test_one_address_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTPS_CONNECTIONS_PER_ADDRESS_MAX", 3)

    async def main() -> None:
        async with secured() as secure:
            port = httpx.URL(secure.url).port or 0
            silent = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
            async with await trio.open_tcp_stream("127.0.0.1", port) as more:
                assert await read_all(more) == b""  # closed at once
            for stream in silent:
                await stream.aclose()
            client, _ = await secure.holder()

            async def is_let_in() -> bool:
                try:
                    return (await client.get("/health")).is_success
                except httpx.TransportError:
                    return False

            while not await is_let_in():
                await anyio.lowlevel.checkpoint()

    run(main)


def test_who_does_not_shake_hands_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TLS_HANDSHAKE_TIMEOUT_S", 0.1)

    async def main() -> None:
        async with secured() as secure:
            port = httpx.URL(secure.url).port or 0
            for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x40\x00garbage"):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(said)
                    assert b"HTTP" not in await read_all(stream)
            assert (await secure.client().get("/health")).is_success
            await until(lambda: secure.app.metrics.open._value.get() == 0)

    run(main)
