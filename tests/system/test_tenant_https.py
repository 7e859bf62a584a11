"""Two libraries behind one HTTPS address: what lets into one opens nothing of the other."""

from __future__ import annotations

from pathlib import Path

import httpx

from simulations.daemons import daemons
from tests.system.two_libraries import add


def test_tokens_and_sessions_of_one_library_are_nothing_to_the_other_over_https(
    tmp_path: Path,
) -> None:
    with daemons(tmp_path / "studio") as (daemon,):
        daemon.start("--name", "studio", "--https", "127.0.0.1:0")
        ben = add(daemon)
        libraries = {"": daemon, "ben": ben}
        secure = {name: one.status()["https"] for name, one in libraries.items()}
        assert secure["ben"] == f"{secure['']}/l/ben", "each says where it is to be had"
        prints = {one.status()["fingerprint"] for one in libraries.values()}
        assert len(prints) == 1 and prints != {""}
        given = {"name": "phone", "scopes": ["catalog.read"]}
        tokens = {name: one.send("POST", "/tokens", given) for name, one in libraries.items()}
        for name, token in tokens.items():
            assert token["link"].startswith(f"{secure[name]}/#/login?token=")
        with httpx.Client(verify=False, timeout=30) as client:  # loopback

            def asks(name: str, **headers: str) -> tuple[int, str]:
                client.cookies.clear()
                got = client.get(f"{secure[name]}/api/v1/status", headers=headers)
                return got.status_code, got.json().get("code", "")

            sessions = {}
            for name, token in tokens.items():
                other = "ben" if name == "" else ""
                text = token["text"]
                assert asks(name, authorization=f"Bearer {text}") == (200, "")
                assert asks(other, authorization=f"Bearer {text}") == (401, "http.token-needed")
                refused = client.post(f"{secure[other]}/api/v1/session", json={"token": text})
                assert refused.status_code == 401 and "set-cookie" not in refused.headers
                let_in = client.post(f"{secure[name]}/api/v1/session", json={"token": text})
                assert let_in.status_code == 200
                sessions[name] = let_in.headers["set-cookie"].partition(";")[0]
            assert sessions["ben"].startswith("ben~__Host-photonic=")
            both = "; ".join(sessions.values())
            for name in libraries:
                other = "ben" if name == "" else ""
                assert asks(name, cookie=sessions[name]) == (200, "")
                assert asks(name, cookie=both) == (200, "")
                # The other's cookie as it is, and under the name of this one's.
                outer = sessions[name].partition("=")[0]
                renamed = f"{outer}={sessions[other].partition('=')[2]}"
                for cookie in (sessions[other], renamed):
                    assert asks(name, cookie=cookie) == (401, "http.token-needed"), cookie
            for name, one in libraries.items():
                one.send("DELETE", f"/tokens/{tokens[name]['token']['id']}", None)
                assert asks(name, cookie=sessions[name]) == (401, "http.token-needed")
