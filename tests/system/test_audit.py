"""From outside: what people do is in the audit log, over kills, too, and tampering shows."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import anyio

from photonic.errors import AuditBroken
from photonic.identity import Identity
from photonic.ids import parse_peer_id, peer_id
from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files
from tests.p2p.raw_peer import RawPeer, run, stranger


def acts(node: Daemon, act: str = "") -> list[str]:
    return [one["act"] for one in node.get("/audit", limit=200, act=act)["items"]]


def test_what_people_do_is_written_down_and_survives_a_kill(tmp_path: Path) -> None:
    make_camera_files(tmp_path / "card")
    with daemons(tmp_path / "a", tmp_path / "b") as (studio, field):
        studio.start()
        photonic(studio.home, "import", str(tmp_path / "card"))
        join(studio, field)
        studio.wait_until(lambda: "member.enrolled" in acts(studio))
        first, second, *_ = studio.photos()
        studio.send("POST", "/trash", {"ids": [first, second]})
        studio.send("POST", "/trash/restore", {"ids": [first]})
        studio.send("PUT", "/limits", {"out_bytes_s": 5_000_000})
        studio.send("DELETE", "/limits", None)
        studio.send("PUT", "/scrub", {"paused": True})
        told = acts(studio)
        for act in ("photos.trashed", "photos.restored", "limits.changed", "scrub.paused"):
            assert act in told, act
        assert acts(studio, "photos") == ["photos.restored", "photos.trashed"]
        plain = photonic(studio.home, "audit").stdout
        assert "photos.trashed" in plain and "node.started" in plain
        verdict = studio.get("/audit/verdict")
        assert verdict["sound"] and verdict["signed_to"] == verdict["last"] - 1
        before = verdict["last"]

        studio.kill()
        studio.start()
        verdict = json.loads(photonic(studio.home, "--json", "audit", "verify").stdout)
        assert verdict["sound"] and verdict["last"] > before
        assert acts(studio).count("node.started") == 2
        me = studio.status()["node"]["id"]
        assert studio.stop() == 0

        copy = str(studio.home / "audit")
        words = ("audit", "verify", "--folder", copy, "--of", me)
        assert "signed by" in photonic(studio.home, *words).stdout
        (log,) = Path(copy).glob("*.jsonl")
        whole = log.read_bytes()
        assert b"node.stopped" in whole
        log.write_bytes(whole.replace(b'"photos":"2"', b'"photos":"0"'))
        spoilt = photonic(studio.home, *words, check=False)
        assert spoilt.returncode == AuditBroken.exit_status and "was changed" in spoilt.stderr
        studio.start()
        problems = {one["code"] for one in studio.status()["problems"]}
        assert AuditBroken.code in problems
        assert not studio.get("/audit/verdict")["sound"]


def knock(node: Daemon, who: Identity, times: int = 1) -> None:
    """Connect as somebody, each time until the node cuts that."""

    async def once() -> None:
        me = parse_peer_id(node.status()["node"]["id"])
        address = node.listen[0].partition("/p2p/")[0]
        async with RawPeer.connect(who, address, me) as raw:
            await raw.choose_yamux()
            while True:
                await raw.read_frame()

    async def all_of_them() -> None:
        for _ in range(times):
            with suppress(Exception), anyio.fail_after(20):
                await once()

    run(all_of_them, 60)


def test_a_stranger_who_knocks_again_and_again_is_told_once_a_minute(tmp_path: Path) -> None:
    with daemons(tmp_path / "a") as (studio,):
        studio.start()
        first, second = stranger(), stranger()
        knock(studio, first, times=3)
        knock(studio, second)

        def refused() -> list[str]:
            items = studio.get("/audit", limit=200, act="peer.refused")["items"]
            return [one["facts"]["node"] for one in items]

        studio.wait_until(lambda: peer_id(second.node) in refused())
        assert refused() == [peer_id(second.node), peer_id(first.node)]  # the latest first
        assert "peer.refused" in photonic(studio.home, "audit", "peer.refused").stdout
        assert studio.get("/audit/verdict")["sound"]
