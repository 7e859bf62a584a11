"""The node over HTTP: status, health, metrics, imports, invitations, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from photonic.photos import media_type
from tests.api.client import face, run


def test_the_status_has_every_name_that_others_build_on() -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.take("a.jpg", (1, 2, 3))
            status = (await client.get("/api/v1/status")).json()
            assert set(status["node"]) == {"id", "name", "role", "state", "mode"}
            assert set(status["library"]) == {"id", "name"}
            assert set(status["holdings"]) == {"wanted", "held", "bytes"}
            assert (status["photos"], status["conflicts"], status["peers"]) == (1, 0, 1)
            assert {
                "problems",
                "transfers",
                "imports",
                "listen",
                "http",
                "version",
                "wants",
            } <= set(status)

    run(main)


def test_a_peer_has_every_name_that_others_build_on() -> None:
    async def main() -> None:
        async with face() as (_, client):
            [peer] = (await client.get("/api/v1/peers")).json()["items"]
            names = "id name host role state mode addresses link latency_ms capacity_bytes"
            names += " free_bytes capabilities last_seen via address why_not_better"
            assert set(peer) == set(names.split())

    run(main)


@pytest.mark.parametrize("address", ["/health", "/api/v1/health"])
@pytest.mark.parametrize(
    ("state", "status"), [("monitoring", 200), ("offline", 200), ("error", 503)]
)
def test_health_is_bad_only_in_error(address: str, state: str, status: int) -> None:
    async def main() -> None:
        async with face() as (node, client):
            node.state = state
            answer = await client.get(address)
            assert answer.status_code == status
            assert answer.json() == {"status": "error" if status == 503 else "ok"}

    run(main)


@pytest.mark.parametrize("address", ["/metrics", "/api/v1/metrics"])
def test_metrics_are_what_prometheus_reads(address: str) -> None:
    async def main() -> None:
        async with face() as (node, client):
            photo = node.take("a.jpg", (1, 2, 3))
            for path in (f"/api/v1/photos/{photo}", "/api/v1/photos/zz", "/nothing/at/all"):
                await client.get(path)
            await client.request("BREW", "/api/v1/status")
            answer = await client.get(address)
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            samples = {
                (sample.name, *sorted(sample.labels.values())): sample.value
                for family in text_string_to_metric_families(answer.text)
                for sample in family.samples
            }
            assert samples[("photonic_photos",)] == 1
            route = "/photos/{id}"
            requests = "photonic_http_requests_total"
            assert samples[(requests, *sorted((route, "200", "GET")))] == 1
            assert samples[(requests, *sorted((route, "404", "GET")))] == 1
            assert samples[(requests, *sorted(("page", "404", "GET")))] == 1
            assert not any("BREW" in key or photo in "".join(key) for key in samples)
            assert samples[("photonic_http_requests_open",)] == 1  # this one

    run(main)


def test_an_import_takes_a_folder_in_and_is_listed(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"1")
    (tmp_path / "two.txt").write_bytes(b"2")
    assert media_type("two.txt") is None

    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post("/api/v1/imports", json={"folder": str(tmp_path)})
            assert answer.status_code == 202
            assert (answer.json()["found"], answer.json()["imported"]) == (1, 1)
            assert (await client.get("/api/v1/imports")).json() == {"items": [answer.json()]}
            assert (await client.get("/api/v1/photos")).json()["items"][0]["name"] == "one.png"

    run(main)


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        ("/no/such/folder", "ingest.folder-unknown"),
        ("relative", "http.request-invalid"),
        ("", "http.request-invalid"),
        ("/nul\0", "http.request-invalid"),
        ("/" + "x" * 5000, "http.request-invalid"),
        (7, "http.request-invalid"),
    ],
)
def test_a_folder_that_cannot_be_is_told(folder: object, code: str) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post("/api/v1/imports", json={"folder": folder})
            assert answer.json()["code"] == code

    run(main)


def test_an_invitation_works_once() -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post("/api/v1/invitations", json={"role": "mobile", "ttl_s": 60})
            assert answer.status_code == 201
            invitation = answer.json()
            assert invitation["qr_svg"].startswith("<svg")
            joined = await client.post("/api/v1/join", json={"code": invitation["code"]})
            assert joined.json()["name"] == "Harbour"
            again = await client.post("/api/v1/join", json={"code": invitation["code"]})
            assert (again.status_code, again.json()["code"]) == (403, "enrol.code-refused")
            wrong = await client.post("/api/v1/join", json={"code": "hello"})
            assert (wrong.status_code, wrong.json()["code"]) == (422, "enrol.code-invalid")

    run(main)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"role": "king"},
        {"role": "mobile", "ttl_s": 59},
        {"role": "mobile", "ttl_s": 31 * 86_400},
        {"role": "mobile", "ttl_s": "60"},
        {"role": "mobile", "scopes": [""]},
        {"role": "mobile", "colour": 1},
    ],
)
def test_an_invitation_that_cannot_be_is_refused(body: dict[str, object]) -> None:
    async def main() -> None:
        async with face() as (_, client):
            answer = await client.post("/api/v1/invitations", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "http.request-invalid")

    run(main)


def test_the_node_can_be_asked_to_check_itself_and_to_stop() -> None:
    async def main() -> None:
        async with face() as (node, client):
            [check] = (await client.get("/api/v1/doctor")).json()["items"]
            assert (check["name"], check["ok"], check["fix"]) == ("folder", True, "")
            answer = await client.post("/api/v1/stop")
            assert (answer.status_code, answer.json()) == (202, {"stopping": True})
            assert node.is_stopping

    run(main)
